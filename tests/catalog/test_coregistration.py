"""Phase correlation: known shifts are found to a fraction of a pixel, and noise is not believed."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.enums import Resampling
from scipy.ndimage import fourier_shift, gaussian_filter

from hierars_geo.catalog.assembly import measure_shift
from hierars_geo.errors import DataError

REAL = Path(__file__).parents[2] / "../shared/data/sentinel2_t48que"


def texture(size=192, seed=0):
    """Fields with sharp borders, smoothed a little."""
    rng = np.random.default_rng(seed)
    coarse = rng.random((size // 12, size // 12)).repeat(12, 0).repeat(12, 1)
    return gaussian_filter(coarse + 0.1 * rng.random(coarse.shape), 1.0).astype(np.float32)


def moved(picture, rows, cols):
    return np.fft.ifft2(fourier_shift(np.fft.fft2(picture), (rows, cols))).real.astype(np.float32)


@pytest.mark.parametrize(("rows", "cols"), [(0.0, 0.0), (0.37, -0.61), (-3.25, 7.5), (0.05, 0.95)])
def test_a_known_shift_is_found(rows, cols):
    picture = texture()
    shift = measure_shift([(picture, moved(picture, rows, cols))])
    assert (shift.rows, shift.cols) == pytest.approx((rows, cols), abs=0.1)
    assert shift.reliable


def test_other_brightness_noise_and_holes_do_not_matter():
    rng = np.random.default_rng(1)
    pairs = []
    for seed in range(3):
        picture = texture(seed=seed)
        other = 900 - 500 * moved(picture, 1.4, -2.2) + rng.normal(0, 15, picture.shape).astype(np.float32)
        other[:60, :40] = np.nan
        pairs.append((picture, other))
    shift = measure_shift(pairs)
    assert (shift.rows, shift.cols) == pytest.approx((1.4, -2.2), abs=0.15)
    assert (shift.windows, shift.reliable) == (3, True)
    assert shift.spread_px < 0.3


def test_unrelated_or_empty_pictures_are_not_believed():
    rng = np.random.default_rng(2)
    noise = [rng.random((128, 128)).astype(np.float32) for _ in range(2)]
    assert not measure_shift([(noise[0], noise[1])]).reliable
    empty = np.full((128, 128), np.nan, np.float32)
    assert measure_shift([(noise[0], empty)]).windows == 0
    flat = np.ones((128, 128), np.float32)
    assert not measure_shift([(flat, flat)]).reliable
    with pytest.raises(DataError, match="of one shape"):
        measure_shift([(flat, flat[:64])])


@pytest.mark.skipif(not REAL.is_dir(), reason="the folder with real rasters is absent")
@pytest.mark.parametrize(("band", "lies_off"), [("B05", -1.0), ("B12", -1.0)])
def test_real_bands_lie_off_as_their_resampling_left_them(band, lies_off):
    """The 20 m bands of this product lie 1 pixel of 10 m off."""

    def read(name):
        with rasterio.open(REAL / f"{name}.tif") as dataset:
            return dataset.read(1, out_shape=(1068, 1068), resampling=Resampling.bilinear)[:512, :512]

    shift = measure_shift([(read("B04").astype(np.float32), read(band).astype(np.float32))])
    assert shift.cols == pytest.approx(lies_off, abs=0.3)
    assert shift.reliable
