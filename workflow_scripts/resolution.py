"""Snakemake's door to stemedx.stages.resolution."""

from pathlib import Path

from stemedx.logs import log_to

with log_to(snakemake.log[0]):
    from stemedx.params import ResolutionParams
    from stemedx.stages import resolution

    resolution.run(
        ResolutionParams.model_validate(snakemake.params.settings),
        halves=[Path(path) for path in snakemake.input.halves],
        maps=[Path(path) for path in snakemake.input.maps],
        alignment=Path(snakemake.input.alignment),
        curves=Path(snakemake.output.curves),
        crossings=Path(snakemake.output.crossings),
        held_out=Path(snakemake.output.held_out),
    )
