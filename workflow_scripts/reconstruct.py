"""Snakemake's door to stemedx.stages.reconstruct."""

from pathlib import Path

from stemedx.logs import log_to

with log_to(snakemake.log[0]):
    from stemedx.params import ReconstructParams
    from stemedx.stages import reconstruct

    reconstruct.run(
        ReconstructParams.model_validate(snakemake.params.settings),
        method=snakemake.wildcards.method,
        device=snakemake.resources.device,
        element_maps=Path(snakemake.input.element_maps),
        tilt_series=next(map(Path, snakemake.input.get("tilt_series", [])), None),
        alignment=Path(snakemake.input.alignment),
        volume=Path(snakemake.output.volume),
    )
