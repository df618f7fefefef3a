"""Snakemake's door to stemedx.stages.element_maps."""

from pathlib import Path

from stemedx.logs import log_to

with log_to(snakemake.log[0]):
    from stemedx.params import ElementMapsParams
    from stemedx.stages import element_maps

    element_maps.run(
        ElementMapsParams.model_validate(snakemake.params.settings),
        lines=snakemake.params.row["elements"],
        signal=snakemake.params.row["signal"],
        tilt_series=Path(snakemake.input.tilt_series),
        drift=next(map(Path, snakemake.input.get("drift", [])), None),
        element_maps=Path(snakemake.output.element_maps),
        net=Path(snakemake.output.net),
        table=Path(snakemake.output.table),
        frames=Path(snakemake.output.frames),
    )
