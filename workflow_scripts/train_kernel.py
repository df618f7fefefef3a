"""Snakemake's door to stemedx.stages.train_kernel."""

from pathlib import Path

from stemedx.logs import log_to

with log_to(snakemake.log[0]):
    from stemedx.params import TrainKernelParams
    from stemedx.stages import train_kernel

    train_kernel.run(
        TrainKernelParams.model_validate(snakemake.params.settings),
        device=snakemake.resources.device,
        checkpoint=Path(snakemake.params.checkpoint),
        drift=Path(snakemake.input.drift),
        weights=Path(snakemake.output.weights),
        losses=Path(snakemake.output.losses),
    )
