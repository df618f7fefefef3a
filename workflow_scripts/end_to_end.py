"""Snakemake's door to stemedx.stages.end_to_end."""

from pathlib import Path

from stemedx.logs import log_to

with log_to(snakemake.log[0]):
    from stemedx.params import EndToEndParams
    from stemedx.stages import end_to_end

    end_to_end.run(
        EndToEndParams.model_validate(snakemake.params.settings),
        device=snakemake.resources.device,
        denoised=Path(snakemake.input.denoised),
        alignment=Path(snakemake.input.alignment),
        weights=Path(snakemake.input.weights),
        volume=Path(snakemake.output.volume),
    )
