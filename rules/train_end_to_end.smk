rule train_end_to_end:
    """Train T on the two-step volumes of the specimens that the configuration lists."""
    input:
        denoised=of_trained("denoised.zarr"),
        alignments=of_trained("alignment.zarr"),
        volumes=of_trained("volumes/two_step.ome.zarr"),
        start=started_from("train_end_to_end", ""),
    output:
        weights="<results>/networks/end_to_end.safetensors",
        losses="<results>/networks/end_to_end.csv",
    log:
        "<results>/logs/train_end_to_end.log",
    benchmark:
        "<results>/benchmarks/train_end_to_end.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=4000 + 1000 * len(of_trained("")),
        device=run.device,
        gpu=gpus(),
    params:
        settings=settings("train_end_to_end"),
        code=code("train_end_to_end"),
        checkpoint=f"{run.results}/checkpoints/end_to_end.safetensors",
    script:
        "../workflow_scripts/train_end_to_end.py"
