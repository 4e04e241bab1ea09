"""How far one picture lies off another: phase correlation with an upsampled peak; arrays only."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_gradient_magnitude  # type: ignore[attr-defined]

from ...errors import DataError

#: Width (cycles per pixel) of the Gaussian that weighs frequencies: the finest hold noise and aliasing.
_CUTOFF = 0.2
#: The peak is looked for at this step, around the best whole pixel.
_STEP_PX = 0.02
#: Peaks this many times as high as the surface's noise are believed.
RELIABLE = 6.0

Picture = NDArray[np.float32]


@dataclass(frozen=True)
class Shift:
    """How far a picture's content lies off that of a reference.

    Attributes:
        rows: Pixels downwards.
        cols: Pixels to the right.
        significance: Height of the peak over the noise of the correlation surface.
        spread_px: Median distance of single windows' shifts from this one; 0 for one window.
        windows: Pairs of windows used.
    """

    rows: float
    cols: float
    significance: float
    spread_px: float
    windows: int

    @property
    def reliable(self) -> bool:
        """Whether the peak stands out."""
        return self.significance >= RELIABLE


def measure_shift(pairs: Sequence[tuple[Picture, Picture]]) -> Shift:
    """Measure by phase correlation (Kuglin and Hines 1975), refined by an upsampled transform.

    The normalised cross-power spectra of all windows are added before the peak is looked for, so that windows
    without structure do no harm. Gradients are compared, not values: seasons and sensors differ in which side
    of an edge is brighter. The refinement evaluates the inverse transform at fractions of a pixel around the
    peak (Guizar-Sicairos, Thurman, Fienup 2008).

    Args:
        pairs: (reference, moved), each (H, W) float32 of one shape for all, NaN where there is no data.

    Returns:
        The shift: the content at (r, c) of the reference lies at (r + rows, c + cols) of the moved picture.

    Raises:
        DataError: There is no pair, or they differ in shape.
    """
    shapes = {picture.shape for pair in pairs for picture in pair}
    if len(shapes) != 1:
        raise DataError(f"Expected pairs of pictures of one shape, but got shapes {sorted(shapes)}.")
    spectra = [spectrum for pair in pairs if (spectrum := _cross_power(*pair)) is not None]
    if not spectra:
        return Shift(0.0, 0.0, 0.0, 0.0, 0)
    total = np.sum(spectra, axis=0)
    rows, cols, significance = _peak(total)
    singles = np.array([_peak(spectrum)[:2] for spectrum in spectra])
    spread = float(np.median(np.hypot(*(singles - (rows, cols)).T))) if len(spectra) > 1 else 0.0
    return Shift(rows, cols, significance, spread, len(spectra))


def _cross_power(reference: Picture, moved: Picture) -> NDArray[np.complex128] | None:
    """Return the weighted phase of the cross-power spectrum, None where less than half holds data in both."""
    valid = np.isfinite(reference) & np.isfinite(moved)
    if valid.mean() < 0.5:
        return None
    window = np.outer(np.hanning(valid.shape[0]), np.hanning(valid.shape[1]))
    one, two = (np.fft.fft2(_edges(picture, valid) * window) for picture in (reference, moved))
    cross = np.conj(one) * two
    size = np.abs(cross)
    if not (size > 0).any():
        return None
    rows, cols = np.fft.fftfreq(valid.shape[0]), np.fft.fftfreq(valid.shape[1])
    weight = np.exp(-(rows[:, None] ** 2 + cols[None] ** 2) / (2 * _CUTOFF**2))
    phase: NDArray[np.complex128] = weight * cross / np.maximum(size, 1e-12 * size.max())
    return phase


def _edges(picture: Picture, valid: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Gradient magnitude with mean 0; pixels without data are filled by the mean and give no edge."""
    values = picture.astype(np.float64)
    values[~valid] = values[valid].mean()
    edges = np.asarray(gaussian_gradient_magnitude(values, 1.0), dtype=np.float64)
    near_hole = np.asarray(gaussian_gradient_magnitude(valid.astype(np.float64), 2.0)) > 1e-3
    edges[near_hole | ~valid] = np.nan
    if np.isnan(edges).all():
        return np.zeros(picture.shape)
    middle = float(np.nanmedian(edges))
    ceiling = float(np.nanpercentile(edges, 98))
    return np.asarray(np.nan_to_num(np.minimum(edges, ceiling) - middle))


#: Peaks beyond this distance along an axis are not considered, pixels.
_MOST_PX = 16.0


def _peak(spectrum: NDArray[np.complex128]) -> tuple[float, float, float]:
    surface = np.fft.ifft2(spectrum).real
    rows, cols = (np.fft.fftfreq(size, 1 / size) for size in surface.shape)
    near = (np.abs(rows)[:, None] <= _MOST_PX) & (np.abs(cols)[None] <= _MOST_PX)
    at = np.unravel_index(int(np.argmax(np.where(near, surface, -np.inf))), surface.shape)
    significance = float(surface[at] / max(float(surface.std()), 1e-30))
    steps = np.arange(-1.0, 1.0 + _STEP_PX / 2, _STEP_PX)
    fine_rows, fine_cols = rows[at[0]] + steps, cols[at[1]] + steps
    left = np.exp(2j * np.pi * np.outer(fine_rows, np.fft.fftfreq(surface.shape[0])))
    right = np.exp(2j * np.pi * np.outer(np.fft.fftfreq(surface.shape[1]), fine_cols))
    fine = (left @ spectrum @ right).real
    best = np.unravel_index(int(np.argmax(fine)), fine.shape)
    return float(fine_rows[best[0]]), float(fine_cols[best[1]]), significance
