"""Snakemake's door to stemedx.stages.enhance."""

from pathlib import Path

from stemedx.logs import log_to

with log_to(snakemake.log[0]):
    from stemedx.params import EnhanceParams
    from stemedx.stages import enhance

    enhance.run(
        EnhanceParams.model_validate(snakemake.params.settings),
        device=snakemake.resources.device,
        volume=Path(snakemake.input.volume),
        weights=Path(snakemake.input.weights),
        projections=Path(snakemake.output.projections),
    )
