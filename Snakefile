"""From raw STEM-EDX tilt series to element volumes, their limits and a report."""

from snakemake.utils import min_version

min_version("9.20")


configfile: "config.yaml"


include: "rules/common.smk"
include: "rules/simulate.smk"
include: "rules/ingest.smk"
include: "rules/drift.smk"
include: "rules/element_maps.smk"
include: "rules/align.smk"
include: "rules/split.smk"
include: "rules/train_kernel.smk"
include: "rules/kernel.smk"
include: "rules/train_denoiser.smk"
include: "rules/denoise.smk"
include: "rules/mbir.smk"
include: "rules/reconstruct.smk"
include: "rules/train_enhancer.smk"
include: "rules/enhance.smk"
include: "rules/synthesize.smk"
include: "rules/train_end_to_end.smk"
include: "rules/end_to_end.smk"
include: "rules/export.smk"
include: "rules/resolution.smk"
include: "rules/thickness.smk"
include: "rules/figures.smk"
include: "rules/tables.smk"
include: "rules/report.smk"


rule all:
    default_target: True
    input:
        report_page,
        volume_files,
