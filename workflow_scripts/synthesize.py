"""Snakemake's door to stemedx.stages.synthesize."""

from pathlib import Path

from stemedx.logs import log_to

with log_to(snakemake.log[0]):
    from stemedx.params import SynthesizeParams
    from stemedx.stages import synthesize

    synthesize.run(
        SynthesizeParams.model_validate(snakemake.params.settings),
        projections=Path(snakemake.input.projections),
        volume=Path(snakemake.output.volume),
    )
