checkpoint ingest:
    """Check the raw files of a specimen and gather them into one tilt series."""
    input:
        raw=lambda wildcards: simulated(wildcards.specimen),
    output:
        tilt_series=directory("<results>/{specimen}/tilt_series.zarr"),
        manifest="<results>/{specimen}/tilt_series.csv",
    log:
        "<results>/{specimen}/logs/ingest.log",
    benchmark:
        "<results>/{specimen}/benchmarks/ingest.tsv"
    conda:
        "../envs/ingest.yaml"
    threads: 1
    resources:
        mem_mb=3000,
    params:
        settings=settings("ingest"),
        row=lambda wildcards: row(wildcards.specimen, *INGEST_COLUMNS),
        raw=lambda wildcards: raw_files(wildcards.specimen),
        code=code("ingest"),
    script:
        "../workflow_scripts/ingest.py"
