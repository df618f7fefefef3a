"""Snakemake's door to stemedx.stages.split."""

from pathlib import Path

from stemedx.logs import log_to

with log_to(snakemake.log[0]):
    from stemedx.params import SplitParams
    from stemedx.stages import split

    split.run(
        SplitParams.model_validate(snakemake.params.settings),
        split=snakemake.params.split,
        element_maps=Path(snakemake.input.element_maps),
        a=Path(snakemake.output.a),
        b=Path(snakemake.output.b),
    )
