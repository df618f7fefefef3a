"""Snakemake's door to stemedx.stages.tables."""

from pathlib import Path

from stemedx.logs import log_to

with log_to(snakemake.log[0]):
    from stemedx.params import TablesParams
    from stemedx.stages import tables

    tables.run(
        TablesParams.model_validate(snakemake.params.settings),
        sheet=snakemake.params.sheet,
        methods_wanted=snakemake.params.methods,
        failed=snakemake.params.failed,
        left_out=snakemake.params.left_out,
        manifests=[Path(path) for path in snakemake.input.manifests],
        crossings=[Path(path) for path in snakemake.input.crossings],
        held_out=[Path(path) for path in snakemake.input.held_out],
        thickness=[Path(path) for path in snakemake.input.thickness],
        specimens=Path(snakemake.output.specimens),
        methods=Path(snakemake.output.methods),
        resolution=Path(snakemake.output.resolution),
        thickness_table=Path(snakemake.output.thickness),
        groups=Path(snakemake.output.groups),
    )
