"""Parameters of the stages: the schema of config.yaml.

Light on purpose (pydantic only): the Snakefile imports it on every start.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

# Of specimens and phantoms, which become folders.
NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"


class Model(BaseModel):
    """Immutable; a misspelt key is an error, not a default."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )


class Seeded(Model):
    """A stage that draws random numbers."""

    seed: int = Field(0, ge=0)
    """Seed of the stage; the `seed` of the run unless given here."""


def tilt_range(text: str) -> tuple[float, ...]:
    """Return the tilts that ``first:last:step`` stands for, degrees.

    Raises
    ------
    ValueError
        If it is not three numbers, or the steps do not lead from first to last.
    """
    try:
        first, last, step = (float(part) for part in text.split(":"))
    except ValueError:
        raise ValueError(f"expected first:last:step, such as -60:60:10, found {text!r}") from None
    n_steps = (last - first) / step if step else -1.0
    if n_steps < 1 or abs(n_steps - round(n_steps)) > 1e-6:
        raise ValueError(f"{text!r}: steps of {step:g} do not lead from {first:g} to {last:g}")
    return tuple(round(first + n * step, 9) for n in range(round(n_steps) + 1))


class PhantomParams(Model):
    """One simulated specimen."""

    shape: Literal["core_shell", "rod", "empty"]
    """core_shell: a ZnSe core in a ZnS shell; rod: gold, along the tilt axis; empty: background only."""

    size_px: int = Field(64, ge=16, le=512)
    """Width and height of the maps, pixels."""

    pixel_nm: float = Field(0.4, gt=0)
    """Scan step, nm."""

    tilts: str = "-60:60:10"
    """first:last:step of the stage tilt, degrees."""

    peak: float = Field(0.3, gt=0)
    """Largest expected hits per pixel of the strongest element."""

    hits: bool = False
    """Clip counts to 0 or 1, as some exports do."""

    uncovered_percent: float = Field(7.0, ge=0, lt=50)
    """Share of the core's directions that the shell leaves bare (one cap), percent."""

    background: float = Field(0.01, ge=0)
    """Expected background per pixel, as a share of `peak`."""

    gain_spread: float = Field(0.0, ge=0, lt=1)
    """Gains of tilts and elements are drawn from 1 +- this."""

    shift_px: float = Field(0.0, ge=0)
    """Specimen shifts of each tilt are drawn from +- this, pixels."""

    haadf_snr: float = Field(25.0, gt=0)
    """Largest HAADF value over the standard deviation of its noise."""

    @field_validator("tilts")
    @classmethod
    def _rising(cls, value: str) -> str:
        tilts = tilt_range(value)
        if tilts[0] > tilts[-1]:
            raise ValueError("tilts must rise")
        return value


class SimulateParams(Seeded):
    """Parameters of the stage `simulate`."""

    phantoms: dict[Annotated[str, Field(pattern=NAME)], PhantomParams] = {}
    """Name -> phantom. A sheet names the raw files of phantom x as `simulated/x`."""

    @field_validator("phantoms")
    @classmethod
    def _apart(cls, phantoms: dict[str, PhantomParams]) -> dict[str, PhantomParams]:
        for name in phantoms:
            if name.lower() in ("truth", "logs", "benchmarks"):
                raise ValueError(f"phantom {name!r}: the name is taken; choose another")
        return phantoms


class IngestParams(Model):
    """Parameters of the stage `ingest`."""

    min_keV: float = Field(0.2, ge=0, le=10)  # noqa: N815
    """Channels below hold the zero peak of the detector and are left out, keV."""


class DriftParams(Model):
    """Parameters of the stage `drift`."""

    max_shift_px: float = Field(20.0, ge=0)
    """Largest shift from one frame to the next that is searched, pixels."""

    smooth_px: float = Field(1.0, ge=0)
    """Standard deviation of the Gaussian applied to HAADF frames before they are compared, pixels."""


