rule align:
    """Find the tilt axis and the shift of each tilt, or take them from a file."""
    input:
        element_maps="<results>/{specimen}/element_maps.zarr",
        tilt_series="<results>/{specimen}/tilt_series.zarr",
        by_hand=by_hand_of,
    output:
        alignment=directory("<results>/{specimen}/alignment.zarr"),
        table="<results>/{specimen}/alignment.csv",
    log:
        "<results>/{specimen}/logs/align.log",
    benchmark:
        "<results>/{specimen}/benchmarks/align.tsv"
    conda:
        "../envs/astra.yaml"
    threads: 2
    resources:
        mem_mb=2000,
    params:
        settings=settings("align"),
        row=lambda wildcards: row(wildcards.specimen, "tilt_axis_deg", "alignment"),
        code=code("align"),
    script:
        "../workflow_scripts/align.py"
