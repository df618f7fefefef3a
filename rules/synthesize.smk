rule synthesize:
    """Reconstruct the enhanced views by filtered back-projection."""
    input:
        projections="<results>/{dataset}/projections_360.zarr",
    output:
        volume=directory("<results>/{dataset}/volumes/two_step.ome.zarr"),
    log:
        "<results>/{dataset}/logs/synthesize.log",
    benchmark:
        "<results>/{dataset}/benchmarks/synthesize.tsv"
    conda:
        "../envs/astra.yaml"
    threads: 4
    resources:
        mem_mb=6000,
    params:
        settings=settings("synthesize"),
        code=code("synthesize"),
    script:
        "../workflow_scripts/synthesize.py"
