rule reconstruct:
    """Reconstruct the volumes of a specimen by one method."""
    input:
        element_maps="<results>/{dataset}/element_maps.zarr",
        tilt_series=tilt_series_of,
        alignment=alignment_of,
    output:
        volume=directory("<results>/{dataset}/volumes/{method}.ome.zarr"),
    log:
        "<results>/{dataset}/logs/reconstruct_{method}.log",
    benchmark:
        "<results>/{dataset}/benchmarks/reconstruct_{method}.tsv"
    wildcard_constraints:
        method="|".join(RECONSTRUCT_METHODS),
    conda:
        "../envs/torch.yaml"
    threads: 4
    resources:
        mem_mb=6000,
        device=run.device,
        gpu=lambda wildcards: gpus() * (wildcards.method in ON_DEVICE),
    params:
        settings=reconstruct_settings,
        code=lambda wildcards: code("reconstruct", wildcards.method),
    script:
        "../workflow_scripts/reconstruct.py"
