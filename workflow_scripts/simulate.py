"""Snakemake's door to stemedx.stages.simulate."""

from pathlib import Path

from stemedx.logs import log_to

with log_to(snakemake.log[0]):
    from stemedx.params import SimulateParams
    from stemedx.stages import simulate

    simulate.run(
        SimulateParams.model_validate(snakemake.params.settings),
        phantom=snakemake.wildcards.phantom,
        raw=Path(snakemake.output.raw),
        truth=Path(snakemake.output.truth),
    )
