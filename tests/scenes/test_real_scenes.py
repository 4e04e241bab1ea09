"""Real files: a training pair, one file per band in several resolutions, and a geographic CRS."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window
from scene_files import tree

from hierars_geo.datasets import (
    HierarchicalLabels,
    SceneIntersection,
    SceneRaster,
    Sentinel1,
    Sentinel2,
    data_statistics,
)
from hierars_geo.samplers import GridChipSampler, RandomChipSampler
from hierars_geo.scenes import DataNotice

ROOT = Path(__file__).parents[2] / "../shared/data"
pytestmark = pytest.mark.skipif(not ROOT.is_dir(), reason="the folder with real rasters is absent")


def test_gewata_chips_equal_plain_reads_and_labels_keep_their_shares():
    image, labels = (ROOT / "gewata_landsat7" / name for name in ("GewataB1-5_7.tif", "lulcGewata.tif"))
    both = HierarchicalLabels(labels, tree(values=(1, 2, 3, 4, 5, 6))) & SceneRaster(image)
    assert len(both.bands) == 6
    with rasterio.open(image) as image_file, rasterio.open(labels) as label_file:
        for slices in RandomChipSampler(both, 128, 5, seed=1):
            sample = both[slices]
            left, _, _, top = sample["bounds"]
            row, col = label_file.index(left + 1, top - 1)
            window = Window(col, row, 128, 128)
            np.testing.assert_array_equal(sample["image"], image_file.read(window=window))
            values = label_file.read(1, window=window).astype(int)
            np.testing.assert_array_equal(sample["mask"], np.where(values == 0, -100, values - 1))
        everything = np.bincount(label_file.read(1).ravel(), minlength=7)[1:]
    found = data_statistics(both, both.taxonomy, with_bands=False)
    np.testing.assert_array_equal(found.classes[-1], everything)
    assert len(GridChipSampler(both, 256)) == 5 * 7


def test_sentinel2_band_files_are_one_scene_on_the_10_m_grid():
    folder = ROOT / "sentinel2_t48que"
    with pytest.warns(DataNotice, match=r"Left out 1 files .*cloud_mask\.tif"):
        scene = Sentinel2(folder)
    assert (len(scene), scene.res) == (1, (10, 10))
    x, y, _ = scene.bounds
    sample = scene[x.start + 1000 : x.start + 2000, y.stop - 2000 : y.stop - 1000]
    assert sample["valid"].all()
    with rasterio.open(folder / "B02.tif") as blue, rasterio.open(folder / "B11.tif") as swir:
        np.testing.assert_array_equal(
            sample["image"][scene.bands.index("B02")], blue.read(1, window=Window(100, 100, 100, 100))
        )
        coarse = swir.read(1, window=Window(50, 50, 50, 50)).astype(float)
    # linear interpolation at half the pixel size keeps the mean of 2 x 2 pixels close to the coarse pixel
    fine = sample["image"][scene.bands.index("B11")].numpy().reshape(50, 2, 50, 2).mean(axis=(1, 3))
    assert np.corrcoef(fine.ravel(), coarse.ravel())[0, 1] > 0.99


def test_short_band_names_and_two_dates_in_a_geographic_crs():
    scenes = Sentinel2(ROOT / "punjab_s1_s2/s2a", bands=["B8A", "B04", "B01"])
    assert len(scenes) == 2
    assert scenes.crs.to_epsg() == 4326
    first, second = (scenes[slices] for slices in GridChipSampler(scenes, 264))
    assert first["image"].shape == (3, 264, 264)
    assert first["valid"].float().mean() > 0.97  # the 60 m band reaches less far
    assert not np.allclose(first["image"], second["image"])
    metres = Sentinel2(ROOT / "punjab_s1_s2/s2a", bands=["B04"], crs="EPSG:32643", res=10)
    x, y, _ = metres.bounds
    assert metres[x, y]["valid"].float().mean() > 0.95


def test_radar_and_optical_chips_of_shifted_grids_cover_the_same_ground():
    """Sentinel-1 and Sentinel-2 of one place, two dates each; the dates nearest to each other meet."""
    optical = Sentinel2(ROOT / "punjab_s1_s2/s2a", bands=["B04", "B03", "B02"])
    radar = Sentinel1(ROOT / "punjab_s1_s2/s1")
    both = SceneIntersection(optical, radar, time="nearest", days=60)
    days = sorted({str(interval.left.date()) for interval in both.index.index})
    assert len(both) == 2, days
    for slices in GridChipSampler(both, 256):
        sample = both[slices]
        assert sample["image"].shape == (5, 256, 256)
        assert sample["valid"].float().mean() > 0.9
        apart = SceneIntersection(optical, radar, time="nearest", days=60, stack=False)[slices]
        kept = [value for key, value in apart.items() if key.startswith("valid_")]
        assert len(kept) == 2
        assert all(one.float().mean() > 0.9 for one in kept)
    swapped = SceneIntersection(radar, optical, time="nearest", days=60)
    assert swapped.bands == both.bands
    np.testing.assert_array_equal(swapped[slices]["image"], both[slices]["image"])