class ElementMapsParams(Seeded):
    """Parameters of the stage `element_maps`."""

    method: Literal["windows", "fit"] = "windows"
    """How net counts are told from background: windows beside each line, or a fit of the whole spectrum. Counts in windows are written by both."""

    extra_elements: tuple[str, ...] = ("C", "O", "Si", "Fe", "Co", "Ni", "Cu")
    """Elements that may be in the spectra besides those of the sheet and of the files' headers: support film, grid, holder, pole piece, coating."""

    fit_from_keV: float = Field(0.5, gt=0, lt=10)  # noqa: N815
    """Lowest energy that is fitted; lower where a line of the sheet is, keV."""

    fit_to_keV: float = Field(12.0, gt=1, le=100)  # noqa: N815
    """Highest energy that is fitted; higher where a line of the sheet is, keV."""

    window_fwhm: float = Field(1.0, gt=0, le=3)
    """Half width of a line's window, in units of the line's full width at half maximum."""

    resolution_MnKa_eV: float = Field(140.0, gt=50, lt=300)  # noqa: N815
    """Detector resolution at Mn Ka where the file does not tell, eV."""

    @model_validator(mode="after")
    def _rising(self) -> "ElementMapsParams":
        if self.fit_from_keV >= self.fit_to_keV:
            raise ValueError("fit_from_keV must be below fit_to_keV")
        return self


class AlignParams(Model):
    """Parameters of the stage `align`."""

    max_shift_px: float = Field(40.0, ge=0)
    """Largest shift from one tilt to the next that is searched, pixels."""

    smooth_px: float = Field(2.0, ge=0)
    """Standard deviation of the Gaussian applied to maps before they are compared, pixels."""

    n_refinements: int = Field(3, ge=0, le=50)
    """Rounds of projection matching after the first estimate."""

    axis_within_deg: float = Field(15.0, ge=0, le=45)
    """The tilt axis is searched within this angle of image y where the sheet does not tell, degrees."""

    tilt_error_deg: float = Field(0.0, ge=0, le=5)
    """Standard deviation of the errors that tilts may have and that are then searched, degrees; 0: tilts are taken as told."""


class TrainKernelParams(Seeded):
    """Parameters of the stage `train_kernel` (the CNN-based kernel, from frames of a map)."""

    label: Literal["all_frames", "other_frames"] = "other_frames"
    """What a mean of some frames is taught to become: the mean of all frames, as published (of which it is a part: noise is kept), or of those that are not in it."""

    n_drawn: int = Field(8, ge=1)
    """Frames in each bootstrap."""

    n_bootstraps: int = Field(30, ge=1)
    """Bootstraps that are drawn, and whose predictions are put together."""

    helped: tuple[str, ...] = ("S",)
    """Elements whose network sees the maps of all others too."""

    base_channels: int = Field(16, ge=2, le=128)
    """Channels of the first level of the regression; doubled on each of the four below."""

    n_epochs: int = Field(100, ge=1)
    """Length of the training of the regression: how often each bootstrap is seen."""

    batch: int = Field(8, ge=1)
    """Bootstraps per update of the regression."""

    crop_px: int = Field(128, ge=16)
    """Side of the random patches, pixels; the largest multiple of 16 that fits is taken."""

    learning_rate: float = Field(1e-3, gt=0)
    """Step of Adam in the training of the regression."""

    n_aggregation_epochs: int = Field(400, ge=1)
    """Length of the training of the aggregation, updates."""

    aggregation_learning_rate: float = Field(1e-4, gt=0)
    """First step of Adam in the training of the aggregation; halved every 100 epochs."""


class KernelParams(Model):
    """Parameters of the stage `kernel`."""


class UNetParams(Model):
    """A compact U-Net."""

    base_channels: int = Field(16, ge=4, le=256)
    """Channels of the first level; doubled on each level below."""

    n_levels: int = Field(3, ge=1, le=7)
    """Number of resolutions."""


class TrainParams(Seeded, UNetParams):
    """What the training of every network needs."""

    n_epochs: float = Field(100, gt=0)
    """Length of the training: how often, on average, each pixel of the maps is seen."""

    batch: int = Field(2, ge=1)
    """Patches per update."""

    crop_px: int = Field(256, ge=16)
    """Side of the random patches and of the tiles when applied, pixels; maps smaller than this are used whole."""

    learning_rate: float = Field(2e-3, gt=0)
    """Largest step of Adam; it follows a cosine down to zero."""

    start: str = ""
    """Weights of an earlier batch to start from (.safetensors); empty: random weights. Never used for half data sets, which would not be independent."""


