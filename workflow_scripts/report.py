"""Snakemake's door to stemedx.stages.report."""

from pathlib import Path

from stemedx.logs import log_to

with log_to(snakemake.log[0]):
    from stemedx.params import ReportParams
    from stemedx.stages import report

    report.run(
        ReportParams.model_validate(snakemake.params.settings),
        figures=[Path(path) for path in snakemake.input.figures],
        tables=[Path(path) for path in snakemake.input.tables],
        page=Path(snakemake.output.page),
    )
