rule export:
    """Write the volume of one element as MRC."""
    input:
        volume="<results>/{specimen}/volumes/{method}.ome.zarr",
    output:
        mrc="<results>/{specimen}/volumes/{method}_{element}.mrc",
    log:
        "<results>/{specimen}/logs/export_{method}_{element}.log",
    benchmark:
        "<results>/{specimen}/benchmarks/export_{method}_{element}.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        settings=settings("export"),
        code=code("export"),
        element=lambda wildcards: wildcards.element,
    script:
        "../workflow_scripts/export.py"
