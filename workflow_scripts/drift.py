"""Snakemake's door to stemedx.stages.drift."""

from pathlib import Path

from stemedx.logs import log_to

with log_to(snakemake.log[0]):
    from stemedx.params import DriftParams
    from stemedx.stages import drift

    drift.run(
        DriftParams.model_validate(snakemake.params.settings),
        tilt_series=Path(snakemake.input.tilt_series),
        drift=Path(snakemake.output.drift),
        table=Path(snakemake.output.table),
    )
