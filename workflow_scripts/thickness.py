"""Snakemake's door to stemedx.stages.thickness."""

from pathlib import Path

from stemedx.logs import log_to

with log_to(snakemake.log[0]):
    from stemedx.params import ThicknessParams
    from stemedx.stages import thickness

    thickness.run(
        ThicknessParams.model_validate(snakemake.params.settings),
        volume=Path(snakemake.input.volume),
        thickness=Path(snakemake.output.thickness),
    )
