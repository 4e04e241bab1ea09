"""Which dates of two sensors meet: any, those within some days, or the nearest."""

import numpy as np
import pandas as pd
import pytest
import shapely
from scene_files import X0, query, tree, write
from torchgeo.samplers import GridGeoSampler

from hierars_geo.datasets import HierarchicalLabels, SceneIntersection, SceneRaster
from hierars_geo.datasets.pairing import TimePolicy, gap_days
from hierars_geo.errors import DataError, OptionError
from hierars_geo.samplers import GridChipSampler
from hierars_geo.scenes import DataNotice
from hierars_geo.scenes.dates import ALWAYS

SIZE = 20


@pytest.fixture
def sources(tmp_path):
    """Fine images of three dates and coarse ones of three others; a pixel's value is its day in 2020."""
    fine = [write_day(tmp_path / "fine", day, 5, 2 * SIZE) for day in (10, 50, 200)]
    coarse = [write_day(tmp_path / "coarse", day, 10, SIZE) for day in (12, 47, 120)]
    return SceneRaster(fine), SceneRaster(coarse)


def write_day(folder, day, res, size, **place):
    date = pd.Timestamp(2020, 1, 1) + pd.Timedelta(days=day)
    return write(
        folder / f"s_{date:%Y%m%d}.tif", np.full((1, size, size), day, dtype=np.uint8), res=res, **place
    )


def pairs(dataset):
    """Days that stand in the chips of the whole ground."""
    found = []
    for chip in GridChipSampler(dataset, round(200 / dataset.res[0])):
        days = [np.unique(band) for band in dataset[chip]["image"].numpy()]
        assert all(len(day) == 1 for day in days)
        found.append(tuple(int(day[0]) for day in days))
    return sorted(found)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"time": "within", "days": 5}, [(10, 12), (50, 47)]),
        ({"time": "within", "days": 80}, [(10, 12), (10, 47), (50, 12), (50, 47), (50, 120), (200, 120)]),
        ({"time": "nearest"}, [(10, 12), (50, 47), (200, 120)]),
        ({"time": "nearest", "days": 30}, [(10, 12), (50, 47)]),
        ({"time": "ignore"}, [(10, 12), (50, 12), (200, 12)]),
        ({}, [(10, 12), (50, 47), (200, 120)]),  # both carry dates
    ],
)
def test_rows_and_samples_follow_the_policy_in_either_order(sources, options, expected):
    fine, coarse = sources
    for both in (SceneIntersection(fine, coarse, **options), SceneIntersection(coarse, fine, **options)):
        assert pairs(both) == expected
        assert len(both.index) == len(expected)
        assert both.index.index.is_unique


def test_the_named_grid_leads_and_the_policy_is_kept(tmp_path, sources):
    fine, coarse = sources
    led = SceneIntersection(fine, coarse, grid=coarse, time="nearest")
    assert pairs(led) == [(10, 12), (50, 47), (50, 120)]
    labels = write(tmp_path / "l.tif", np.ones((SIZE, SIZE), dtype=np.uint8))
    with_labels = HierarchicalLabels(labels, tree()) & led
    assert pairs(with_labels) == pairs(led)
    assert (with_labels[query(0, 0, 4, 4)]["mask"] == 0).all()


@pytest.mark.filterwarnings("ignore:Use (torchgeo|geopandas):DeprecationWarning")
def test_combinations_of_one_span_are_told_apart(tmp_path):
    fine = SceneRaster([write_day(tmp_path / "fine", day, 5, 2 * SIZE) for day in (3, 9)])
    coarse = SceneRaster([write_day(tmp_path / "coarse", day, 10, SIZE) for day in (3, 9)])
    both = SceneIntersection(fine, coarse, time="within", days=7)
    assert pairs(both) == [(3, 3), (3, 9), (9, 3), (9, 9)]
    seen = [tuple(both[chip]["image"][:, 0, 0].int().tolist()) for chip in GridGeoSampler(both, 2 * SIZE)]
    assert sorted(seen) == pairs(both)


