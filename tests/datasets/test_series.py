"""Series: dates of a place as one sample, against what was written."""

from datetime import date

import numpy as np
import pytest
import torch
from scene_files import query, tree, write

from hierars_geo.datasets import (
    HierarchicalLabels,
    SceneSeries,
    Sentinel2,
    band_statistics,
    data_statistics,
    write_stack,
)
from hierars_geo.datasets.imagery import SceneRaster
from hierars_geo.datasets.series import collate
from hierars_geo.errors import DataError, DataNotice, OptionError
from hierars_geo.scenes.series import seasons
from hierars_geo.types import SeriesRule

BANDS = ["B02", "B03", "B04"]


def season(folder, values, size=16, left=500_000.0, name="T50"):
    """One raster of three bands per day, band b of value v: v + b; None for no data in its left half."""
    for day, value in values.items():
        image = np.full((3, size, size), value, dtype="uint16") + np.arange(3, dtype="uint16")[:, None, None]
        if value >= 9000:  # a cloud: no data in the left half
            image[:, :, : size // 2] = 0
        write(folder / f"{name}_{day}.tif", image, names=BANDS, nodata=0, left=left)
    return SceneRaster(str(folder))


def test_a_sample_holds_every_date_with_its_day(tmp_path):
    images = season(tmp_path, {"20200301": 100, "20200410": 9000, "20210101": 300})
    sample = SceneSeries(images, SeriesRule())[query(2, 3, 5, 6)]
    assert sample["image"].shape == (3, 3, 5, 6)
    assert sample["image"].dtype == torch.float32
    assert sample["valid"].shape == (3, 5, 6)
    assert sample["valid"].dtype == torch.bool
    assert sample["doy"].tolist() == [61, 101, 1]
    assert sample["year"].tolist() == [2020, 2020, 2021]
    assert sample["doy"].dtype == sample["year"].dtype == torch.int64
    assert [sample["image"][d, :, 0, 5].tolist() for d in (0, 2)] == [[100, 101, 102], [300, 301, 302]]
    assert sample["valid"][1].tolist() == [[False] * 5 + [True]] * 5
    assert sample["image"][1, :, 0, 0].tolist() == [0, 0, 0]


def test_dates_without_a_valid_pixel_are_left_out_but_never_all(tmp_path):
    images = season(tmp_path, {"20200301": 9000, "20200410": 9001, "20200501": 300})
    series = SceneSeries(images, SeriesRule())
    assert series[query(0, 0, 4, 4)]["doy"].tolist() == [122]
    cloudy = SceneSeries(images, SeriesRule(end="2020-04-30"))[query(0, 0, 4, 4)]
    assert cloudy["doy"].tolist() == [61]
    assert not cloudy["valid"].any()
    assert not cloudy["image"].any()


def test_only_files_that_touch_the_chip_are_opened_and_tiles_of_a_day_are_one_date(tmp_path):
    season(tmp_path, {"20200301": 100, "20200410": 200})
    season(tmp_path, {"20200410": 400, "20200420": 500}, left=500_160.0, name="T51")
    series = SceneSeries(SceneRaster(str(tmp_path)), SeriesRule())
    left = series[query(0, 2, 4, 4)]
    assert left["doy"].tolist() == [61, 101]
    assert len(series.images._pool) == 2
    across = series[query(0, 12, 2, 8)]
    assert across["doy"].tolist() == [61, 101, 111]
    assert across["image"][1, 0, 0].tolist() == [200] * 4 + [400] * 4
    assert across["valid"][:, 0].tolist() == [[True] * 4 + [False] * 4, [True] * 8, [False] * 4 + [True] * 4]


def test_steps_against_numpy(tmp_path):
    values = {"20200101": 100, "20200104": 9300, "20200108": 700, "20200112": 9000, "20200115": 900}
    images = season(tmp_path, values)
    where = query(0, 6, 1, 4)  # two pixels under the cloud, two beside it

    def read(**rule):
        return SceneSeries(images, SeriesRule(start="2020-01-01", step_days=10, **rule))[where]

    nearest = read()  # the middles are days 5 and 15
    assert nearest["doy"].tolist() == [4, 15]
    best = read(composite="best")
    assert best["doy"].tolist() == [1, 15]
    assert best["image"][:, 0, 0, 0].tolist() == [100, 900]
    median = read(composite="median")
    assert median["doy"].tolist() == [5, 15]
    assert median["image"][:, 1, 0].tolist() == [[401, 401, 701, 701], [901, 901, 4951, 4951]]
    assert median["valid"].all()


def test_most_dates_are_spread_evenly(tmp_path):
    days = {f"202001{day:02d}": day for day in range(1, 10)}
    series = SceneSeries(season(tmp_path, days), SeriesRule(max_dates=3))
    assert series[query(0, 0, 4, 4)]["doy"].tolist() == [1, 5, 9]


def test_days_are_dealt_to_seasons():
    days = [date(2020, 2, 1), date(2019, 10, 2), date(2020, 8, 15), date(2020, 9, 1), date(2021, 7, 31)]
    winter = seasons(days, SeriesRule(start="09-01", end="07-31"))
    assert {(first.year, last.year): len(found) for (first, last), found in winter.items()} == {
        (2019, 2020): 2,
        (2020, 2021): 2,
    }
    assert seasons(days, SeriesRule(dates=["2020-02-01"])) == {
        (date(2020, 1, 1), date(2020, 2, 1)): (date(2020, 2, 1),)
    }


def test_statistics_count_all_dates(tmp_path):
    images = season(tmp_path, {"20200301": 100, "20200410": 9000})
    found = band_statistics(SceneSeries(images, SeriesRule()))
    values = np.concatenate([np.full(256, 100.0), np.full(128, 9000.0)])
    assert found.count == 384
    np.testing.assert_allclose(found.mean, values.mean() + np.arange(3))
    np.testing.assert_allclose(found.std, values.std())


def test_pixels_under_clouds_at_all_dates_have_no_label_and_are_counted(tmp_path):
    images = season(tmp_path / "s", {"20200301": 9000, "20200410": 9001})
    labels = HierarchicalLabels(write(tmp_path / "l.tif", np.full((16, 16), 2, dtype="uint8")), tree())
    both = SceneSeries(images, SeriesRule()) & labels
    mask = both[query(0, 0, 16, 16)]["mask"]
    assert set(mask[:, :8].unique().tolist()) == {-100}
    assert set(mask[:, 8:].unique().tolist()) == {1}
    with pytest.warns(DataNotice, match=r"128 of 256 pixels of the series \(50.0%\) hold data at no date"):
        found = data_statistics(both, tree())
    assert found.classes[-1] == [0, 128, 0, 0]
    assert found.bands.count == 256


def test_seasons_of_several_years_meet_the_labels_of_theirs(tmp_path):
    days = {"20190501": 100, "20190801": 200, "20200601": 300, "20201224": 400}
    images = season(tmp_path / "s", days)
    paths = [
        write(tmp_path / "l" / f"crops_{year}.tif", np.full((16, 16), value, dtype="uint8"))
        for year, value in ((2019, 1), (2020, 4))
    ]
    both = SceneSeries(images, SeriesRule("03-01", "10-31")) & HierarchicalLabels(paths, tree())
    x, y = query(0, 0, 8, 8)
    found = {}
    for when in both.index.index:
        sample = both[x, y, slice(when.left, when.right)]
        found[tuple(sample["year"].tolist())] = sample["doy"].tolist(), sample["mask"].unique().tolist()
    assert found == {(2019, 2019): ([121, 213], [0]), (2020,): ([153], [3])}


def test_short_series_are_padded_at_the_end(tmp_path):
    images = season(tmp_path, {"20200301": 100, "20200410": 9000, "20200501": 300})
    series = SceneSeries(images, SeriesRule())
    batch = collate([series[query(0, 0, 4, 4)], series[query(0, 10, 4, 4)]])
    assert batch["doy"].tolist() == [[61, 122, 0], [61, 101, 122]]
    assert batch["year"].tolist() == [[2020, 2020, 0], [2020, 2020, 2020]]
    assert batch["image"].shape == (2, 3, 3, 4, 4)
    assert not batch["valid"][0, 2].any()
    assert not batch["image"][0, 2].any()
    assert len(batch["bounds"]) == 2


def test_an_image_stands_beside_every_date(tmp_path):
    series = SceneSeries(season(tmp_path / "s2", {"20200301": 100, "20200410": 9000}), SeriesRule())
    write(tmp_path / "dem" / "height.tif", np.full((1, 16, 16), 7, dtype="float32"), names=["height"])
    other = SceneRaster(str(tmp_path / "dem"))
    both = series & other
    sample = both[query(0, 0, 4, 12)]
    assert sample["image"].shape == (2, 4, 4, 12)
    assert sample["doy"].tolist() == [61, 101]
    assert set(sample["image"][:, 0 if both.names[0] == other.name else 3].unique().tolist()) <= {0.0, 7.0}
    assert sample["valid"][1, 0].tolist() == [False] * 8 + [True] * 4
    with pytest.raises(DataError, match="one date each"):
        write_stack(both, tmp_path / "stack.tif")
    with pytest.raises(DataError, match="Expected one source with a series"):
        _ = both & SceneSeries(Sentinel2(str(tmp_path / "s2"), bands=BANDS), SeriesRule())


def test_bad_input_is_told_in_a_line(tmp_path):
    images = season(tmp_path / "dated", {"20200301": 100, "20200410": 200})
    with pytest.raises(
        DataError, match=r"from 2021-01-01 to any day, but got 2 from 2020-03-01 to 2020-04-10"
    ):
        SceneSeries(images, SeriesRule(start="2021-01-01"))
    season(tmp_path / "apart", {"20200301": 100})
    season(tmp_path / "apart", {"20200410": 100}, left=700_000.0)
    with pytest.raises(DataError, match="no two of different dates share ground"):
        SceneSeries(SceneRaster(str(tmp_path / "apart")), SeriesRule())
    write(tmp_path / "dateless" / "scene.tif", np.ones((1, 4, 4), dtype="uint8"))
    with pytest.raises(DataError, match=r"Expected a day for every image .* \(in .*scene.tif\)"):
        SceneSeries(SceneRaster(str(tmp_path / "dateless")), SeriesRule())


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"start": "2020-13-01"}, "2020-13-01"),
        ({"start": "03-01"}, "both as MM-DD"),
        ({"start": "2020-03-01", "end": "2020-02-01"}, "ends after its start"),
        ({"composite": "median"}, "step_days"),
        ({"composite": "mean", "step_days": 5}, "none, best, median"),
        ({"max_dates": 0}, "max_dates to be >= 1"),
        ({"dates": ["yesterday"]}, "yesterday"),
    ],
)
def test_rules_that_contradict_themselves_are_refused(rule, told):
    with pytest.raises(OptionError, match=told):
        SeriesRule(**rule)
