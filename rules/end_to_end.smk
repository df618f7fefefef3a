rule end_to_end:
    """Apply T to the denoised maps of a specimen."""
    input:
        denoised="<results>/{specimen}/denoised.zarr",
        alignment="<results>/{specimen}/alignment.zarr",
        weights="<results>/networks/end_to_end.safetensors",
    output:
        volume=directory("<results>/{specimen}/volumes/end_to_end.ome.zarr"),
    log:
        "<results>/{specimen}/logs/end_to_end.log",
    benchmark:
        "<results>/{specimen}/benchmarks/end_to_end.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=6000,
        device=run.device,
        gpu=gpus(),
    params:
        settings=settings("end_to_end"),
        code=code("end_to_end"),
    script:
        "../workflow_scripts/end_to_end.py"
