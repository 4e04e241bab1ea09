"""A scene whose values lie far from those of a training is named, band by band."""

import re

import numpy as np
import pytest
import rasterio
from scene_files import X0, write

from hierars_geo.scenes import Mosaic, Scene, cut_to_region
from hierars_geo.scenes.radiometry import foreign_note

BANDS = ("blue", "green", "red", "nir")
MEAN, STD = (400.0, 600.0, 500.0, 2500.0), (40.0, 80.0, 90.0, 700.0)


def values(height=300, width=200, seed=0):
    """As the training's, with an empty corner."""
    noise = np.random.default_rng(seed).standard_normal((4, height, width))
    image = np.array(MEAN)[:, None, None] + np.array(STD)[:, None, None] * noise
    image[:, : height // 2, : width // 2] = 0
    return image.clip(0).astype("uint16")


def judged(scene, mean=MEAN, std=STD):
    """Bands that are named, and how far their medians lie off."""
    note = foreign_note(scene.bands, scene.values(), mean, std) or ""
    return tuple((name, float(off)) for name, off in re.findall(r"(\w+) by ([+-][\d.]+)", note))


def far(path, **options):
    with Scene.open(path, bands=list(BANDS), **options) as scene:
        return judged(scene)


def test_the_same_radiometry_is_no_news_and_another_is_named(tmp_path):
    image = values()
    assert far(write(tmp_path / "a.tif", image, names=BANDS, nodata=0)) == ()
    doubled = image.copy()
    doubled[0] *= 2  # the blue of another date
    found = far(write(tmp_path / "b.tif", doubled, names=BANDS, nodata=0))
    assert [name for name, _ in found] == ["blue"]
    assert found[0][1] == pytest.approx(400 / 40, abs=0.3)


def test_another_unit_is_named(tmp_path):
    as_byte = (values() / 40).astype("uint8")
    with Scene.open(write(tmp_path / "a.tif", as_byte, names=BANDS, nodata=0), bands=list(BANDS)) as scene:
        note = foreign_note(scene.bands, scene.values(), MEAN, STD)
    assert note is not None
    named = [re.search(rf"{name} by -\d", note) is not None for name in BANDS]
    assert sum(named) == 3  # the farthest, and how many more
    assert " and 1 more; expect a poor map" in note
    # of reflectance 0..1 a mean far below its spread says nothing, the spread itself does
    reflectance = (np.where(values() > 0, values(), 2500) / 10_000).astype("float32")
    with Scene.open(write(tmp_path / "b.tif", reflectance, names=BANDS), bands=["nir"]) as scene:
        assert [name for name, _ in judged(scene, [500.0], [700.0])] == ["nir"]


def test_a_normalisation_by_division_says_nothing_of_values(tmp_path):
    with Scene.open(write(tmp_path / "a.tif", values(), names=BANDS), bands=list(BANDS)) as scene:
        assert judged(scene, [0.0] * 4, [1.0] * 4) == ()


def test_overviews_mosaics_and_regions_are_judged_alike(tmp_path):
    doubled = values(1024, 1024)
    doubled[0] *= 2
    names = {"names": BANDS, "nodata": 0}
    tiled = {"tiled": True, "blockxsize": 256, "blockysize": 256}
    left = write(tmp_path / "a.tif", doubled, **names, **tiled)
    right = write(tmp_path / "b.tif", doubled, left=X0 + 10_240, **names, **tiled)
    for path in (left, right):
        with rasterio.open(path, "r+") as file:
            file.build_overviews([2, 4, 8], rasterio.enums.Resampling.average)
    assert [name for name, _ in far(left)] == ["blue"]
    with Mosaic.of_tiles([left, right]) as scene:
        assert [name for name, _ in judged(scene)] == ["blue"]
        box = f"{X0},{scene.grid.bounds[3] - 500},{X0 + 400},{scene.grid.bounds[3]}"
        with cut_to_region(scene, box, "EPSG:32650") as part:  # empty, but of this scene
            assert [name for name, _ in judged(part)] == ["blue"]
