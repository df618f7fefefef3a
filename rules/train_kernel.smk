rule train_kernel:
    """Train the CNN-based kernel of a map on bootstraps of its frames."""
    input:
        drift="<results>/{specimen}/drift.zarr",
    output:
        weights="<results>/{specimen}/networks/kernel.safetensors",
        losses="<results>/{specimen}/networks/kernel.csv",
    log:
        "<results>/{specimen}/logs/train_kernel.log",
    benchmark:
        "<results>/{specimen}/benchmarks/train_kernel.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=24000,
        device=run.device,
        gpu=gpus(),
    params:
        settings=settings("train_kernel"),
        code=code("train_kernel"),
        checkpoint=f"{run.results}/{{specimen}}/checkpoints/kernel.safetensors",
    script:
        "../workflow_scripts/train_kernel.py"
