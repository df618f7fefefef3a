"""How likely maps are as views of one specimen, against views of one each."""

from dataclasses import dataclass

import numpy as np
from scipy import optimize

from stemedx.arrays import Kernels, Modes, Spread, TiltAngles
from stemedx.project.system import system_matrix

N_X = 40  # pixels of a window across the tilt axis
RADIUS = 0.42  # of the specimen, in widths of the window
EDGE_PX = 1.0
BLUR_PX = 2.0  # of the maps; noise finer than that tells nothing of the specimen
SCALES_PX = (1.0, 2.0, 4.0, 8.0)  # of details, larger ones stronger in proportion
KEPT = 0.03  # modes with less of the noise are left out
FAINTEST, STRONGEST = -10.0, 16.0  # log of noise over signal that are tried


@dataclass(frozen=True)
class Likelihood:
    """Half the quadratic form of ``log p(each its own) - log p(one specimen)``."""

    one: Kernels  # (channel, wave, mode, mode): inverse covariance of views of one
    rather: Kernels  # less that of views of one each
    explained: Kernels  # from maps to what one specimen explains of them


class SpecimenModel:
    """A random specimen inside a cylinder around the tilt axis, seen at each tilt.

    Its density is normal with the spectrum of bodies with sharp faces, about ``k^-4``;
    across the axis it ends at a soft border. Along the axis maps are described by waves,
    across it by the modes that blurred noise can have. Aligned maps share one specimen:
    what they have in common is then as likely as it can be. Nothing is reconstructed,
    and no map predicts itself. After Rasmussen and Williams (2006), Gaussian Processes
    for Machine Learning, chapter 5; covariances are summed over scales.

    Parameters
    ----------
    tilt_deg
        ``(tilt,)`` degrees.
    n_y
        Rows of a window.
    """

    def __init__(self, tilt_deg: TiltAngles, n_y: int) -> None:
        self.tilt_deg, self.n_y = tilt_deg, n_y
        x = np.arange(N_X) - (N_X - 1) / 2
        power, modes = np.linalg.eigh(np.exp(-((x[:, None] - x) ** 2) / (4 * BLUR_PX**2)))
        kept = power > KEPT * power.max()
        # Of blurred noise, each mode of `basis` has the variance 1.
        self.basis = modes[:, kept] / np.sqrt(power[kept])
        self.waves_x = modes[:, kept] * np.sqrt(power[kept])  # the inverse of its transpose
        wave = 2 * np.pi * np.fft.rfftfreq(n_y)
        noise = np.exp(-(BLUR_PX**2) * wave**2)
        self.seen = noise > KEPT
        self.root = np.sqrt(noise[self.seen] * np.sqrt(4 * np.pi) * BLUR_PX)
        self.times = np.where(wave[self.seen] == 0, 1.0, 2.0)  # and its conjugate
        self._signal = self._covariances(wave[self.seen])
        self._one = [np.linalg.eigh(part) for part in self._signal]
        n, m = len(tilt_deg), self.basis.shape[1]
        tilts = self._signal.reshape(-1, n, m, n, m)
        self._each = [[np.linalg.eigh(part[t, :, t]) for t in range(n)] for part in tilts]

    def _covariances(self, wave: Spread) -> Kernels:
        """Return the covariance of the modes of all tilts, for each wave along y."""
        x = np.arange(N_X) - (N_X - 1) / 2
        inside = 1 / (1 + np.exp((np.hypot(x[:, None], x) - RADIUS * N_X) / EDGE_PX))
        rays = system_matrix(self.tilt_deg, N_X, N_X).toarray() * inside.ravel()
        rays = rays.reshape(len(self.tilt_deg), N_X, N_X * N_X)
        seen = np.einsum("txv,xm->tmv", rays, self.basis, optimize=True).reshape(-1, N_X, N_X)
        total = np.zeros((len(wave), len(seen), len(seen)))
        for scale in SCALES_PX:
            alike = np.exp(-((x[:, None] - x) ** 2) / (2 * scale**2)) + 1e-8 * np.eye(N_X)
            root = np.linalg.cholesky(alike)
            rooted = (root.T @ (seen @ root)).reshape(len(seen), -1)
            along = np.exp(-(scale**2) * wave**2 / 2) * np.sqrt(2 * np.pi) * scale
            total += (scale * along / self.root**2)[:, None, None] * (rooted @ rooted.T)
        return total

    def modes(self, maps: Spread) -> Modes:
        """Return maps in the window as ``(channel, wave, tilt and mode)``."""
        waves = np.fft.rfft(maps, axis=2, norm="ortho")[:, :, self.seen] / self.root[:, None]
        found = (waves @ self.basis).transpose(0, 2, 1, 3)
        return found.reshape(*found.shape[:2], -1)

    def maps(self, modes: Modes) -> Spread:
        """Return the smooth maps that have these modes."""
        return self._spread(modes, self.waves_x, self.root)

    def adjoint(self, modes: Modes) -> Spread:
        """Return the maps whose product with others is that of modes."""
        return self._spread(modes, self.basis, 1 / self.root)

    def _spread(self, modes: Modes, basis: Spread, root: Spread) -> Spread:
        n_channels, n_waves, _ = modes.shape
        parts = modes.reshape(n_channels, n_waves, len(self.tilt_deg), -1).transpose(0, 2, 1, 3)
        shape = (n_channels, len(self.tilt_deg), self.n_y // 2 + 1, N_X)
        waves = np.zeros(shape, np.complex128)
        waves[:, :, self.seen] = (parts @ basis.T) * root[:, None]
        return np.fft.irfft(waves, self.n_y, axis=2, norm="ortho")

    def likelihood(self, modes: Modes) -> Likelihood:
        """Return the likelihood with the strengths of signal and noise that suit maps best.

        Parameters
        ----------
        modes
            Of maps that are roughly aligned.
        """
        pairs = [self._strengths(one) for one in modes]
        one = np.stack([[_inverse(part, *pair) for part in self._one] for pair in pairs])
        rather = one.copy()
        m = self.basis.shape[1]
        for channel, pair in enumerate(pairs):
            for wave, tilts in enumerate(self._each):
                for tilt, part in enumerate(tilts):
                    at = slice(tilt * m, (tilt + 1) * m)
                    rather[channel, wave, at, at] -= _inverse(part, *pair)
        explained = [[_explaining(part, *pair) for part in self._one] for pair in pairs]
        return Likelihood(one, rather, np.stack(explained))

    def _strengths(self, modes: Modes) -> tuple[float, float]:
        """Return the variances of signal and noise of greatest marginal likelihood."""
        strength = np.maximum([values for values, _ in self._one], 0)
        pairs = zip(self._one, modes, strict=True)
        power = np.abs([vectors.T @ one for (_, vectors), one in pairs]) ** 2
        times = self.times[:, None] * np.ones_like(power)

        def signal(ratio: float) -> float:
            return float(np.sum(times * power / (strength + np.exp(ratio))) / times.sum())

        def unlikely(ratio: float) -> float:
            spread = np.sum(times * np.log(strength + np.exp(ratio)))
            return float(times.sum() * np.log(signal(ratio)) + spread)

        tried = np.arange(FAINTEST, STRONGEST)
        near = float(min(tried, key=unlikely))
        ratio = optimize.minimize_scalar(unlikely, bounds=(near - 1, near + 1), method="bounded").x
        return signal(ratio), signal(ratio) * float(np.exp(ratio))


def _explaining(eigen: tuple[Spread, Spread], signal: float, noise: float) -> Spread:
    """Return the smoother of the process, applied again to what it leaves (twicing)."""
    values, vectors = eigen
    left = noise / (signal * np.maximum(values, 0) + noise)
    return (vectors * (1 - left**2)) @ vectors.T


def _inverse(eigen: tuple[Spread, Spread], signal: float, noise: float) -> Spread:
    values, vectors = eigen
    return (vectors / (signal * np.maximum(values, 0) + noise)) @ vectors.T
