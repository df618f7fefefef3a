rule split:
    """Divide the photons of a specimen into two independent halves."""
    input:
        element_maps="<results>/{specimen}/element_maps.zarr",
    output:
        a=directory("<results>/{specimen}/halves/{split}a/element_maps.zarr"),
        b=directory("<results>/{specimen}/halves/{split}b/element_maps.zarr"),
    log:
        "<results>/{specimen}/logs/split_{split}.log",
    benchmark:
        "<results>/{specimen}/benchmarks/split_{split}.tsv"
    conda:
        "../envs/astra.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        settings=settings("split"),
        split=lambda wildcards: int(wildcards.split),
        code=code("split"),
    script:
        "../workflow_scripts/split.py"
