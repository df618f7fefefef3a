"""Snakemake's door to stemedx.stages.ingest."""

from pathlib import Path

from stemedx.logs import log_to

with log_to(snakemake.log[0]):
    from stemedx.params import IngestParams
    from stemedx.sheet import SheetRow
    from stemedx.stages import ingest

    ingest.run(
        IngestParams.model_validate(snakemake.params.settings),
        row=SheetRow.model_validate(snakemake.params.row),
        simulated=[Path(path) for path in snakemake.input],
        tilt_series=Path(snakemake.output.tilt_series),
        manifest=Path(snakemake.output.manifest),
    )
