"""A multi-source data set of known content, displaced by a known amount that is found again."""

import csv
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import rasterio
import yaml
from rasterio.enums import Resampling
from scene_files import X0, Y0, write
from scipy.ndimage import fourier_shift, gaussian_filter

from hierars_geo.catalog import validate_catalog
from hierars_geo.catalog.assembly import AssembleOptions, assemble, measure_shift
from hierars_geo.cli import main
from hierars_geo.datamodules import MM5BDataModule, SceneDataModule
from hierars_geo.errors import DataError, OptionError, RasterError

SIDE = 1280
#: What the georeferencing of Sentinel-2 is wrong by, metres east and north.
OFF = (13.0, -6.0)
FBP_TO_MM5B = [0, 9, 1, 2, 2, 3, 3, 3, 13, 4, 5, 6, 10, 7, 8, 8, 0, 18, 11, 12, 13, 14, 15, 16, 17]


def ground(seed):
    """1 m brightness with fields of 40 m, and a class of Five-Billion-Pixels per field."""
    rng = np.random.default_rng(seed)
    fields = rng.integers(0, 25, (SIDE // 40, SIDE // 40)).repeat(40, 0).repeat(40, 1)
    bright = rng.random(25)[fields] * 120 + 60
    return gaussian_filter(bright, 1.5), fields.astype(np.uint8)


def coarser(array, factor):
    return array.reshape(len(array) // factor, factor, -1, factor).mean(axis=(1, 3))


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Three places, 5 km apart; dates in the names."""
    folder = tmp_path_factory.mktemp("scenes")
    for i in range(3):
        bright, fields = ground(i)
        left = X0 + 5000 * i
        gf2, s2 = coarser(bright, 4), coarser(bright, 10)
        stack = np.stack([gf2, gf2 + 5, gf2 + 9, 255 - gf2]).astype(np.uint16)
        stack[:, :20, :20] = 0
        write(
            folder / "gf2" / f"GF2_PMS1_2015021{i}.tif",
            stack,
            res=4.0,
            left=left,
            nodata=0,
            names=("Blue", "Green", "Red", "NIR"),
        )
        write(folder / "labels" / f"GF2_PMS1_2015021{i}_24label.tif", fields[2::4, 2::4], res=4.0, left=left)
        bands = np.stack([20 * s2 + 30 * k for k in range(10)]).astype(np.uint16)
        rgb = np.stack([bright] * 3).astype(np.uint8)
        for day in ("0301", "0901"):  # the nearer one is to be taken
            write(
                folder / "s2" / f"S2_2015{day}_{i}.tif",
                bands,
                res=10.0,
                left=left + OFF[0],
                top=Y0 + OFF[1],
                nodata=0,
            )
        write(
            folder / "google" / f"GE_2014101{i}.tif",
            rgb,
            res=1.0,
            left=left,
            photometric="RGB",
        )
    return folder


def inputs(scenes):
    return {"gaofen2": [scenes / "gf2"], "sentinel2": [scenes / "s2"], "google_earth": [scenes / "google"]}


def rows_of(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def assembled(scenes, tmp_path_factory):
    out = tmp_path_factory.mktemp("assembled") / "set"
    arguments = ["catalog", "assemble", "-o", str(out), "--chip-m", "400"]
    arguments += ["--label-scheme", "five_billion_pixels", "--correct-shift"]
    for option, name in (("--gf2", "gf2"), ("--s2", "s2"), ("--google", "google"), ("--labels", "labels")):
        arguments += [option, str(scenes / name)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert main(arguments) == 0
    return out


def test_the_known_shift_is_measured_and_taken_back(assembled):
    rows = rows_of(assembled / "places.csv")
    for row in rows:
        if row["source"] == "sentinel2":
            found = float(row["shift_east_m"]), float(row["shift_north_m"])
            assert found == pytest.approx(OFF, abs=1.5)
        elif row["source"] == "google_earth":
            assert abs(float(row["shift_east_m"])) < 0.4
    for chip in rows_of(assembled / "chips.csv")[:3]:
        with (
            rasterio.open(assembled / chip["sentinel2"]) as s2,
            rasterio.open(assembled / chip["google_earth"]) as ge,
        ):
            assert s2.bounds == ge.bounds
            pair = coarser(ge.read(1).astype(np.float32), 10), s2.read(3).astype(np.float32)
        shift = measure_shift([pair])
        assert np.hypot(shift.rows, shift.cols) < 0.35


def test_every_chip_shows_one_ground_at_each_resolution(assembled):
    chips = rows_of(assembled / "chips.csv")
    assert len(chips) >= 3 * 4
    for chip in chips:
        shapes = {}
        for key in ("gaofen2", "sentinel2", "google_earth", "labels"):
            with rasterio.open(assembled / chip[key]) as dataset:
                shapes[key] = dataset.shape
                assert tuple(dataset.bounds) == pytest.approx(
                    [float(chip[side]) for side in ("left", "bottom", "right", "top")]
                )
        assert shapes == {
            "gaofen2": (100, 100),
            "sentinel2": (40, 40),
            "google_earth": (400, 400),
            "labels": (100, 100),
        }


def test_labels_are_remapped_and_counted(assembled):
    totals = {}
    for chip in rows_of(assembled / "chips.csv"):
        with rasterio.open(assembled / chip["labels"]) as dataset:
            values = dataset.read(1)
            x, y = dataset.transform @ (0.5, 0.5)
        i = int((x - X0) // 5000)
        _, fields = ground(i)
        rows = ((Y0 - y + 4 * np.arange(100)) // 1).astype(int)
        cols = ((x - X0 - 5000 * i + 4 * np.arange(100)) // 1).astype(int)
        nearest = fields[2::4, 2::4][np.ix_(rows // 4, cols // 4)]
        np.testing.assert_array_equal(values, np.array(FBP_TO_MM5B)[nearest])
        count = np.bincount(values.ravel(), minlength=19)
        totals[chip["split"]] = totals.get(chip["split"], 0) + count
    for row in rows_of(assembled / "classes.csv"):
        if row["level"] == "L3":
            assert int(row["pixels"]) == totals[row["split"]][int(row["value"])]
    coarse = [
        row for row in rows_of(assembled / "classes.csv") if row["level"] == "L1" and row["split"] == "train"
    ]
    assert sum(int(row["pixels"]) for row in coarse) == totals["train"][1:].sum()


def test_the_nearest_scene_in_time_is_taken_and_the_other_named(assembled):
    gaps = {
        (row["place"], row["source"]): float(row["days"])
        for row in rows_of(assembled / "time_differences.csv")
    }
    assert gaps["place_001", "sentinel2"] == 18  # 11 February to 1 March 2015
    assert gaps["place_001", "google_earth"] == -123  # 11 February 2015 back to 11 October 2014
    left_out = rows_of(assembled / "unpaired.csv")
    assert sorted(Path(row["path"]).name for row in left_out) == [f"S2_20150901_{i}.tif" for i in range(3)]


def test_places_are_split_whole(assembled):
    splits = {}
    for chip in rows_of(assembled / "chips.csv"):
        splits.setdefault(chip["place"], set()).add(chip["split"])
    assert sorted(map(len, splits.values())) == [1, 1, 1]
    assert set.union(*splits.values()) == {"train", "val", "test"}


def test_pictures_and_catalog_are_there_and_true(assembled):
    for name in ("sheet.png", "time_differences.png"):
        assert (assembled / name).read_bytes().startswith(b"\x89PNG")
    assert validate_catalog(assembled / "catalog") == []
    name = rows_of(assembled / "chips.csv")[0]["chip"]
    item = json.loads((assembled / "catalog" / name / f"{name}.json").read_text())
    assert item["assets"]["sentinel2"]["href"].startswith("../../")
    assert {"gaofen2", "sentinel2", "google_earth", "labels"} == set(item["assets"])


@pytest.mark.parametrize("source", ["gaofen2", "sentinel2", "google_earth"])
def test_training_opens_what_was_written(assembled, source):
    data = yaml.safe_load((assembled / f"fit_{source}.yaml").read_text())["data"]
    assert data["class_path"] == "hierars_geo.datamodules.SceneDataModule"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        chips = {**data["init_args"].pop("chips"), "per_epoch": 4}
        module = SceneDataModule(**data["init_args"], chips=chips, loader={"batch_size": 2})
        module.setup("fit")
        batch = next(iter(module.train_dataloader()))
    assert batch["image"].shape[-1] == chips["size"]
    assert (batch["mask"] >= 0).any()


def test_whole_scenes_stay_whole(scenes, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = assemble(
            {"gaofen2": scenes / "gf2", "google_earth": scenes / "google"},
            scenes / "labels",
            tmp_path / "whole",
            AssembleOptions("five_billion_pixels", chip_m=None),
        )
    assert [chip.extent.name for chip in result.chips] == ["place_000", "place_001", "place_002"]
    with rasterio.open(tmp_path / "whole" / result.chips[0].images["gaofen2"]) as dataset:
        assert dataset.shape == (320, 320)
        with rasterio.open(scenes / "gf2" / "GF2_PMS1_20150210.tif") as source:
            np.testing.assert_array_equal(dataset.read(), source.read())


def test_bad_input_is_said_in_one_line_and_leaves_nothing(scenes, tmp_path):
    def fails(error, match, labels="labels", **options):
        chosen = {"label_scheme": "five_billion_pixels", "chip_m": 400.0} | options
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(error, match=match) as caught:
                assemble(inputs(scenes), scenes / labels, tmp_path / "out", AssembleOptions(**chosen))
        assert "\n" not in str(caught.value)
        assert not list(tmp_path.iterdir())

    fails(RasterError, r"but got 19, 2.*20150210_24label\.tif.*--label-scheme", label_scheme="mm5b")
    fails(OptionError, r"multiple of 10 m.*Take 400", chip_m=403.0)
    fails(DataError, r"is 1\d days away, not within 5.*gaofen2: 117\.", days=5.0)
    fails(RasterError, "label rasters with one band", labels="gf2")
    with pytest.raises(OptionError, match="sum 1"):
        AssembleOptions(fractions=(0.5, 0.2, 0.2))


@pytest.mark.parametrize("source", ["gaofen2", "google_earth", ["sentinel2", "gaofen2"]])
def test_the_module_of_mm5b_reads_what_was_written(assembled, source):
    options = {"chips": {"size": 32, "per_epoch": 4}, "loader": {"batch_size": 2}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = MM5BDataModule(str(assembled), source=source, **options)
        data.setup("fit")
        batch = next(iter(data.train_dataloader()))
    chips = [chip for chip in rows_of(assembled / "chips.csv") if chip["split"] == "train"]
    sources = source if isinstance(source, list) else [source]
    assert {Path(name).parts[-3:-1] for text in batch["files"] for name in text.split(", ")} == {
        ("train", name) for name in sources
    }
    assert len(data.parts["train"].index) == len(chips)
    assert data.gsd_m == pytest.approx({"google_earth": 1.0}.get(sources[0], 4.0))
    assert len(data.bands) == {"gaofen2": 4, "google_earth": 3, "sentinel2": 14}[sources[0]]
    if len(sources) > 1:
        assert data.bands[:2] == ["gaofen2:blue", "gaofen2:green"]
    assert (batch["mask"] >= 0).any()


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