def test_ground_that_the_nearest_date_lacks_gets_the_next(tmp_path):
    fine = SceneRaster(write_day(tmp_path / "fine", 10, 5, 2 * SIZE))
    near = write_day(tmp_path / "coarse", 11, 10, SIZE, left=X0 - 100)  # the western half
    far = write_day(tmp_path / "coarse", 40, 10, SIZE)
    both = SceneIntersection(fine, SceneRaster([near, far]), time="nearest")
    assert len(both.index) == 2
    assert sum(both.index.geometry.area) == pytest.approx(200 * 200)
    for column, day in ((2, 11), (25, 40)):
        chip = query(5, column, 10, 10, res=5)
        time = both.index.index[[shape.contains(_centre(chip)) for shape in both.index.geometry]][0]
        sample = both[(*chip, slice(time.left, time.right))]
        assert (sample["image"][1] == day).all()


def _centre(chip):
    x, y = chip
    return shapely.Point((x.start + x.stop) / 2, (y.start + y.stop) / 2)


def test_without_a_pair_the_dates_are_said(sources):
    with pytest.raises(DataError, match=r"dates within 1 days.*2020-01-11\.\.2020-07-19.*allow more days"):
        SceneIntersection(*sources, time="within", days=1)
    with pytest.raises(OptionError, match="days >= 0 with time within, but got None"):
        SceneIntersection(*sources, time="within")
    with pytest.raises(OptionError, match="time to be one of ignore, within, nearest, but got 'soon'"):
        SceneIntersection(*sources, time="soon")
    with pytest.raises(OptionError, match="days=3 without"):
        TimePolicy("ignore", 3)


def test_gaps_are_counted_in_days():
    day = 86_400 * 10**9
    assert gap_days((0, day - 1), (day, 2 * day - 1)) == 1
    assert gap_days((5 * day, 6 * day - 1), (0, day - 1)) == 5
    assert gap_days((0, day - 1), (0, day - 1)) == 0


def write_labels(folder, name, value):
    return write(folder / f"{name}.tif", np.full((SIZE, SIZE), value, dtype=np.uint8))


def images_of(folder, *years):
    return SceneRaster(
        [write(folder / f"s_{y}0601.tif", np.full((1, SIZE, SIZE), y, "uint16")) for y in years]
    )


def leaves(dataset):
    """Year of the image and label of every row."""
    x, y, _ = dataset.bounds
    chips = [dataset[x.start : x.stop, y.start : y.stop, t.left : t.right] for t in dataset.index.index]
    return [(int(chip["image"].max()), int(chip["mask"].max())) for chip in chips]


@pytest.mark.parametrize("spelled", ["cdl_{}", "lab_{}0601", "lab_{}_06_01", "HLS.S30.T10SGF.{}152T184921"])
def test_labels_of_a_year_train_the_images_of_that_year(tmp_path, spelled):
    labels = [write_labels(tmp_path / "labels", spelled.format(y), v) for y, v in ((2019, 1), (2021, 3))]
    pair = images_of(tmp_path, 2019, 2021) & HierarchicalLabels(labels, tree())
    assert pair.policy == TimePolicy("nearest")
    assert leaves(pair) == [(2019, 0), (2021, 2)]


def test_images_without_labels_of_their_date_are_counted_and_unread_labels_are_named(tmp_path):
    labels = [write_labels(tmp_path / "labels", f"lab_{year}0601", 1) for year in (2018, 2020)]
    with pytest.warns(DataNotice) as given:
        images_of(tmp_path, 2021, 2022) & HierarchicalLabels(labels, tree())
    said = [str(warning.message) for warning in given]
    assert said[0].startswith("2 of 2 images meet labels of another date, up to 730 days away.")
    assert said[1].startswith("1 of 2 label files are never read")
    assert "lab_20180601.tif" in said[1]


def test_labels_without_dates_that_lie_over_each_other_are_said(tmp_path):
    labels = [write_labels(tmp_path / "labels", name, value) for name, value in (("a", 1), ("b", 3))]
    with pytest.warns(DataNotice, match=r"same ground more than once.*a\.tif before .*b\.tif"):
        pair = images_of(tmp_path, 2019) & HierarchicalLabels(labels, tree())
    assert leaves(pair) == [(2019, 0)]


def test_numbers_of_chips_are_no_years(tmp_path):
    labels = [write_labels(tmp_path / "labels", f"chip_{number}", 1) for number in (1999, 2000, 20500)]
    assert (
        HierarchicalLabels(labels, tree()).outlines(images_of(tmp_path, 2019).crs).intervals == ALWAYS
    ).all()
