"""Snakemake's door to stemedx.stages.figures."""

from pathlib import Path

from stemedx.logs import log_to

with log_to(snakemake.log[0]):
    from stemedx.params import FiguresParams
    from stemedx.stages import figures

    figures.run(
        FiguresParams.model_validate(snakemake.params.settings),
        manifest=Path(snakemake.input.manifest),
        tilt_series=Path(snakemake.input.tilt_series),
        element_maps=Path(snakemake.input.element_maps),
        frames=Path(snakemake.input.frames),
        alignment=next(map(Path, snakemake.input.get("alignment", [])), None),
        alignment_table=next(map(Path, snakemake.input.get("alignment_table", [])), None),
        volumes=[Path(path) for path in snakemake.input.volumes],
        haadf=next(map(Path, snakemake.input.get("haadf", [])), None),
        networks=[Path(path) for path in snakemake.input.networks],
        denoised=next(map(Path, snakemake.input.get("denoised", [])), None),
        kernel=next(map(Path, snakemake.input.get("kernel", [])), None),
        resolution=[Path(path) for path in snakemake.input.resolution],
        thickness=[Path(path) for path in snakemake.input.thickness],
        figures=Path(snakemake.output.figures),
    )
