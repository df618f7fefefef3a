"""Parts of counted photons with independent noise: frame by frame."""

import numpy as np

from stemedx.arrays import FrameMaps, MeasuredMaps, PatchArray, StackedFrames
from stemedx.learn.likelihoods import poisson
from stemedx.learn.samples import Sample, Split
from stemedx.params import TrainDenoiserParams


def stacked(frames: FrameMaps) -> StackedFrames:
    """Return ``(element, frame, y, x)`` as ``(element frame, 1, y, x)`` maps of one tilt."""
    n_elements, n_frames, n_y, n_x = frames.shape
    return frames.reshape(n_elements * n_frames, 1, n_y, n_x)


def frame_parts(n_elements: int) -> Split:
    """Return how `stacked` frames are parted: some are seen, the others predicted.

    Unlike thinned photons they are independent whatever the detector did to counts
    within a frame, such as clipping them to 0 or 1.

    Parameters
    ----------
    n_elements
        Elements that are stacked.

    References
    ----------
    Lehtinen et al. (2018), ICML, 2965-2974 (Noise2Noise).
    """

    def apart(patches: PatchArray) -> np.ndarray:
        """Return ``(patch, element, frame, y, x)``."""
        return patches.reshape(len(patches), n_elements, -1, *patches.shape[2:])

    def hold_out(
        maps: MeasuredMaps, params: TrainDenoiserParams, rng: np.random.Generator
    ) -> tuple[StackedFrames, Sample]:
        """Set one frame apart: it is predicted from all others."""
        frames = maps.reshape(n_elements, -1, *maps.shape[2:])
        n_frames = frames.shape[1]
        chosen = int(rng.integers(n_frames))
        kept = np.delete(frames, chosen, axis=1)
        share = np.array([1 / n_frames])
        seen, target = kept.sum(axis=1)[None], frames[None, :, chosen]
        told = np.ones(target.shape, np.float32)
        return kept.reshape(-1, *maps.shape[1:]), Sample(seen, 1 - share, target, share, told)

    def draw(patches: PatchArray, params: TrainDenoiserParams, rng: np.random.Generator) -> Sample:
        """Part the frames anew, at a share drawn for the batch."""
        frames = apart(patches)
        n_frames = frames.shape[2]
        share = rng.uniform(params.share_min, params.share_max)
        n_seen = int(np.clip(round(share * n_frames), 1, n_frames - 1))
        order = rng.permutation(n_frames)
        seen, target = (frames[:, :, part].sum(axis=2) for part in np.split(order, [n_seen]))
        exposure = np.full(len(frames), 1 / (n_frames + 1))  # of a frame; one is set apart
        told = np.ones(seen.shape, np.float32)
        return Sample(seen, n_seen * exposure, target, (n_frames - n_seen) * exposure, told)

    return Split(hold_out, draw, poisson)
