rule train_enhancer:
    """Train Q^S to turn reprojections into the denoised maps of the same tilts."""
    input:
        denoised="<results>/{dataset}/denoised.zarr",
        volume="<results>/{dataset}/mbir.ome.zarr",
        alignment=alignment_of,
        start=lambda wildcards: started_from("train_enhancer", wildcards.dataset),
    output:
        weights="<results>/{dataset}/networks/enhancer.safetensors",
        losses="<results>/{dataset}/networks/enhancer.csv",
    log:
        "<results>/{dataset}/logs/train_enhancer.log",
    benchmark:
        "<results>/{dataset}/benchmarks/train_enhancer.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=6000,
        device=run.device,
        gpu=gpus(),
    params:
        settings=settings("train_enhancer"),
        code=code("train_enhancer"),
        checkpoint=f"{run.results}/{{dataset}}/checkpoints/enhancer.safetensors",
    script:
        "../workflow_scripts/train_enhancer.py"
