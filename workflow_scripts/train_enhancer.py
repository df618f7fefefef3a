"""Snakemake's door to stemedx.stages.train_enhancer."""

from pathlib import Path

from stemedx.logs import log_to

with log_to(snakemake.log[0]):
    from stemedx.params import TrainEnhancerParams
    from stemedx.stages import train_enhancer

    train_enhancer.run(
        TrainEnhancerParams.model_validate(snakemake.params.settings),
        device=snakemake.resources.device,
        checkpoint=Path(snakemake.params.checkpoint),
        denoised=Path(snakemake.input.denoised),
        volume=Path(snakemake.input.volume),
        alignment=Path(snakemake.input.alignment),
        start=next(map(Path, snakemake.input.start), None),
        weights=Path(snakemake.output.weights),
        losses=Path(snakemake.output.losses),
    )
