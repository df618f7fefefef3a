"""Snakemake's door to stemedx.stages.train_denoiser."""

from pathlib import Path

from stemedx.logs import log_to

with log_to(snakemake.log[0]):
    from stemedx.params import TrainDenoiserParams, TrainKernelParams
    from stemedx.stages import train_denoiser

    train_denoiser.run(
        TrainDenoiserParams.model_validate(snakemake.params.settings),
        kernel_params=TrainKernelParams.model_validate(snakemake.params.kernel_settings),
        device=snakemake.resources.device,
        checkpoint=Path(snakemake.params.checkpoint),
        element_maps=next(map(Path, snakemake.input.get("element_maps", [])), None),
        tilt_series=next(map(Path, snakemake.input.get("tilt_series", [])), None),
        drift=next(map(Path, snakemake.input.get("drift", [])), None),
        kernels=[Path(path) for path in snakemake.input.get("kernels", [])],
        start=next(map(Path, snakemake.input.get("start", [])), None),
        weights=Path(snakemake.output.weights),
        losses=Path(snakemake.output.losses),
    )
