rule drift:
    """Find the drift between the frames of a map, and move their events against it."""
    input:
        tilt_series="<results>/{specimen}/tilt_series.zarr",
    output:
        drift=directory("<results>/{specimen}/drift.zarr"),
        table="<results>/{specimen}/drift.csv",
    log:
        "<results>/{specimen}/logs/drift.log",
    benchmark:
        "<results>/{specimen}/benchmarks/drift.tsv"
    conda:
        "../envs/astra.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        settings=settings("drift"),
        code=code("drift"),
    script:
        "../workflow_scripts/drift.py"
