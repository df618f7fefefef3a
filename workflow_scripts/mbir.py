"""Snakemake's door to stemedx.stages.mbir."""

from pathlib import Path

from stemedx.logs import log_to

with log_to(snakemake.log[0]):
    from stemedx.params import MbirParams
    from stemedx.stages import mbir

    mbir.run(
        MbirParams.model_validate(snakemake.params.settings),
        denoised=Path(snakemake.input.denoised),
        alignment=Path(snakemake.input.alignment),
        volume=Path(snakemake.output.volume),
    )
