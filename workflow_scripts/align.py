"""Snakemake's door to stemedx.stages.align."""

from pathlib import Path

from stemedx.logs import log_to

with log_to(snakemake.log[0]):
    from stemedx.params import AlignParams
    from stemedx.stages import align

    by_hand = snakemake.params.row["alignment"]
    align.run(
        AlignParams.model_validate(snakemake.params.settings),
        tilt_axis_deg=snakemake.params.row["tilt_axis_deg"],
        element_maps=Path(snakemake.input.element_maps),
        tilt_series=Path(snakemake.input.tilt_series),
        by_hand=Path(by_hand) if by_hand else None,
        alignment=Path(snakemake.output.alignment),
        table=Path(snakemake.output.table),
    )