class AdversarialParams(TrainParams):
    """What the published networks need besides: a U-Net and a discriminator."""

    adversarial_weight: float = Field(0.1, ge=0)
    """method paper: weight of the loss by the discriminator, beside half the mean squared error."""

    discriminator_learning_rate: float = Field(1e-5, gt=0)
    """method paper: step of Adam for the discriminator; that for the generator is learning_rate."""

    kernel_penalty: float = Field(1e-4, ge=0)
    """method paper: weight of the mean square of every convolution kernel in the loss."""

    def _insist_levels(self) -> None:
        """Refuse squares that the published network cannot halve as often as it does.

        Raises
        ------
        ValueError
            If the side is no multiple of 2 to the number of levels, or not larger.
        """
        multiple = 2**self.n_levels
        if self.crop_px % multiple or self.crop_px == multiple:
            raise ValueError(
                f"method paper with n_levels {self.n_levels}: crop_px must be a multiple of "
                f"{multiple} above it, found {self.crop_px}"
            )


class TrainDenoiserParams(AdversarialParams):
    """Parameters of the stage `train_denoiser` (Q^D)."""

    method: Literal["thinning", "frames", "paper"] = "thinning"
    """thinning: from a share of the photons to the others; frames: of maps with frames, from some frames to the others (series are thinned); paper: from maps to the output of CNN-based kernels, by the published networks."""

    specimens: tuple[str, ...] = ()
    """method paper: specimens of kind map whose kernels one network of the batch learns from; none: a network per specimen, from kernels of its own photons."""

    n_summed_frames: int = Field(5, ge=1)
    """method paper: frames that are added up to what the network sees of a map."""

    min_updates: int = Field(300, ge=1)
    """method thinning: updates that a training has at least: few maps need more epochs."""

    share_min: float = Field(0.3, gt=0, lt=1)
    """Smallest share of the photons that the network sees in training."""

    share_max: float = Field(0.9, gt=0, lt=1)
    """Largest share of the photons that the network sees in training."""

    held_out: float = Field(0.05, gt=0, le=0.5)
    """Share of the photons that training never sees, for the held-out loss."""

    likelihood: Literal["bernoulli", "poisson"] = "bernoulli"
    """Of hits clipped to 0 or 1: of hits as they are, or of photons drawn in their place. Counts are always poisson."""

    guide: Literal["none", "haadf"] = "none"
    """haadf: the network also sees the HAADF image of each tilt, where there is one; never in half data sets, which would not be independent."""

    @model_validator(mode="after")
    def _ordered(self) -> "TrainDenoiserParams":
        if self.share_min > self.share_max:
            raise ValueError("share_min must not exceed share_max")
        if self.method == "paper":
            self._insist_levels()
            if self.guide != "none":
                raise ValueError("guide: the network of method paper sees element maps alone")
        return self


class DenoiseParams(Seeded):
    """Parameters of the stage `denoise`."""

    n_thinnings: int = Field(8, ge=1)
    """Thinned copies whose predictions are averaged."""

    share: float = Field(0.9, gt=0, lt=1)
    """Share of the photons in each thinned copy."""


class L1Params(Model):
    """Split Bregman with an l1 penalty and x >= 0 (the paper's MBIR)."""

    n_outer: int = Field(ge=1)
    """Bregman iterations."""

    n_inner: int = Field(ge=1)
    """Conjugate-gradient iterations within each at most; maps that are aligned as measured need none."""

    penalty: float = Field(276.9, gt=0)
    """Weight of the l1 norm and of the splitting, for data scaled to `scale` and an exact adjoint."""

    scale: float = Field(400.0, gt=0)
    """The largest value of the data is scaled to this while solving."""


class MbirParams(L1Params):
    """Parameters of the stage `mbir` (the M of `two_step`)."""

    n_outer: int = Field(10, ge=1)
    n_inner: int = Field(10, ge=1)


