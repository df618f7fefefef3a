rule element_maps:
    """Count the photons of each element in each pixel."""
    input:
        tilt_series="<results>/{specimen}/tilt_series.zarr",
        drift=drift_of,
    output:
        element_maps=directory("<results>/{specimen}/element_maps.zarr"),
        net=directory("<results>/{specimen}/net_maps.zarr"),
        table="<results>/{specimen}/element_maps.csv",
        frames="<results>/{specimen}/element_frames.csv",
    log:
        "<results>/{specimen}/logs/element_maps.log",
    benchmark:
        "<results>/{specimen}/benchmarks/element_maps.tsv"
    conda:
        "../envs/ingest.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        settings=settings("element_maps"),
        row=lambda wildcards: row(wildcards.specimen, "elements", "signal"),
        code=code("element_maps"),
    script:
        "../workflow_scripts/element_maps.py"
