"""Snakemake's door to stemedx.stages.train_end_to_end."""

from pathlib import Path

from stemedx.logs import log_to

with log_to(snakemake.log[0]):
    from stemedx.params import TrainEndToEndParams
    from stemedx.stages import train_end_to_end

    train_end_to_end.run(
        TrainEndToEndParams.model_validate(snakemake.params.settings),
        device=snakemake.resources.device,
        checkpoint=Path(snakemake.params.checkpoint),
        denoised=[Path(path) for path in snakemake.input.denoised],
        alignments=[Path(path) for path in snakemake.input.alignments],
        volumes=[Path(path) for path in snakemake.input.volumes],
        start=next(map(Path, snakemake.input.start), None),
        weights=Path(snakemake.output.weights),
        losses=Path(snakemake.output.losses),
    )
