rule train_denoiser:
    """Train Q^D to predict one share of the photons from the other."""
    input:
        element_maps="<results>/{dataset}/element_maps.zarr",
    output:
        weights="<results>/{dataset}/networks/denoiser.safetensors",
        losses="<results>/{dataset}/networks/denoiser.csv",
    log:
        "<results>/{dataset}/logs/train_denoiser.log",
    benchmark:
        "<results>/{dataset}/benchmarks/train_denoiser.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=6000,
        device=run.device,
        gpu=gpus(),
    params:
        settings=settings("train_denoiser"),
        code=code("train_denoiser"),
        checkpoint=f"{run.results}/{{dataset}}/checkpoints/denoiser.safetensors",
    script:
        "../workflow_scripts/train_denoiser.py"
