rule tables:
    """Gather the tables of the batch."""
    input:
        manifests=each_specimen("tilt_series.csv"),
        crossings=lambda wildcards: each_resolution("_crossings"),
        held_out=lambda wildcards: each_resolution("_held_out"),
        thickness=lambda wildcards: shells(),
    output:
        specimens="<results>/tables/specimens.csv",
        methods="<results>/tables/methods.csv",
        resolution="<results>/tables/resolution.csv",
        thickness="<results>/tables/thickness.csv",
        groups="<results>/tables/groups.csv",
    log:
        "<results>/logs/tables.log",
    benchmark:
        "<results>/benchmarks/tables.tsv"
    localrule: True
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        settings=settings("tables"),
        sheet=[row.model_dump(mode="json") for row in sheet.values()],
        methods=list(run.methods),
        failed=failed,
        left_out=left_out_of_all,
        code=code("tables"),
    script:
        "../workflow_scripts/tables.py"
