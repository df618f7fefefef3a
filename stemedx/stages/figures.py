"""Stage `figures`: what the stages made of a specimen -> pictures and their numbers."""

import json
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from stemedx import store, tables
from stemedx.alignment import read_weights
from stemedx.analyse.summary import CROSSING_COLUMNS
from stemedx.arrays import MeasuredMaps, Volumes
from stemedx.figures import alignment as alignment_figures
from stemedx.figures import counted, damage, drawings, lines, spheres
from stemedx.figures.alignment_drawings import draw_alignment, draw_axis
from stemedx.figures.bodies import find_bodies
from stemedx.figures.canvas import write_figure
from stemedx.figures.drawings import Drawing
from stemedx.figures.planes import Focus, find_focus, planes
from stemedx.figures.solving import draw_solving
from stemedx.figures.surfaces import to_surface, view_json
from stemedx.params import FiguresParams
from stemedx.project.geometry import Geometry
from stemedx.project.warp import align_maps

log = logging.getLogger(__name__)
MAP_AXES = ("element", "tilt", "y", "x")
MAP_UNITS = ("count", "intensity")
NOT_ALIGNED: dict[str, Any] = {"origin": "a single map: none", "warnings": []}
VIEW_SIDE = 96  # voxels of the longest side of a view to turn, at most
MAX_TRIANGLES = 80_000  # of a view to turn: about 1.3 MB


def run(  # noqa: PLR0913 - everything that was made of a specimen
    params: FiguresParams,
    *,
    manifest: Path,
    tilt_series: Path,
    element_maps: Path,
    frames: Path,
    alignment: Path | None,
    alignment_table: Path | None,
    volumes: list[Path],
    haadf: Path | None,
    networks: list[Path],
    denoised: Path | None,
    kernel: Path | None = None,
    resolution: list[Path],
    thickness: list[Path],
    figures: Path,
) -> None:
    """Draw what there is of a specimen into the folder `figures`.

    ``{stage}/{name}.svg``, ``.png`` and ``.csv`` with the plotted numbers;
    ``reconstruct/{method}_3d.json`` to turn; ``contents.json`` with titles, captions
    and the facts that the report tells beside them.
    """
    maps, attrs = store.read(element_maps, axes=MAP_AXES, units=MAP_UNITS)
    of_maps = attrs.get("warnings", [])
    moved = store.read_attrs(alignment) if alignment else NOT_ALIGNED
    attrs |= {name: moved[name] for name in ("origin", "warnings")}
    attrs["axis_error_deg"] = moved.get("axis_error_deg")
    chapters = (
        of_volumes(volumes, haadf, figures),
        of_resolution(resolution, attrs["elements"]),
        of_thickness(thickness),
        of_alignment(maps, attrs, alignment, alignment_table),
        drawings.draw_maps(maps, attrs),
        counted.draw_counted(maps, attrs),
        damage.draw_damage(tables.read(frames, damage.COLUMNS), attrs["elements"]),
        of_denoised(maps, attrs, denoised, kernel),
        of_networks(networks),
    )
    listed = [entry for chapter in chapters for entry in write(chapter, figures, params.dpi)]
    facts = {
        "specimen": store.read_attrs(tilt_series)["specimen"],
        "kind": "series" if alignment else "map",
        "denoised_by": denoiser_of(denoised),
        **{name: attrs[name] for name in ("elements", "tilt_deg", "pixel_nm", "signal")},
        "map_shape": list(maps.shape[2:]),
        "sums": [float(total) for total in maps.sum(axis=(1, 2, 3), dtype=np.float64)],
        "manifest_warnings": warnings_of(manifest),
        "map_warnings": of_maps,
        "alignment": {name: attrs[name] for name in ("origin", "warnings")},
        "made_by": {method_of(path): store.read_attrs(path).get("made_by") for path in volumes},
    }
    text = json.dumps({**facts, "figures": listed}, indent=1, ensure_ascii=False)
    (figures / "contents.json").write_text(f"{text}\n", encoding="utf-8")
    log.info("wrote %s: %d figures", figures, len(listed))


def write(chapter: Iterable[Drawing], folder: Path, dpi: int) -> Iterator[dict[str, str]]:
    """Write drawings and their numbers; yield what the list says of each."""
    for drawing in chapter:
        write_figure(drawing.figure, folder / drawing.place, dpi)
        tables.write(folder / f"{drawing.place}.csv", drawing.table)
        yield {name: getattr(drawing, name) for name in ("place", "title", "caption")}


def method_of(path: Path) -> str:
    """Return the method that made a volume."""
    return path.name.removesuffix(".ome.zarr")


def warnings_of(manifest: Path) -> list[str]:
    """Return what ingest warned of."""
    told = tables.read(manifest, ("warnings",))["warnings"].dropna()
    return sorted({str(text) for text in told})


