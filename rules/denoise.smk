rule denoise:
    """Predict the expected photons of every pixel with Q^D."""
    input:
        element_maps="<results>/{dataset}/element_maps.zarr",
        tilt_series=guiding,
        weights=weights_of_denoiser,
    output:
        denoised=directory("<results>/{dataset}/denoised.zarr"),
    log:
        "<results>/{dataset}/logs/denoise.log",
    benchmark:
        "<results>/{dataset}/benchmarks/denoise.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        device=run.device,
        gpu=gpus(),
    params:
        settings=settings("denoise"),
        code=code("denoise"),
    script:
        "../workflow_scripts/denoise.py"
