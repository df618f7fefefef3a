rule mbir:
    """Reconstruct the denoised maps by the l1 method of the paper (M)."""
    input:
        denoised="<results>/{dataset}/denoised.zarr",
        alignment=alignment_of,
    output:
        volume=directory("<results>/{dataset}/mbir.ome.zarr"),
    log:
        "<results>/{dataset}/logs/mbir.log",
    benchmark:
        "<results>/{dataset}/benchmarks/mbir.tsv"
    conda:
        "../envs/astra.yaml"
    threads: 4
    resources:
        mem_mb=6000,
    params:
        settings=settings("mbir"),
        code=code("mbir"),
    script:
        "../workflow_scripts/mbir.py"
