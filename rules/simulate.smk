rule simulate:
    """Write the raw files of a phantom, one per tilt, as a microscope would."""
    output:
        raw=directory("<results>/simulated/{phantom}"),
        truth=directory("<results>/simulated/truth/{phantom}.ome.zarr"),
    log:
        "<results>/simulated/logs/{phantom}.log",
    benchmark:
        "<results>/simulated/benchmarks/{phantom}.tsv"
    wildcard_constraints:
        phantom="|".join(run.simulate.phantoms) or "none",
    conda:
        "../envs/ingest.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        settings=lambda wildcards: phantom_settings(wildcards.phantom),
        code=code("simulate"),
    script:
        "../workflow_scripts/simulate.py"
