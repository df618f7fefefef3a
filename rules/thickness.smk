rule thickness:
    """Measure the shells of each particle along rays from its core."""
    input:
        volume=volume_of,
    output:
        thickness=directory("<results>/{specimen}/thickness/{method}"),
    log:
        "<results>/{specimen}/logs/thickness_{method}.log",
    benchmark:
        "<results>/{specimen}/benchmarks/thickness_{method}.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        settings=settings("thickness"),
        code=code("thickness"),
    script:
        "../workflow_scripts/thickness.py"