class FilteredParams(Model):
    """A baseline that reads the box-filtered maps."""

    filter_px: int = Field(11, ge=1)
    """Side of the box mean applied to the measured maps, pixels (odd)."""

    @field_validator("filter_px")
    @classmethod
    def _odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError("must be odd, so that the box has a centre")
        return value


class FbpParams(FilteredParams):
    """Filtered back-projection with a Hann window."""


class SirtParams(FilteredParams):
    """SIRT from 0, x >= 0."""

    n_iterations: int = Field(100, ge=1)
    """Number of iterations."""


class FilteredL1Params(FilteredParams, L1Params):
    """The paper's l1 on filtered maps."""

    n_outer: int = Field(10, ge=1)
    n_inner: int = Field(10, ge=1)


class TvParams(FilteredParams):
    """Least squares with total variation."""

    tv_weight: float = Field(0.03, gt=0)
    """Weight of the total variation, for maps and solid matter scaled to 1."""

    gap: float = Field(0.02, gt=0)
    """The solver stops when the duality gap is below this, as a share of the scaled data."""

    max_iterations: int = Field(2000, ge=1)
    """Or after this many iterations, with a warning."""


class HaadfParams(Model):
    """SIRT of the HAADF series."""

    n_iterations: int = Field(100, ge=1)
    """Number of iterations."""

    vacuum_px: int = Field(11, ge=1)
    """Side of the square whose lowest mean in an image is its vacuum level, pixels."""


# Atoms of each element in a phase, relative, per volume: ZnS {Zn: 1, S: 1}
Phases = dict[str, dict[str, Annotated[float, Field(gt=0)]]]


class CountingParams(Model):
    """A method that reads the photons themselves, with gain and background."""


class MlemParams(CountingParams):
    """Maximum likelihood by expectation maximisation, from a flat start."""

    n_iterations: int = Field(20, ge=1)
    """Number of iterations; the noise grows with it."""


class PoissonTvParams(Seeded, CountingParams):
    """Likelihood of the photons with total variation."""

    coupling: Literal["joint", "separate"] = "joint"
    """joint: the elements share their edges (vectorial total variation); separate: each has its own."""

    tv_weight: float | None = Field(None, gt=0)
    """Weight of the total variation, nat per square pixel of edge of solid matter; chosen from the photons if empty."""

    n_splits: int = Field(2, ge=0, le=20)
    """Times that a fifth of the photons is set aside to choose the weight that makes them most likely; 0: the weight follows from the dose alone."""

    gap: float = Field(0.05, gt=0)
    """The solver stops when the duality gap, which bounds what is left to gain, is below this, nat per photon."""

    max_iterations: int = Field(2000, ge=1)
    """Or after this many iterations, with a warning."""


class DipTvParams(Seeded, CountingParams):
    """A network that was never trained before, and total variation."""

    base_channels: int = Field(8, ge=2)
    """Channels of the first level of the 3-D U-Net, doubled on the two below; an even number."""

    learning_rate: float = Field(2e-3, gt=0)
    """Of the optimiser Adam."""

    tv_weight: float | None = Field(None, gt=0)
    """Weight of the joint total variation, nat per square pixel of edge of solid matter; by the dose if empty."""

    patience: int = Field(100, ge=10)
    """Updates without photons set aside becoming more likely, after which it stops."""

    max_updates: int = Field(2000, ge=10)
    """Or after this many updates, with a warning."""


class FusionParams(CountingParams):
    """Photons and HAADF, explained by shares of phases; edges of HAADF guide where none are known."""

    haadf_weight: float = Field(0.3, gt=0)
    """Weight of the HAADF's likelihood relative to that of the photons: below 1, since the HAADF is not quite linear in the specimen. Not read without phases."""

    tv_weight: float | None = Field(None, gt=0)
    """Weight of the joint total variation of the shares (without phases: of the elements), nat per square pixel of edge; by the dose if empty."""

    purity: float = Field(2.0, ge=0)
    """How strongly voxels are drawn towards pure phases, in units of `tv_weight`; less where phases interdiffuse. Not read without phases."""

    vacuum_px: int = Field(11, ge=1)
    """Side of the square whose lowest mean in a HAADF image is its vacuum level to start from, pixels."""

    gap: float = Field(0.02, gt=0)
    """The solver stops when the duality gap, which bounds what is left to gain, is below this, nat per photon."""

    max_iterations: int = Field(2000, ge=1)
    """Or after this many iterations, with a warning."""


