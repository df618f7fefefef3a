"""Snakemake's door to stemedx.stages.kernel."""

from pathlib import Path

from stemedx.logs import log_to

with log_to(snakemake.log[0]):
    from stemedx.params import KernelParams
    from stemedx.stages import kernel

    kernel.run(
        KernelParams.model_validate(snakemake.params.settings),
        device=snakemake.resources.device,
        drift=Path(snakemake.input.drift),
        weights=Path(snakemake.input.weights),
        kernel=Path(snakemake.output.kernel),
    )
