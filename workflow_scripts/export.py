"""Snakemake's door to stemedx.stages.export."""

from pathlib import Path

from stemedx.logs import log_to

with log_to(snakemake.log[0]):
    from stemedx.params import ExportParams
    from stemedx.stages import export

    export.run(
        ExportParams.model_validate(snakemake.params.settings),
        element=snakemake.params.element,
        volume=Path(snakemake.input.volume),
        mrc=Path(snakemake.output.mrc),
    )
