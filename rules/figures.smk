rule figures:
    """Draw the figures of a specimen."""
    input:
        unpack(aligned_of),
        manifest="<results>/{specimen}/tilt_series.csv",
        tilt_series="<results>/{specimen}/tilt_series.zarr",
        element_maps="<results>/{specimen}/element_maps.zarr",
        frames="<results>/{specimen}/element_frames.csv",
        volumes=volumes_of,
        haadf=haadf_of,
        networks=networks_of,
        denoised=denoised_of,
        kernel=kernel_of,
        resolution=resolution_of,
        thickness=thickness_of,
    output:
        figures=directory("<results>/{specimen}/figures"),
    log:
        "<results>/{specimen}/logs/figures.log",
    benchmark:
        "<results>/{specimen}/benchmarks/figures.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=4000,
    params:
        settings=settings("figures"),
        code=code("figures"),
    script:
        "../workflow_scripts/figures.py"
