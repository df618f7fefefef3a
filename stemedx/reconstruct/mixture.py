"""What a specimen is made of, and what of it each map and image sees.

The volume of `fusion` holds shares of phases. Element maps and HAADF see fixed mixtures
of them.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import nnls

from stemedx.arrays import Block, ByElement, ByShare, Held, MixingMatrix, PerTilt
from stemedx.params import Phases
from stemedx.project.operators import LinearOperator, of_numpy
from stemedx.reconstruct.calibration import Calibration, dose
from stemedx.reconstruct.measured import Measured

HAADF_EXPONENT = 1.7  # of the atomic number; between 1.6 and 2 for usual detectors
# How far weights may leave what the atomic numbers tell: the share of the whole HAADF
# that a phase must make up for its own weight to be believed.
STIFFNESS = 0.02
# fmt: off
SYMBOLS = (
    "H", "He", "Li", "Be", "B", "C", "N", "O", "F", "Ne", "Na", "Mg", "Al", "Si", "P", "S", "Cl",
    "Ar", "K", "Ca", "Sc", "Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zn", "Ga", "Ge", "As",
    "Se", "Br", "Kr", "Rb", "Sr", "Y", "Zr", "Nb", "Mo", "Tc", "Ru", "Rh", "Pd", "Ag", "Cd", "In",
    "Sn", "Sb", "Te", "I", "Xe", "Cs", "Ba", "La", "Ce", "Pr", "Nd", "Pm", "Sm", "Eu", "Gd", "Tb",
    "Dy", "Ho", "Er", "Tm", "Yb", "Lu", "Hf", "Ta", "W", "Re", "Os", "Ir", "Pt", "Au", "Hg", "Tl",
    "Pb", "Bi", "Po", "At", "Rn", "Fr", "Ra", "Ac", "Th", "Pa", "U", "Np", "Pu", "Am", "Cm",
)
# fmt: on


@dataclass(frozen=True, eq=False)
class Mixture:
    """Which shares a volume has, and how element maps and HAADF see them.

    Attributes
    ----------
    names
        Of the shares.
    atoms
        ``(element, share)`` relative number of atoms.
    yields
        ``(element)`` photons per voxel at 1 atom.
    haadf
        ``(share)`` HAADF per voxel.
    prior
        ``(share)`` the same as atomic numbers tell, in any unit.
    offset
        ``(tilt)`` HAADF of vacuum.
    noise
        Standard deviation of the HAADF about its model.
    calibration
        Gain and background of each map.
    """

    names: tuple[str, ...]
    atoms: MixingMatrix
    yields: ByElement
    haadf: ByShare
    prior: ByShare
    offset: PerTilt
    noise: float
    calibration: Calibration

    @property
    def is_mapped(self) -> np.ndarray:
        """``(share)`` whether a phase holds an element that is mapped."""
        return self.atoms.sum(axis=0) > 0

    def factor(self, haadf_weight: float) -> np.ndarray:
        """Return ``(tilt, element + 1)`` what one voxel full of all shares gives a pixel."""
        photons = self.calibration.gain * (self.yields * self.atoms.sum(axis=1))[:, None]
        image = np.full(photons.shape[1], self.haadf.sum() * _per_noise(haadf_weight, self.noise))
        return np.vstack([photons, image]).T.astype(np.float32)

    def seen(self) -> MixingMatrix:
        """Return ``(element + 1, share)`` the mixture that each map sees; rows add up to 1."""
        rows = np.vstack([self.atoms, self.haadf])
        return rows / np.maximum(rows.sum(axis=1, keepdims=True), 1e-30)

    def scaled_images(self, images: Block, haadf_weight: float) -> Block:
        """Return ``(tilt, x, y)`` HAADF less vacuum, in units of its weighted noise."""
        above = images - self.offset[:, None, None]
        return (above * _per_noise(haadf_weight, self.noise)).astype(np.float32)

    def element_volumes(self, shares: Block) -> Block:
        """Return ``(z, x, y, element)`` photons per voxel."""
        per_share = (self.atoms * self.yields[:, None]).T.astype(np.float32)
        return shares @ per_share


def _per_noise(haadf_weight: float, noise: float) -> float:
    return float(np.sqrt(haadf_weight) / noise)


def mixed(operator: LinearOperator, seen: MixingMatrix) -> LinearOperator:
    """Return the operator from shares to what the maps see of them.

    Parameters
    ----------
    operator
        Projects shares one by one.
    seen
        ``(element of the maps, share)``.
    """
    inner, place = operator.resident, operator.place
    matrix = place.put(seen.astype(np.float32))
    *before, n_shares = inner.range_shape
    range_shape = (*before, len(seen))
    of_shares = place.empty(inner.range_shape)

    def forward(volume: Held, out: Held | None = None) -> Held:
        maps = place.empty(range_shape) if out is None else out
        rows = inner.forward(volume, of_shares).reshape(-1, n_shares)
        place.xp.matmul(rows, matrix.T, out=place.view(maps, (-1, len(seen))))
        return maps

    def adjoint(maps: Held, out: Held | None = None) -> Held:
        rows = place.xp.matmul(maps.reshape(-1, len(seen)), matrix)
        return inner.adjoint(rows.reshape(inner.range_shape), out)

    return of_numpy(LinearOperator(forward, adjoint, inner.domain_shape, range_shape, place=place))


def atoms_of(phases: Phases, elements: tuple[str, ...]) -> MixingMatrix:
    """Return ``(element, phase)`` relative number of atoms of the mapped elements."""
    return np.array([[atoms.get(e, 0.0) for atoms in phases.values()] for e in elements])


def haadf_of(phases: Phases) -> ByShare:
    """Return ``(phase)`` HAADF as atomic numbers tell; the mean where none is listed.

    Raises
    ------
    ValueError
        If a phase holds an element that does not exist.
    """
    told = np.array([sum(n * _scattering(s) for s, n in p.items()) for p in phases.values()])
    return np.where(told > 0, told, told[told > 0].mean())


def _scattering(symbol: str) -> float:
    if symbol not in SYMBOLS:
        raise ValueError(
            f"expected the symbol of an element in reconstruct.phases, found {symbol!r}. "
            "Correct it."
        )
    return float((SYMBOLS.index(symbol) + 1) ** HAADF_EXPONENT)


def with_haadf_refit(mixture: Mixture, projected: Block, images: Block) -> Mixture:
    """Return the mixture whose HAADF weights, vacuum and noise fit the images.

    Least squares, drawn towards the ratios of the prior: a phase that makes up little of
    the HAADF cannot tell its own weight.

    Parameters
    ----------
    mixture
        What to refit.
    projected
        ``(tilt, x, y, share)`` path lengths.
    images
        ``(tilt, x, y)`` HAADF.
    """
    paths = projected.reshape(len(projected), -1, projected.shape[-1]).astype(np.float64)
    values = images.reshape(len(images), -1).astype(np.float64)
    told = paths * mixture.prior
    centred = (told - told.mean(axis=1, keepdims=True)).reshape(-1, told.shape[-1])
    wanted = (values - values.mean(axis=1, keepdims=True)).ravel()
    whole = centred.sum(axis=1)
    power = float(whole @ whole)
    if power <= 0:
        return mixture
    common = float(whole @ wanted) / power
    stiffness = STIFFNESS * power
    normal = centred.T @ centred + stiffness * np.eye(len(mixture.prior))
    ratio = np.linalg.solve(normal, centred.T @ wanted + stiffness * common)
    haadf = np.maximum(ratio, 0.01 * abs(common)) * mixture.prior
    offset = values.mean(axis=1) - paths.mean(axis=1) @ haadf
    refit = replace(mixture, haadf=haadf, offset=offset)
    left = haadf_misfit(refit, projected, images)
    return replace(refit, noise=max(left, noise_of(images)))


def haadf_misfit(mixture: Mixture, projected: Block, images: Block) -> float:
    """Return the standard deviation of HAADF images about what the mixture tells.

    Parameters
    ----------
    mixture
        With HAADF weights and vacuum.
    projected
        ``(tilt, x, y, share)`` path lengths.
    images
        ``(tilt, x, y)`` HAADF.
    """
    return float((images - expected_images(mixture, projected)).std(dtype=np.float64))


def expected_images(mixture: Mixture, projected: Block) -> Block:
    """Return ``(tilt, x, y)`` the HAADF that a mixture tells of path lengths, vacuum included."""
    images = projected @ mixture.haadf.astype(np.float32) + mixture.offset[:, None, None]
    return images.astype(np.float32)


def noise_of(images: Block) -> float:
    """Return the standard deviation of the HAADF's noise, of which even matter has none.

    From second differences along x and y in one, which slopes do not reach; a median is
    not misled by edges.

    Parameters
    ----------
    images
        ``(tilt, x, y)`` HAADF.

    References
    ----------
    Immerkaer (1996), Comput. Vis. Image Underst. 64, 300-302 (with a mean).
    """
    if min(images.shape[1:]) < 3:
        return max(float(images.std()), 1e-12)  # nothing tells noise from specimen
    bends = np.diff(np.diff(images, 2, axis=-1), 2, axis=-2)
    # the squares of 1, -2, 1 times 1, -2, 1 add up to 36
    return max(float(np.median(np.abs(bends))) / (0.6745 * 6), 1e-12)


def with_yields(mixture: Mixture, projected: Block, measured: Measured) -> Mixture:
    """Return the mixture whose expected photons add up to the measured ones.

    Parameters
    ----------
    mixture
        What to refit.
    projected
        ``(tilt, x, y, share)`` path lengths.
    measured
        The maps and their weights.
    """
    factor = _factors(mixture, projected, measured)
    is_counted = (measured.maps * measured.weight).any(axis=(1, 2, 3))
    return replace(mixture, yields=mixture.yields * factor * is_counted)


def voxels_told(mixture: Mixture, voxels: ByShare, projected: Block, measured: Measured) -> ByShare:
    """Return how many voxels of each phase the photons tell; 0 of phases without any.

    The photons of each element tell its atoms, given its yield; phases without negative
    amounts are made of them, the elements of most photons heard most.

    Parameters
    ----------
    mixture
        Of the shares.
    voxels
        ``(share)`` their sums over the volume.
    projected
        ``(tilt, x, y, share)`` their path lengths.
    measured
        The maps and their weights.
    """
    atoms = mixture.atoms @ voxels * _factors(mixture, projected, measured)
    trust = np.sqrt(mixture.yields / np.maximum(atoms, 1e-9))
    return nnls(mixture.atoms * trust[:, None], atoms * trust)[0]


def _factors(mixture: Mixture, projected: Block, measured: Measured) -> ByElement:
    """Return by what the yield of each element is too low for its photons."""
    of_elements = projected @ mixture.atoms.T.astype(np.float32) * mixture.yields
    return dose(measured, of_elements.astype(np.float32), mixture.calibration)


def on_finer_grid(mixture: Mixture, n: int) -> Mixture:
    """Return the mixture for pixels a factor `n` smaller."""
    background = mixture.calibration.background / n**2
    return replace(
        mixture,
        yields=mixture.yields / n**3,
        haadf=mixture.haadf / n,
        calibration=Calibration(mixture.calibration.gain, background),
    )