class ReconstructParams(Model):
    """Parameters of the stage `reconstruct`: one section per method."""

    phases: Phases = {
        "ZnSe": {"Zn": 1.0, "Se": 1.0},
        "ZnS": {"Zn": 1.0, "S": 1.0},
        "InP": {"In": 1.0, "P": 1.0},
    }
    """Phase -> atoms of each element in it, relative to the same volume of other phases. The column `phases` of the sheet picks from them; elements that are not mapped may be listed."""

    fbp: FbpParams = FbpParams()
    sirt: SirtParams = SirtParams()
    l1: FilteredL1Params = FilteredL1Params()
    tv: TvParams = TvParams()
    mlem: MlemParams = MlemParams()
    poisson_tv: PoissonTvParams = PoissonTvParams()
    dip_tv: DipTvParams = DipTvParams()
    fusion: FusionParams = FusionParams()
    haadf: HaadfParams = HaadfParams()

    @field_validator("phases")
    @classmethod
    def _made_of_elements(cls, phases: Phases) -> Phases:
        for phase, atoms in phases.items():
            for symbol in atoms:
                if not re.fullmatch("[A-Z][a-z]?", symbol):
                    raise ValueError(f"phase {phase!r}: {symbol!r} is no element symbol")
        return phases


class TrainEnhancerParams(AdversarialParams):
    """Parameters of the stage `train_enhancer` (Q^S)."""

    method: Literal["residual", "paper"] = "residual"
    """residual: a compact network that adds what is missing; paper: the published networks."""

    n_epochs: float = Field(50, gt=0)
    """Length of the training: how often, on average, each pixel of the maps is seen."""

    learning_rate: float = Field(1e-3, gt=0)
    """Largest step of Adam; it follows a cosine down to zero."""

    weight_decay: float = Field(1e-4, ge=0)
    """method residual: decay of the weights in each update of AdamW."""

    @model_validator(mode="after")
    def _fits(self) -> "TrainEnhancerParams":
        if self.method == "paper":
            self._insist_levels()
        return self


class EnhanceParams(Model):
    """Parameters of the stage `enhance`."""

    step_deg: float = Field(1.0, gt=0, le=10)
    """Angle between synthesized views, degrees; 180 is a multiple of it: they cover the full circle."""

    @field_validator("step_deg")
    @classmethod
    def _fits_half_a_circle(cls, value: float) -> float:
        if abs(180 / value - round(180 / value)) > 1e-9:
            raise ValueError("must divide 180, so that views from behind are mirror images")
        return value


class SynthesizeParams(Model):
    """Parameters of the stage `synthesize` (Hann-windowed FBP of all views)."""


class SplitParams(Seeded):
    """Parameters of the stage `split`."""


class TrainEndToEndParams(Seeded):
    """Parameters of the stage `train_end_to_end` (T, one network for the batch)."""

    specimens: tuple[str, ...] = ()
    """Specimens whose two-step volumes T learns from; the method end_to_end needs at least one."""

    held_out: tuple[str, ...] = ()
    """Specimens that T never learns from: the loss on them is that on specimens it does not know."""

    base_channels: int = Field(16, ge=4, le=128, multiple_of=2)
    """Channels of the first level; doubled on each of the two below."""

    patch_px: int = Field(64, ge=16, le=256, multiple_of=16)
    """Side of the cubes that T learns from, voxels; slabs of twice this and a quarter of it are drawn as often."""

    n_epochs: int = Field(150, ge=1)
    """Length of the training: in each epoch one part of every specimen is drawn."""

    n_first_epochs: int = Field(100, ge=0)
    """After this many epochs the learning rate falls to a tenth."""

    learning_rate: float = Field(1e-3, gt=0)
    """Step of Adam in the first epochs."""

    start: str = ""
    """Weights of an earlier batch to start from (.safetensors); empty: random weights."""

    @model_validator(mode="after")
    def _apart(self) -> "TrainEndToEndParams":
        both = set(self.specimens) & set(self.held_out)
        if both:
            raise ValueError(
                f"{', '.join(sorted(both))} cannot be both in specimens and in held_out: what is "
                "held out must be unknown"
            )
        for names in (self.specimens, self.held_out):
            if len(set(names)) < len(names):
                raise ValueError("a specimen is listed twice")
        return self