def of_volumes(paths: list[Path], haadf: Path | None, figures: Path) -> Iterator[Drawing]:
    """Draw the reconstructions, all in the planes that suit the first of them.

    The views to turn are written at once.
    """
    focus: Focus | None = None
    shown: dict[str, Any] = {}
    for path in (*paths, *([haadf] if haadf else [])):
        volumes, attrs = store.read_volumes(path)
        focus = focus or find_focus(volumes)
        method = method_of(path)
        columns = planes(volumes, focus, attrs["pixel_nm"])
        if path is haadf:
            yield drawings.draw_planes(method, columns, attrs)
            continue
        shown[method] = columns
        yield view(volumes, attrs, focus, figures / f"reconstruct/{method}_3d.json")
        yield drawings.draw_planes(method, columns, attrs)
        yield from draw_solving(method, attrs)
        about = attrs
    if shown:
        yield from drawings.draw_comparison(shown, about)


def view(volumes: Volumes, attrs: dict[str, Any], focus: Focus, path: Path) -> Drawing:
    """Write the view to turn, of a grid coarse enough for a browser; draw it still."""
    longest = max(side.stop - side.start for side in focus.box)
    step = -(-longest // VIEW_SIDE)
    place = {"focus": focus, "pixel_nm": attrs["pixel_nm"]}
    while True:
        bodies = find_bodies(volumes, attrs["elements"], **place, step=step)
        surfaces = [to_surface(body) for body in bodies]
        if sum(len(surface.triangles) for surface in surfaces) <= MAX_TRIANGLES:
            break
        step += 1
    method = path.stem.removesuffix("_3d")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(view_json(surfaces, method), encoding="utf-8")
    return drawings.draw_view(method, bodies, surfaces)


def of_resolution(paths: list[Path], elements: list[str]) -> Iterator[Drawing]:
    """Draw the Fourier shell correlation of each method that has one."""
    named = {path.stem: path for path in paths}
    for stem, path in named.items():
        if f"{stem}_crossings" in named:
            curves = tables.read(path, lines.CURVE_COLUMNS)
            crossings = tables.read(named[f"{stem}_crossings"], CROSSING_COLUMNS)
            yield from drawings.draw_resolution(stem, curves, crossings, elements)


def of_thickness(folders: list[Path]) -> Iterator[Drawing]:
    """Draw the shells of each method that found particles."""
    for folder in folders:
        statistics = tables.read(folder / "statistics.csv", ("particle", "element", "mean_nm"))
        if statistics.empty:
            log.warning("%s: no particle, no figure", folder)
            continue
        numbers = sorted({int(n) for n in statistics["particle"]})
        rays = [tables.read(folder / f"particle_{n}.csv", spheres.ANGLES) for n in numbers]
        yield from drawings.draw_thickness(folder.name, rays, statistics)


def of_alignment(
    maps: MeasuredMaps, attrs: dict[str, Any], alignment: Path | None, table: Path | None
) -> Iterator[Drawing]:
    """Draw what the alignment did; maps are moved for the eye only."""
    if alignment is None or table is None:
        return
    rows = tables.read(table, alignment_figures.COLUMNS)
    total = maps.sum(axis=0, dtype=np.float64).astype(np.float32)
    geometry = Geometry(
        np.array(attrs["tilt_deg"], float),
        total.shape[1],
        total.shape[2],
        rows["rotation_deg"].to_numpy(float),
        rows[["shift_y_px", "shift_x_px"]].to_numpy(float),
    )
    aligned = align_maps(total[None], geometry)[0][0]
    yield from draw_alignment(rows, total, aligned, attrs)
    yield draw_axis(geometry, (total, aligned, read_weights(alignment)), attrs)


def of_denoised(
    maps: MeasuredMaps, attrs: dict[str, Any], denoised: Path | None, kernel: Path | None
) -> Iterator[Drawing]:
    """Draw what Q^D made of the maps, where it was trained, and what a kernel made."""
    if denoised is None:
        return
    rates, _ = store.read(denoised, axes=MAP_AXES, units=MAP_UNITS)
    by_kernel = None
    if kernel is not None:
        per_frame = store.read_layer(kernel, "rates", axes=("element", "y", "x"), units="count")
        by_kernel = per_frame * np.float32(store.read_attrs(kernel)["n_frames"])
    yield from drawings.draw_denoised(maps, rates, attrs, by_kernel)


def denoiser_of(denoised: Path | None) -> dict[str, Any]:
    """Return by which method Q^D was trained, and on which maps with frames."""
    made = store.read_attrs(denoised).get("made_by", {}) if denoised else {}
    return {name: made.get(name) for name in ("method", "learned_from")}


def of_networks(paths: list[Path]) -> Iterator[Drawing]:
    """Draw the losses of the networks."""
    for path in paths:
        yield from drawings.draw_losses(path.stem, tables.read(path, ("step",)))
