rule report:
    """Put every figure and table of the batch on one page."""
    input:
        figures=each_specimen("figures"),
        tables=rules.tables.output,
    output:
        page="<results>/report.html",
    log:
        "<results>/logs/report.log",
    benchmark:
        "<results>/benchmarks/report.tsv"
    localrule: True
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        settings=settings("report"),
        code=code("report"),
    script:
        "../workflow_scripts/report.py"