class EndToEndParams(Model):
    """Parameters of the stage `end_to_end`."""


class ExportParams(Model):
    """Parameters of the stage `export` (MRC files)."""


class ResolutionParams(Model):
    """Parameters of the stage `resolution`."""

    splits: int = Field(1, ge=0, le=50)
    """Pairs of half data sets that go the whole way; 0 leaves the resolution unmeasured."""

    thresholds: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field((0.5, 0.143), min_length=1)
    """Values of the FSC whose crossings are reported; the first is the headline."""

    mask_threshold: float = Field(0.25, gt=0, lt=1)
    """The mask holds voxels above this share of the brightest, in the smoothed sum of elements."""

    mask_dilation_px: float = Field(3.0, ge=0)
    """The mask reaches this much further than they do, pixels."""

    significance: float = Field(4.0, ge=0)
    """The halves must agree by this many standard deviations of noise for a crossing to count."""

    mask_edge_px: float = Field(8.0, gt=0)
    """Width of the soft edge of the mask, pixels."""


class ThicknessParams(Model):
    """Parameters of the stage `thickness`."""

    core: str | None = None
    """Element whose centre of mass is the origin of the rays; the first of the sheet if empty."""

    threshold: float = Field(0.5, gt=0, lt=1)
    """An element is present where it exceeds this share of its typical value inside the particle."""

    min_particle_nm: float = Field(2.0, gt=0)
    """Particles of smaller equivalent diameter are left out, nm."""

    max_particles: int = Field(4, ge=1)
    """The largest this many particles are analysed."""

    uncovered_px: float = Field(0.5, ge=0, le=10)
    """A direction is uncovered where an element is thinner than this, voxels."""


class FiguresParams(Model):
    """Parameters of the stage `figures`."""

    dpi: int = Field(120, ge=50, le=600)
    """Resolution of the PNG files, dots per inch."""


class TablesParams(Model):
    """Parameters of the stage `tables`."""


class ReportParams(Model):
    """Parameters of the stage `report`."""

    title: str = "STEM-EDX tomography"
    """Heading of the page."""


# The methods of the stage `reconstruct`: all its sections but the definitions of phases.
RECONSTRUCT_METHODS = tuple(name for name in ReconstructParams.model_fields if name != "phases")
# Those that are solved on a GPU if there is one; fbp and l1 are not.
ON_DEVICE = ("sirt", "tv", "mlem", "poisson_tv", "dip_tv", "fusion", "haadf")
METHODS = (
    *("fbp", "sirt", "l1", "tv", "mlem", "poisson_tv", "dip_tv", "fusion"),
    *("two_step", "end_to_end"),
)
# T has learned from volumes of whole data: applied to halves it would tell both the same.
WITHOUT_HALVES = ("end_to_end",)
LATER_STAGES = (
    "bootstrap",
    "sizes",
)


