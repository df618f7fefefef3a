"""Figures of how photons were counted: the sum of all spectra, gain and background of maps."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from stemedx.arrays import MeasuredMaps
from stemedx.figures.canvas import colour_of, legend_below, new_figure, rounded, styled
from stemedx.figures.drawings import Drawing

EXPORTED = "exported"  # maps of which no background is known


def draw_counted(maps: MeasuredMaps, attrs: dict[str, Any]) -> list[Drawing]:
    """Draw the fitted sum of all spectra, and gain and background of each map.

    Parameters
    ----------
    maps
        ``(element, tilt, y, x)``.
    attrs
        Attributes of their store.
    """
    found = []
    if spectrum := attrs.get("spectrum"):
        numbers = pd.DataFrame({name: rounded(np.array(one), 6) for name, one in spectrum.items()})
        caption = (
            "Counts of all tilts and pixels, what is fitted to them, and the background of the "
            "fit; shaded: the windows in which the maps count. Energies are those of the "
            "calibration. A peak without a window is of another element."
        )
        figure = spectrum_figure(numbers, attrs)
        found.append(
            Drawing("element_maps/spectrum", figure, numbers, "Sum of all spectra", caption)
        )
    if maps.shape[1] > 1:
        numbers = gain_table(maps, attrs)
        caption = (
            "Left: net counts of each map over their mean of all tilts; bars are one standard "
            "deviation. Dose, shadowing and thickness change them together. "
            "Reconstructions take them into account; counts are never scaled. "
        )
        caption += (
            "The background of exported maps is not known."
            if attrs["method"] == EXPORTED
            else "Right: what is not of the element, as a share of the counts in its window."
        )
        title = "Gain and background of each map"
        found.append(
            Drawing("element_maps/gain", gain_figure(numbers, attrs), numbers, title, caption)
        )
    return found


def gain_table(maps: MeasuredMaps, attrs: dict[str, Any]) -> pd.DataFrame:
    """Return one row per map: counts, background, net counts, gain, and their spreads."""
    n_tilts = maps.shape[1]
    counts = maps.sum(axis=(2, 3), dtype=np.float64)
    factors = np.reshape(attrs.get("variance_to_mean", np.ones(len(counts))), (-1, 1))
    net = np.array(attrs.get("net", counts))
    variance = np.array(attrs.get("net_variance", counts * factors))
    gain, background = np.array(attrs["gain"]), np.array(attrs["background"])
    share = np.sqrt(variance) / np.where(net > 0, net, np.inf)
    return pd.DataFrame(
        {
            "element": np.repeat(attrs["elements"], n_tilts),
            "tilt_deg": np.tile(attrs["tilt_deg"], len(counts)),
            "counts": rounded(counts.ravel(), 6),
            "background": rounded(background.ravel()),
            "net": rounded(net.ravel()),
            "net_sd": rounded(np.sqrt(variance).ravel()),
            "gain": rounded(gain.ravel()),
            "gain_sd": rounded((gain * share).ravel()),
            "background_percent": rounded(
                (100 * background / np.where(counts > 0, counts, np.inf)).ravel()
            ),
        }
    )


@styled
def gain_figure(table: pd.DataFrame, attrs: dict[str, Any]) -> Figure:
    """Draw what `gain_table` returns."""
    has_background = attrs["method"] != EXPORTED
    figure = new_figure(7.5 if has_background else 4.5, 3.4)
    panels = np.ravel(figure.subplots(1, 1 + has_background))
    for n, element in enumerate(attrs["elements"]):
        own = table[table["element"] == element]
        style = {"fmt": "o-", "color": colour_of(n), "label": element, "linewidth": 1.0}
        panels[0].errorbar(own["tilt_deg"], own["gain"], own["gain_sd"], **style)
        if has_background:
            percent = own["background_percent"]
            panels[1].plot(own["tilt_deg"], percent, "o-", color=colour_of(n), linewidth=1.0)
    panels[0].axhline(1.0, color="#5b6673", linestyle="--", linewidth=0.8)
    panels[0].set(xlabel="tilt (°)", ylabel="net counts over their mean")
    panels[0].set_ylim(bottom=0)
    if has_background:
        panels[1].set(xlabel="tilt (°)", ylabel="background (% of the counts)")
        panels[1].set_ylim(bottom=min(0.0, table["background_percent"].min()))
    legend_below(panels[0], 5)
    return figure


@styled
def spectrum_figure(table: pd.DataFrame, attrs: dict[str, Any]) -> Figure:
    """Draw counts, fit and background by energy, and the windows of the lines."""
    figure = new_figure(7.5, 3.8)
    axes = figure.subplots()
    energy = table["energy_keV"]
    for n, (line, window) in enumerate(zip(attrs["lines"], attrs["windows_keV"], strict=True)):
        axes.axvspan(*window, color=colour_of(n), alpha=0.3, linewidth=0, label=line)
    axes.step(energy, table["counts"], where="mid", color="#1b2430", linewidth=0.8, label="counts")
    axes.plot(energy, table["fit"], color="#D55E00", linewidth=0.9, label="fit")
    axes.plot(energy, table["background"], "--", color="#5b6673", linewidth=0.9, label="background")
    axes.set_yscale("log")
    lowest = table["counts"][table["counts"] > 0].min()
    axes.set(xlabel="energy (keV)", ylabel="counts per channel", ylim=(max(lowest, 1) / 2, None))
    calibration = attrs["calibration"]
    axes.set_title(
        f"Fit of all spectra: reduced chi² {attrs['chi2_of_sum']:.3g}, "
        f"{calibration['resolution_MnKa_eV']:.0f} eV at Mn Ka, "
        f"{1e3 * calibration['scale_keV']:.4g} eV per channel"
    )
    legend_below(axes, 7)
    return figure
