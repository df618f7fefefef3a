rule enhance:
    """Synthesize views over the full circle and enhance them with Q^S."""
    input:
        volume="<results>/{dataset}/mbir.ome.zarr",
        weights="<results>/{dataset}/networks/enhancer.safetensors",
    output:
        projections=directory("<results>/{dataset}/projections_360.zarr"),
    log:
        "<results>/{dataset}/logs/enhance.log",
    benchmark:
        "<results>/{dataset}/benchmarks/enhance.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=6000,
        device=run.device,
        gpu=gpus(),
    params:
        settings=settings("enhance"),
        code=code("enhance"),
    script:
        "../workflow_scripts/enhance.py"
