"""Snakemake's door to stemedx.stages.train_denoiser."""

from pathlib import Path

from stemedx.logs import log_to

with log_to(snakemake.log[0]):
    from stemedx.params import TrainDenoiserParams
    from stemedx.stages import train_denoiser

    train_denoiser.run(
        TrainDenoiserParams.model_validate(snakemake.params.settings),
        device=snakemake.resources.device,
        checkpoint=Path(snakemake.params.checkpoint),
        element_maps=Path(snakemake.input.element_maps),
        weights=Path(snakemake.output.weights),
        losses=Path(snakemake.output.losses),
    )
