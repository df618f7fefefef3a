"""Parts of counted photons with independent noise: photon by photon."""

from collections.abc import Iterator

import numpy as np

from stemedx.arrays import ElementMaps, PatchArray
from stemedx.counts import split_counts
from stemedx.learn.likelihoods import bernoulli, poisson
from stemedx.learn.samples import Copy, Sample, Split
from stemedx.params import DenoiseParams, TrainDenoiserParams


def thinned_copies(
    counts: ElementMaps, params: DenoiseParams, rng: np.random.Generator
) -> Iterator[Copy]:
    """Yield thinned copies of the maps: the network has learned from such."""
    for _ in range(params.n_thinnings):
        seen, _ = split_counts(counts, params.share, rng)
        yield Copy(seen, params.share, np.ones(counts.shape, np.float32))


def left_out_copies(
    counts: ElementMaps, params: DenoiseParams, rng: np.random.Generator
) -> Iterator[Copy]:
    """Yield copies in which each pixel with photons is emptied once, and told of then.

    For maps that were clipped to 0 or 1: the network has learned what a pixel is in which
    it sees none, or from photons that were partly drawn (`unclip`).
    """
    n_copies = max(2, params.n_thinnings)
    emptied_in = rng.integers(n_copies, size=counts.shape)
    for n in range(n_copies):
        told = ((emptied_in == n) | (counts == 0)).astype(np.float32)
        seen = np.where(emptied_in == n, 0, counts).astype(counts.dtype)
        yield Copy(seen, 1 - 1 / n_copies, told)


def _hold_out(
    counts: ElementMaps, params: TrainDenoiserParams, rng: np.random.Generator
) -> tuple[ElementMaps, Sample]:
    """Set a few photons apart: they are predicted from all others."""
    held_out, kept = split_counts(counts, params.held_out, rng)
    target = held_out.swapaxes(0, 1)
    shares, told = np.full(len(target), 1 - params.held_out), np.ones(target.shape, np.float32)
    return kept, Sample(kept.swapaxes(0, 1), shares, target, 1 - shares, told)


def _draw(patches: PatchArray, params: TrainDenoiserParams, rng: np.random.Generator) -> Sample:
    """Split every patch anew, at a share drawn for it."""
    shares = rng.uniform(params.share_min, params.share_max, len(patches))
    parts = [split_counts(p, s, rng) for p, s in zip(patches, shares, strict=True)]
    seen, target = (np.stack(part) for part in zip(*parts, strict=True))
    kept = 1 - params.held_out
    told = np.ones(seen.shape, np.float32)
    return Sample(seen, kept * shares, target, kept * (1 - shares), told)


def _unhit(sample: Sample) -> Sample:
    """Return a sample of clipped hits, told of where none was seen."""
    return sample._replace(told=(sample.seen == 0).astype(np.float32))


def _hold_out_hits(
    hits: ElementMaps, params: TrainDenoiserParams, rng: np.random.Generator
) -> tuple[ElementMaps, Sample]:
    kept, sample = _hold_out(hits, params, rng)
    return kept, _unhit(sample)


def _draw_hits(
    patches: PatchArray, params: TrainDenoiserParams, rng: np.random.Generator
) -> Sample:
    return _unhit(_draw(patches, params, rng))


THINNING = Split(_hold_out, _draw, poisson)
CLIPPED = Split(_hold_out_hits, _draw_hits, bernoulli)
