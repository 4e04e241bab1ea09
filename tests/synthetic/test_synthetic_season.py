"""Generated seasons: plants by crop and year, clouds with shadows and their classification, missing dates."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
import rasterio
import shapely

from hierars_geo.datasets import SceneSeries, Sentinel2
from hierars_geo.errors import OptionError
from hierars_geo.synthetic import CropSpec, crop_series, write_crop_scene
from hierars_geo.synthetic.layout import Canvas, View
from hierars_geo.synthetic.product import season_days
from hierars_geo.synthetic.season import Clouds, Growth, cloud_shares
from hierars_geo.synthetic.surface import Surface
from hierars_geo.types import SeriesRule

SPEC = CropSpec("crops", 640.0, seed=5, dates=3, clouds=0.5)


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


def test_crops_are_told_apart_by_their_course():
    """Kernel ridge on fields of 20 m: no day does what all days do, least of all those of closed canopies."""
    random, crop = np.random.default_rng(0), np.arange(900).reshape(30, 30) % 3
    canvas = Canvas(600.0, "balk", 0)
    for row, col in np.ndindex(crop.shape):
        at = 20 * col, 20 * row
        canvas.paint(shapely.box(*at, at[0] + 20, at[1] + 20), ("paddy", "maize", "soybean")[crop[row, col]])
    layout = canvas.finish()
    surface, growth = Surface.draw(random, layout), Growth.draw(random, layout)
    days = [date(2019, 4, 20) + timedelta(days=16 * number) for number in range(12)]
    view, bands = View(0, 0, 30, 30, 20.0), tuple(range(10))
    image = np.array([list(surface.reflectance(view, growth.shares(day), bands, random)) for day in days])
    fit = random.random(900) < 0.5

    def accuracy(dates):
        values = image[dates].reshape(-1, 900).T
        values = (values - values.mean(axis=0)) / values.std(axis=0)
        kernel = np.exp(-((values[:, None] - values) ** 2).mean(axis=-1) / 2)
        weights = np.linalg.solve(
            kernel[np.ix_(fit, fit)] + 0.1 * np.eye(fit.sum()), np.eye(3)[crop.ravel()[fit]]
        )
        return ((kernel[np.ix_(~fit, fit)] @ weights).argmax(axis=1) == crop.ravel()[~fit]).mean()

    alone = [accuracy([number]) for number in range(12)]
    assert accuracy(list(range(12))) > max(0.95, max(alone) + 0.05)
    assert max(alone[5:8]) < 0.85  # July and August
    flooded = np.median(image[3, 6].ravel()[crop.ravel() == 0])  # near infrared on 7 June
    assert flooded < 0.7 * np.median(image[3, 6].ravel()[crop.ravel() == 1])
    sown = growth.days[1:, 1][crop.ravel() == 1]
    assert 24 < np.quantile(sown, 0.95) - np.quantile(sown, 0.05) < 38


def test_days_of_a_season_are_spread_over_it_and_some_are_missing():
    days = season_days(replace(SPEC, dates=24))
    assert 16 <= len(days) < 24
    assert date(2019, 4, 15) <= min(days) < max(days) <= date(2019, 10, 18)
    assert list(days) == sorted(set(days))


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
    assert sample["image"].shape[1:] == (10, 64, 64)
    assert 0.2 < float(sample["valid"].float().mean()) < 0.9


@pytest.mark.parametrize("wrong", [{"dates": 93}, {"dates": -1}, {"clouds": 1.5}])
def test_what_is_out_of_range_is_refused(wrong):
    with pytest.raises(OptionError, match=next(iter(wrong))):
        replace(SPEC, **wrong)
