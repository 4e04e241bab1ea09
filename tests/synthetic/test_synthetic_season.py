"""Generated seasons: plants by crop and year, clouds with shadows and their classification, missing dates."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
import rasterio

from hierars_geo.datasets import SceneSeries, Sentinel2
from hierars_geo.errors import OptionError
from hierars_geo.synthetic import CropSpec, crop_series, write_crop_scene
from hierars_geo.synthetic.layout import View
from hierars_geo.synthetic.product import season_days
from hierars_geo.synthetic.season import Clouds, cloud_shares
from hierars_geo.types import SeriesRule

SPEC = CropSpec("crops", 960.0, seed=5, dates=4, clouds=0.5)


@pytest.fixture(scope="module")
def season(tmp_path_factory):
    """Files of a small season, and those of the same one without clouds."""
    folder = tmp_path_factory.mktemp("season")
    return [
        write_crop_scene(spec, folder / name)
        for name, spec in (("cloudy", SPEC), ("clear", replace(SPEC, clouds=0.0)))
    ]


def read(path):
    with rasterio.open(path) as dataset:
        return dataset.read().astype(np.float64)


def test_the_same_seed_gives_the_same_bytes_and_a_season_changes_no_other_file(season, tmp_path):
    again = write_crop_scene(SPEC, tmp_path)
    for before, after in zip(season[0].paths, again.paths, strict=True):
        assert before.read_bytes() == after.read_bytes()
    alone = write_crop_scene(replace(SPEC, dates=0), tmp_path / "alone")
    assert not alone.season
    for before, after in zip(season[0].paths, alone.paths, strict=False):
        assert before.read_bytes() == after.read_bytes()


def test_what_the_classification_calls_clear_is_the_ground_without_clouds(season):
    """Nothing but clouds and shadows differs, and most of what differs is told."""
    told, hidden = [], []
    for cloudy, clear in zip(*(files.season[::2] for files in season), strict=True):
        names = (cloudy.with_name(f"{cloudy.stem}_SCL.tif"), clear.with_name(f"{clear.stem}_SCL.tif"))
        classes, plain = (read(name)[0] for name in names)
        assert not np.isin(plain, (3, 8, 9, 10)).any()
        changed = (read(cloudy) != read(clear)).any(axis=0)
        told.append(np.isin(classes, (3, 8, 9, 10)).repeat(2, 0).repeat(2, 1))
        hidden.append(changed)
        cloud = (classes == 9).repeat(2, 0).repeat(2, 1)
        assert not cloud.any() or read(cloudy)[0][cloud].min() > 3000
    told, hidden = np.array(told), np.array(hidden)
    assert 0.2 < hidden.mean() < 0.95
    assert not (told & ~hidden).any()
    assert (told & hidden).sum() > 0.75 * hidden.sum()


def test_crops_are_told_apart_by_their_course(season):
    """Rice is flooded in spring; soybean loses its leaves before maize."""
    spec = replace(SPEC, name="long", size_m=1920.0, dates=24, clouds=0.0)
    labels = read(season[1].labels)[0]
    assert set(np.unique(labels)) >= {0, 1, 2, 3}
    days = season_days(spec)
    assert 16 <= len(days) < 24
    assert date(2019, 4, 15) <= min(days) < max(days) <= date(2019, 10, 18)
    assert list(days) == sorted(set(days))
    files = season[1].season[::2]
    ndvi = {path.stem.split("_")[1]: (read(path)[6], read(path)[2]) for path in files}
    course = {
        day: [np.median((nir - red)[labels == crop] / (nir + red)[labels == crop]) for crop in (1, 2, 3)]
        for day, (nir, red) in ndvi.items()
    }
    first, last = course[min(course)], course[max(course)]
    assert first[0] < first[1] - 0.1
    assert last[2] < last[1]


def test_a_year_shifts_the_course():
    days = {year: season_days(replace(SPEC, year=year)) for year in (2019, 2020)}
    assert {day.year for day in days[2020]} == {2020}
    assert [day.replace(year=2020) for day in days[2019]] != list(days[2020])
    assert [spec.year for spec in crop_series(960.0, 0, dates=4)] == [2019, 2020]


def test_clouds_cover_what_is_asked_for():
    shares = cloud_shares(np.random.default_rng(0), 40, 0.4)
    assert abs(np.mean(shares) - 0.4) < 0.03
    assert min(shares) < 0.02
    assert max(shares) > 0.95
    view = View(0.0, 0.0, 200, 200, 10.0)
    for share in (0.0, 0.3, 0.8):
        cloud, shadow = Clouds.draw(np.random.default_rng(1), view, share).over(view)
        assert abs((cloud > 0).mean() - share) < 0.03
        assert (shadow > 0).any() == (share > 0)


def test_a_season_is_read_as_a_series(season):
    images = Sentinel2(str(season[0].season[0].parent), mask=["cloud", "shadow", "cirrus"])
    series = SceneSeries(images, SeriesRule())
    assert len(images.scenes) == len(season[0].season) // 2
    left, bottom, right, top = images.scenes[0].grid.bounds
    sample = series[left:right, bottom:top]
    assert sample["image"].shape[1:] == (10, 96, 96)
    assert 0.2 < float(sample["valid"].float().mean()) < 0.9


@pytest.mark.parametrize("wrong", [{"dates": 93}, {"dates": -1}, {"clouds": 1.5}])
def test_what_is_out_of_range_is_refused(wrong):
    with pytest.raises(OptionError, match=next(iter(wrong))):
        replace(SPEC, **wrong)
