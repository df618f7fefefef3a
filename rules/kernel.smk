rule kernel:
    """Apply the CNN-based kernel of a map to its frames."""
    input:
        drift="<results>/{specimen}/drift.zarr",
        weights="<results>/{specimen}/networks/kernel.safetensors",
    output:
        kernel=directory("<results>/{specimen}/kernel.zarr"),
    log:
        "<results>/{specimen}/logs/kernel.log",
    benchmark:
        "<results>/{specimen}/benchmarks/kernel.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=6000,
        device=run.device,
        gpu=gpus(),
    params:
        settings=settings("kernel"),
        code=code("kernel"),
    script:
        "../workflow_scripts/kernel.py"
