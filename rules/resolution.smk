rule resolution:
    """Compare the volumes of independent halves: FSC and held-out likelihood."""
    input:
        halves=halves_of,
        maps=half_maps_of,
        alignment="<results>/{specimen}/alignment.zarr",
    output:
        curves="<results>/{specimen}/resolution/{method}.csv",
        crossings="<results>/{specimen}/resolution/{method}_crossings.csv",
        held_out="<results>/{specimen}/resolution/{method}_held_out.csv",
    log:
        "<results>/{specimen}/logs/resolution_{method}.log",
    benchmark:
        "<results>/{specimen}/benchmarks/resolution_{method}.tsv"
    conda:
        "../envs/astra.yaml"
    threads: 2
    resources:
        mem_mb=4000,
    params:
        settings=settings("resolution"),
        code=code("resolution"),
    script:
        "../workflow_scripts/resolution.py"
