rule train_denoiser:
    """Train Q^D on the photons of a specimen, or on kernels for the whole batch."""
    input:
        unpack(learned_from_by_denoiser),
    output:
        weights="<results>/{owner}networks/denoiser.safetensors",
        losses="<results>/{owner}networks/denoiser.csv",
    log:
        "<results>/{owner}logs/train_denoiser.log",
    benchmark:
        "<results>/{owner}benchmarks/train_denoiser.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=6000,
        device=run.device,
        gpu=gpus(),
    params:
        settings=settings("train_denoiser"),
        kernel_settings=kernel_settings(),
        code=code("train_denoiser"),
        checkpoint=f"{run.results}/{{owner}}checkpoints/denoiser.safetensors",
    script:
        "../workflow_scripts/train_denoiser.py"
