"""What a reader must not believe of a reconstruction, in plain words."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from stemedx.analyse.summary import UNRESOLVED
from stemedx.figures.canvas import degrees

Row = dict[str, str]


def crowther_nm(diameter_nm: float, tilt_deg: Sequence[float]) -> float:
    """Return the finest detail that the steps between tilts sample everywhere, nm.

    Diameter times the largest step in radians, for parallel projections and no prior.

    Parameters
    ----------
    diameter_nm
        Of the object, across the tilt axis.
    tilt_deg
        Rising.

    References
    ----------
    Crowther, DeRosier & Klug (1970), Proc. R. Soc. Lond. A 317, 319-340.
    """
    return float(diameter_nm * np.deg2rad(np.diff(tilt_deg).max()))


def elongation(tilt_deg: Sequence[float]) -> float:
    """Return how much longer the missing wedge makes a point along its middle.

    1 without a wedge. Of the point-spread function of weighted back-projection over
    a full range of tilts from -a to a.

    Parameters
    ----------
    tilt_deg
        Rising.

    References
    ----------
    Midgley & Weyland (2003), Ultramicroscopy 96, 413-431.
    """
    half = min(np.deg2rad(tilt_deg[-1] - tilt_deg[0]) / 2, np.pi / 2)
    mixed = np.sin(half) * np.cos(half)
    return float(np.sqrt((half + mixed) / (half - mixed)))


def warnings(
    facts: dict[str, Any], methods: list[Row], resolution: list[Row], shells: list[Row]
) -> list[str]:
    """Return what to keep in mind when looking at a specimen's volumes.

    Parameters
    ----------
    facts
        Of the specimen, as the figures' list tells them.
    methods, resolution, shells
        Its rows of the tables of methods, resolution and thickness.
    """
    if facts["kind"] == "map":
        return [*_of_denoiser(facts["denoised_by"]), *_of_signal(facts["signal"])]
    said = [*_of_gains(methods), *_of_resolution(resolution)]
    said += _of_tilts(facts["tilt_deg"], shells)
    if shells:
        said.append(
            "The uncovered share is biased by every method: blur closes small gaps, noise opens "
            "some. This version does not correct it. Compare it between specimens that were "
            "measured and reconstructed alike, and with simulated specimens."
        )
    said += _of_truth(shells)
    if "poisson_tv" in facts["made_by"]:
        said.append(
            "poisson_tv prefers even matter with sharp edges, and edges at which all elements "
            "change. A gradual transition between elements comes out in steps."
        )
    if "two_step" in facts["made_by"]:
        said.append(
            "two_step shows views that a network has made up from the measured ones. How wrong "
            "its thickness is can be told only for simulated specimens, whose truth is known; "
            "for a measured one it is unknown."
        )
    said += _of_denoiser(facts["denoised_by"])
    said += _of_end_to_end(facts)
    said += _told_by_methods(facts["made_by"])
    said += _of_signal(facts["signal"])
    said.append(
        "Values in count/nm are photons, not composition: elements differ in how readily they "
        "give X-rays, and neither absorption nor shadowing is corrected."
    )
    edge = sorted({f"{row['particle']} ({row['method']})" for row in shells
                   if row.get("touches_edge") == "True"})  # fmt: skip
    if edge:
        said.append(f"Cut off by the edge of the volume: particle {', '.join(edge)}.")
    return said


def _of_denoiser(origin: dict[str, Any]) -> list[str]:
    """Return what the published Q^D was trained on."""
    if origin["method"] != "paper":
        return []
    if origin["learned_from"]:
        known = ", ".join(origin["learned_from"])
        return [
            "The maps were denoised by the published network, which makes them look like the "
            f"output of the CNN-based kernels of {known}: what those kernels keep of noise, or "
            "take for it, it has learned."
        ]
    return [
        "The maps were denoised by the published network without any 2-D map with frames to learn "
        "from: its labels are CNN-based kernels of the specimen's own photons, shared out by lot "
        "to frames. It has seen the noise that it is judged by."
    ]


def _of_end_to_end(facts: dict[str, Any]) -> list[str]:
    """Return what a network that was trained on a batch means for one specimen."""
    origin = facts["made_by"].get("end_to_end")
    if origin is None:
        return []
    known = ", ".join(origin["trained_on"])
    place = "this specimen among them" if facts["specimen"] in origin["trained_on"] else (
        "this specimen is none of them"
    )  # fmt: skip
    return [
        f"end_to_end repeats what a network has learned from the two_step volumes of {known} "
        f"({place}), faults included. Its resolution is not measured: that network has seen "
        "whole data, so two halves that went through it would agree on more than they measured."
    ]


def _told_by_methods(made_by: dict[str, Any]) -> list[str]:
    """Return what methods found wrong with the data they were given."""
    return [
        f"{method}: {doubt}."
        for method, origin in made_by.items()
        for doubt in (origin or {}).get("warnings", ())
    ]


def _of_truth(shells: list[Row]) -> list[str]:
    """Return how far the largest particle of each method is from the simulated truth."""
    largest = [row for row in shells if row["particle"] == "1"]
    truth = {row["element"]: row for row in largest if row["method"] == "truth"}
    errors = [
        f"{row['method']}, {row['element']}: {float(row['mean_nm']):.2f} nm (truth "
        f"{float(true['mean_nm']):.2f}), uncovered {float(row['uncovered_percent']):.1f} % (truth "
        f"{float(true['uncovered_percent']):.1f})"
        for row in largest
        if row["method"] != "truth" and (true := truth.get(row["element"]))
    ]
    if not errors:
        return []
    return ["This specimen was simulated. Its largest particle against the truth: "
            + "; ".join(errors) + "."]  # fmt: skip


def _of_gains(methods: list[Row]) -> list[str]:
    gains = [float(row["gain_nat_per_hit"]) for row in methods if row["gain_nat_per_hit"]]
    if not gains or max(gains) > 0:
        return []
    return [
        "No method predicts photons that it has not seen better than an empty map of the same "
        "brightness does. The data do not support these volumes; check alignment and signal."
    ]


def _of_resolution(resolution: list[Row]) -> list[str]:
    if not resolution:
        return [
            "The resolution was not measured (resolution.splits is 0): nothing here tells which "
            "detail is real."
        ]
    said = [
        "The resolution compares volumes that were made twice, each from its own independent "
        "half of the photons; both share the alignment. The crossing of "
        f"{resolution[0]['threshold']} is the headline. Finer detail than that comes from the "
        "method (its prior, or what a network has learned), not from this measurement."
    ]
    first = resolution[0]["threshold"]
    without = [
        f"{row['element']} by {row['method']}"
        for row in resolution
        if row["status"] == UNRESOLVED and row["threshold"] == first
    ]
    if without:
        said.append(
            f"No resolved signal: {', '.join(without)}. The two halves agree on nothing there; "
            "do not interpret the shape of these volumes."
        )
    return said


def _of_tilts(tilt_deg: list[float], shells: list[Row]) -> list[str]:
    first, last = tilt_deg[0], tilt_deg[-1]
    span = f"{len(tilt_deg)} tilts from {degrees(first)} to {degrees(last)}"
    said = []
    if shells and len(tilt_deg) > 1:
        diameter = max(float(row["diameter_nm"]) for row in shells)
        limit = crowther_nm(diameter, tilt_deg)
        said.append(
            f"{span} sample a particle of {diameter:.1f} nm everywhere only down to "
            f"{limit:.2f} nm (Crowther: diameter times step). Finer detail normal to the tilt "
            "axis rests on what the method assumes."
        )
    wedge = 180 - (last - first)
    if wedge > 0 and len(tilt_deg) > 1:
        said.append(
            f"No tilt saw {wedge:g}° of 180° (the missing wedge, around z where tilts are "
            f"symmetric): back-projection lengthens things there about {elongation(tilt_deg):.1f} "
            "times. Thickness and shape along the beam are the least certain."
        )
    return said


def _of_signal(signal: str) -> list[str]:
    told = {
        "intensity": "The maps are resampled intensities: their noise is correlated, so that "
        "held-out gains and resolution are not independent (resampled).",
        "hits": "The maps are hits, counts clipped to 0 or 1: where more than about one photon in "
        "three pixels is expected, thick parts look thinner than they are.",
    }
    return [told[signal]] if signal in told else []
