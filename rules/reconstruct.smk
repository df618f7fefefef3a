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
        method="|".join(m for m in RECONSTRUCT_METHODS if m != "dip_tv"),
    conda:
        "../envs/astra.yaml"
    threads: 4
    resources:
        mem_mb=6000,
        device=run.device,
    params:
        settings=reconstruct_settings,
        code=lambda wildcards: code("reconstruct", wildcards.method),
    script:
        "../workflow_scripts/reconstruct.py"


use rule reconstruct as reconstruct_by_network with:
    wildcard_constraints:
        method="dip_tv",
    conda:
        "../envs/torch.yaml"
    resources:
        mem_mb=6000,
        device=run.device,
        gpu=gpus(),
