"""Snakemake's door to stemedx.stages.denoise."""

from pathlib import Path

from stemedx.logs import log_to

with log_to(snakemake.log[0]):
    from stemedx.params import DenoiseParams
    from stemedx.stages import denoise

    denoise.run(
        DenoiseParams.model_validate(snakemake.params.settings),
        device=snakemake.resources.device,
        element_maps=Path(snakemake.input.element_maps),
        tilt_series=next(map(Path, snakemake.input.get("tilt_series", [])), None),
        weights=Path(snakemake.input.weights),
        denoised=Path(snakemake.output.denoised),
    )