class RunConfig(Model):
    """The whole of config.yaml."""

    samples: str = Field("samples.tsv", min_length=1)
    """Path of the sample sheet."""

    results: str = "results"
    """Folder of the results."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where networks are trained and applied, and volumes solved: auto takes a CUDA device where there is one."""

    seed: int = Field(0, ge=0)
    """Seed of every random choice."""

    methods: tuple[str, ...] = Field(("sirt", "two_step", "poisson_tv", "fusion"), min_length=1)
    """Reconstructions to make, in the order in which tables show them; fusion only where there is HAADF."""

    simulate: SimulateParams = SimulateParams()
    ingest: IngestParams = IngestParams()
    drift: DriftParams = DriftParams()
    element_maps: ElementMapsParams = ElementMapsParams()
    align: AlignParams = AlignParams()
    train_kernel: TrainKernelParams = TrainKernelParams()
    kernel: KernelParams = KernelParams()
    train_denoiser: TrainDenoiserParams = TrainDenoiserParams()
    denoise: DenoiseParams = DenoiseParams()
    mbir: MbirParams = MbirParams()
    reconstruct: ReconstructParams = ReconstructParams()
    train_enhancer: TrainEnhancerParams = TrainEnhancerParams()
    enhance: EnhanceParams = EnhanceParams()
    synthesize: SynthesizeParams = SynthesizeParams()
    train_end_to_end: TrainEndToEndParams = TrainEndToEndParams()
    end_to_end: EndToEndParams = EndToEndParams()
    export: ExportParams = ExportParams()
    split: SplitParams = SplitParams()
    resolution: ResolutionParams = ResolutionParams()
    thickness: ThicknessParams = ThicknessParams()
    figures: FiguresParams = FiguresParams()
    tables: TablesParams = TablesParams()
    report: ReportParams = ReportParams()

    @model_validator(mode="before")
    @classmethod
    def _refuse_later_stages(cls, config: Any) -> Any:
        if isinstance(config, dict):
            for stage in LATER_STAGES:
                if stage in config:
                    raise ValueError(
                        f"section {stage!r}: this stage is not part of this version. "
                        "Remove the section."
                    )
        return config

    @field_validator("results")
    @classmethod
    def _a_folder(cls, value: str) -> str:
        folder = value.rstrip("/")
        if not folder or set("{}<>") & set(folder):  # the workflow would take them for wildcards
            raise ValueError("expected a folder, without any of { } < >")
        return folder

    @field_validator("methods")
    @classmethod
    def _known_methods(cls, methods: tuple[str, ...]) -> tuple[str, ...]:
        for method in methods:
            if method not in METHODS:
                raise ValueError(f"unknown method {method!r}; known: {', '.join(METHODS)}")
        if len(set(methods)) < len(methods):
            raise ValueError("a method is listed twice")
        return methods

    @model_validator(mode="after")
    def _trained_on_something(self) -> "RunConfig":
        if "end_to_end" in self.methods and not self.train_end_to_end.specimens:
            raise ValueError(
                "method 'end_to_end' needs specimens to learn from: list some of the sheet under "
                "train_end_to_end.specimens"
            )
        return self

    def settings(self, stage: str, method: str | None = None) -> dict[str, Any]:
        """Return the parameters of a stage (of one of its methods) as plain data.

        The seed of the run is filled in where the stage needs one and has none of
        its own.
        """
        section = getattr(self, stage)
        if method is not None:
            section = getattr(section, method)
        plain = section.model_dump(mode="json")
        if "seed" in type(section).model_fields and "seed" not in section.model_fields_set:
            plain["seed"] = self.seed
        return plain


def check_config(config: dict[str, Any], source: str) -> RunConfig:
    """Return the checked configuration.

    Parameters
    ----------
    config
        The merged content of the YAML files.
    source
        Names of those files, for the message.

    Raises
    ------
    ValueError
        With one line per fault: key, value, what was expected, the files.
    """
    try:
        return RunConfig.model_validate(config)
    except ValidationError as error:
        raise ValueError("\n".join(to_lines(error, source))) from None


def to_lines(error: ValidationError, source: str) -> list[str]:
    """Return one line per fault: where, key, value and what was expected."""
    lines = []
    for fault in error.errors():
        key = ".".join(map(str, fault["loc"]))
        found = f" = {fault['input']!r}" if key and fault["type"] != "missing" else ""
        wanted = _wanted(fault["type"], fault["msg"])
        lines.append(f"{source}: {key}{found}: {wanted}" if key else f"{source}: {wanted}")
    return lines


def _wanted(kind: str, message: str) -> str:
    """Return what pydantic expected, in words of YAML and of the sheet."""
    if kind == "extra_forbidden":
        return "unknown key; check its spelling, or remove it"
    if kind == "string_pattern_mismatch":
        return "expected letters, digits, _ and -, the first of them a letter or a digit"
    if kind == "model_type":
        return "expected keys below it; remove it to take the defaults"
    return message.removeprefix("Value error, ").replace("tuple", "list").replace("Tuple", "List")
