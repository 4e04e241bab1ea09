"""A season predicted from a folder of dates: against the network on arrays, early, resumed, cut."""

import json
import re
import shutil

import numpy as np
import pytest
import rasterio
import torch
from raster_factory import write_raster

from hierars_geo.cli import main
from hierars_geo.errors import DataError, OptionError
from hierars_geo.export import export_model
from hierars_geo.models import load
from hierars_geo.models.applicability import Applicability
from hierars_geo.models.dissimilarity import pooled
from hierars_geo.predict import PredictOptions, Predictor
from hierars_geo.predict import predictor as predictor_module
from hierars_geo.types import ReadRecipe, SeriesRule

BANDS = ("B02", "B03", "B04", "B08")
DAYS = {"20200310": 70, "20200415": 106, "20200622": 174, "20200801": 214}
SIZE = (96, 160)


@pytest.fixture
def season(tmp_path):
    """Four dates of two tiles side by side, one missing once, with clouds: folder, image, what is clear."""
    random = np.random.default_rng(7)
    image = random.integers(200, 3000, (len(DAYS), len(BANDS), *SIZE)).astype(np.uint16)
    clear = np.kron(random.random((len(DAYS), 6, 10)) > 0.3, np.ones((16, 16))).astype(bool)
    clear[:, :16, :32] = False  # never seen
    clear[1, :, 80:] = False  # no tile
    image[np.broadcast_to(~clear[:, None], image.shape)] = 0
    folder = tmp_path / "season"
    for number, day in enumerate(DAYS):
        for tile, left in ((0, 0), (1, 80)):
            if (number, tile) != (1, 1):
                pixels = image[number, :, :, left : left + 80]
                path = folder / f"T{tile}_{day}.tif"
                write_raster(path, pixels, BANDS, nodata=0, crs="EPSG:32650", left=500_000 + 10 * left)
    return folder, image.astype(np.float32), clear


@pytest.fixture
def checkpoint(save_checkpoint):
    return save_checkpoint(temporal="utae", series=SeriesRule(start="03-01", end="09-30"))


def classes_of(folder, level):
    with rasterio.open(folder / f"season_L{level}.tif") as dataset:
        return dataset.read(1)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix == ".tif"}


def expected_classes(checkpoint, image, clear, days, level):
    """Run the network on all dates at once."""
    model = load(checkpoint)
    tree = model.record.taxonomy
    paths = torch.from_numpy(tree.paths.copy())
    with torch.inference_mode():
        inputs = torch.from_numpy(image)[None], torch.from_numpy(clear)[None], paths, torch.tensor([days])
        best = model.network.path_logits(*inputs)[0].argmax(dim=0).numpy()
    values = tree.index_to_value(tree.paths[best, level - 1], level)
    return np.where(clear.any(axis=0), values, tree.nodata_value)


def test_a_folder_of_dates_becomes_the_maps_of_the_network_on_all_of_them(season, checkpoint, tmp_path):
    folder, image, clear = season
    options = ["--window", "160", "--device", "cpu"]
    assert main(["predict", str(checkpoint), str(folder), "-o", str(tmp_path / "maps"), *options]) == 0
    for level in (1, 3):
        expected = expected_classes(checkpoint, image, clear, list(DAYS.values()), level)
        found = classes_of(tmp_path / "maps", level)
        assert ((found == 0) == (expected == 0)).all()
        assert (found == expected).mean() > 0.999
    item = json.loads((tmp_path / "maps" / "season.json").read_text())["properties"]
    assert item["hierars:dates"] == ["2020-03-10", "2020-04-15", "2020-06-22", "2020-08-01"]
    assert item["start_datetime"][:10] == "2020-03-10"
    assert item["end_datetime"][:10] == "2020-08-01"
    unseen = int((~clear.any(axis=0)).sum())
    assert item["hierars:notes"][0].startswith(f"{unseen} pixels")
    # early in the season: only the dates until then
    early = [*options, "--until", "2020-05-01,2020-07-01"]
    assert main(["predict", str(checkpoint), str(folder), "-o", str(tmp_path / "early"), *early]) == 0
    for day, count in (("2020-05-01", 2), ("2020-07-01", 3)):
        expected = expected_classes(checkpoint, image[:count], clear[:count], list(DAYS.values())[:count], 3)
        assert (classes_of(tmp_path / "early" / day, 3) == expected).mean() > 0.999
    assert (
        main(
            ["predict", str(checkpoint), str(folder), "-o", str(tmp_path / "x"), "--until", "2020-05-01,May"]
        )
        == 2
    )
    assert not (tmp_path / "x").exists()


def test_days_of_one_command_share_a_model_and_one_that_fails_leaves_the_others_alone(
    season, checkpoint, tmp_path, monkeypatch, capsys
):
    opened, real = [], predictor_module.CheckpointRunner
    monkeypatch.setattr(
        predictor_module, "CheckpointRunner", lambda *told: opened.append(told) or real(*told)
    )
    command = ["predict", str(checkpoint), str(season[0]), "--window", "160", "--device", "cpu"]
    assert main([*command, "-o", str(tmp_path / "early"), "--until", "2020-02-01,2020-05-01,2020-07-01"]) == 1
    assert len(opened) == 1
    errors = capsys.readouterr().err.strip().splitlines()
    assert any("season until 2020-02-01: Expected images from 03-01" in line for line in errors)
    assert re.search(r"1 of 3 scenes failed: \S*season until 2020-02-01 \(see manifest.json", errors[-1])
    for day in ("2020-05-01", "2020-07-01"):
        assert main([*command, "-o", str(tmp_path / day), "--until", day]) == 0
        assert (classes_of(tmp_path / day, 3) == classes_of(tmp_path / "early" / day, 3)).all()
    listed = json.loads((tmp_path / "early" / "manifest.json").read_text())["scenes"]
    assert [scene["name"] for scene in listed] == [None, "2020-05-01/season", "2020-07-01/season"]
    assert listed[2]["files"]["L3"] == "2020-07-01/season_L3.tif"
    assert main([*command, "-o", str(tmp_path / "none"), "--until", "2020-02-01,2020-02-02"]) == 1  # no day


def knowing(save_checkpoint, image, clear, temporal):
    """Save a model that has seen a part of a season's ground."""
    series = {"temporal": temporal, "series": SeriesRule(start="03-01", end="09-30")}
    network = load(save_checkpoint(**series)).network
    dates = torch.from_numpy(image)[None], torch.from_numpy(clear)[None], torch.tensor([list(DAYS.values())])
    with torch.inference_mode():
        cells = pooled(network.features_and_logits(*dates)[0], 4)[0].flatten(1).T.double().numpy()
    nearest = np.linalg.norm(cells[:, None] - cells[::40], axis=-1).min(axis=1)
    known = Applicability(
        mean=(0.0,) * cells.shape[1],
        std=(1.0,) * cells.shape[1],
        prototypes=tuple(map(tuple, cells[::40].tolist())),
        scale=1.0,
        threshold=float(np.median(nearest)),
        blocks=9,
        outside=0.0,
    )
    return save_checkpoint(applicability=known.to_dict(), **series)


def test_views_are_averaged_and_unknown_ground_is_told(season, save_checkpoint, tmp_path):
    folder, image, clear = season
    checkpoint = knowing(save_checkpoint, image, clear, "ltae")
    days = torch.tensor([list(DAYS.values())])
    dates = torch.from_numpy(image)[None], torch.from_numpy(clear)[None]
    model = load(checkpoint)
    tree = model.record.taxonomy
    paths = torch.from_numpy(tree.paths.copy())
    with torch.inference_mode():
        views = [
            model.network.map_channels(*(part.flip(axes) for part in dates), paths, days).flip(axes)
            for axes in ((), (-1,), (-2,), (-2, -1))
        ]
        expected = torch.stack(views).mean(dim=0)[0].numpy()
    options = PredictOptions(window=160, tta=("flips",), applicability=True)
    maps = Predictor(checkpoint, options, "cpu").predict(folder, tmp_path / "maps")
    seen = clear.any(axis=0)
    classes = tree.index_to_value(tree.paths[expected[:-1].argmax(axis=0), 2], 3)
    assert (classes_of(tmp_path / "maps", 3) == np.where(seen, classes, tree.nodata_value)).mean() > 0.999
    with rasterio.open(maps.layers["di"]) as dataset:
        di = dataset.read(1).astype(float)
    assert ((di == 255) == ~seen).all()
    assert np.abs(di - np.minimum(100 * expected[-1], 254))[seen].max() < 1
    assert 0.05 < (di[seen] > 100).mean() < 0.95


def test_windows_and_resuming_give_the_same_bytes(season, checkpoint, tmp_path):
    folder, _, _ = season
    options = PredictOptions(window=64, confidence=True, chunk_px=100, batch_size=2)
    whole = Predictor(checkpoint, options, "cpu")
    whole.predict(folder, tmp_path / "whole")
    listed = sorted(folder.glob("*.tif"), reverse=True)
    broken = Predictor(checkpoint, options, "cpu")
    original, calls = whole.runner.runtime.run_dates, []

    def run_dates(series):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(series)

    object.__setattr__(broken.runner.runtime, "run_dates", run_dates)
    with pytest.raises(KeyboardInterrupt):
        broken.predict(listed, tmp_path / "parts")
    whole.predict(listed, tmp_path / "parts", resume=True)
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


def test_a_region_and_a_single_image(season, checkpoint, tmp_path):
    folder, image, clear = season
    with rasterio.open(next(folder.glob("T0_*.tif"))) as dataset:
        x, y = dataset.transform.c, dataset.transform.f
    region = f"{x + 500},{y - 600},{x + 900},{y - 200}"
    options = PredictOptions(window=160, region=region, region_crs="EPSG:32650")
    Predictor(checkpoint, options, "cpu").predict(folder, tmp_path / "part")
    expected = expected_classes(checkpoint, image, clear, list(DAYS.values()), 3)
    assert (classes_of(tmp_path / "part", 3) == expected[20:60, 50:90]).mean() > 0.999
    item = json.loads((tmp_path / "part" / "season.json").read_text())["properties"]
    assert len(item["hierars:dates"]) == 4
    single = Predictor(checkpoint, PredictOptions(window=96), "cpu")
    single.predict(folder / "T0_20200622.tif", tmp_path / "single")
    item = json.loads((tmp_path / "single" / "season.json").read_text())["properties"]
    assert item["hierars:dates"] == ["2020-06-22"]
    assert item["datetime"][:10] == "2020-06-22"


def test_a_season_beside_an_image_of_another_sensor(season, save_checkpoint, tmp_path):
    folder, image, clear = season
    radar = np.random.default_rng(3).integers(200, 3000, (2, *SIZE)).astype(np.float32)
    radar[:, 40:60, 90:] = 0
    path = write_raster(tmp_path / "radar.tif", radar, ["VV", "VH"], nodata=0, crs="EPSG:32650")
    rule = SeriesRule(start="03-01", end="09-30")
    sources = {
        "sentinel1": ReadRecipe(("VV", "VH"), "sentinel1"),
        "sentinel2": ReadRecipe(BANDS, "sentinel2", series=rule),
    }
    bands = tuple(f"{name}:{band}" for name, own in sources.items() for band in own.bands)
    checkpoint = save_checkpoint(bands=bands, temporal="mean", series=rule, sources=sources)
    options = ["--window", "160", "--device", "cpu", "--until", "2020-07-01"]
    command = ["predict", str(checkpoint), f"sentinel2={folder}", f"sentinel1={path}"]
    assert main([*command, "-o", str(tmp_path / "maps"), *options]) == 0
    both = np.concatenate([np.broadcast_to(radar, (3, *radar.shape)), image[:3]], axis=1)
    seen = clear[:3] & (radar[0] > 0)
    expected = expected_classes(checkpoint, both, seen, list(DAYS.values())[:3], 3)
    with rasterio.open(tmp_path / "maps" / "radar_L3.tif") as dataset:
        assert (dataset.read(1) == expected).mean() > 0.999
    item = json.loads((tmp_path / "maps" / "radar.json").read_text())["properties"]
    assert len(item["hierars:dates"]) == 3
    assert item["hierars:source"][0] == "radar.tif"


def test_an_exported_graph_takes_any_number_of_dates_to_the_same_maps(season, save_checkpoint, tmp_path):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    folder, image, clear = season
    checkpoint = knowing(save_checkpoint, image, clear, "utae")
    exported = export_model(checkpoint, tmp_path / "model.onnx")
    given = json.loads(exported.item.read_text())["properties"]["mlm:input"]
    assert [(one["name"], one["input"]["dim_order"], one["input"]["shape"]) for one in given] == [
        ("image", ["batch", "dates", "bands", "height", "width"], [-1, -1, len(BANDS), -1, -1]),
        ("doy", ["batch", "dates"], [-1, -1]),
    ]
    for until in (None, "2020-05-01"):  # four dates, and two with views
        told = {"confidence": True, "applicability": True, "until": until, "tta": until is not None}
        options = PredictOptions(window=64, batch_size=2, **told)
        for model, name in ((checkpoint, "torch"), (exported.model, "onnx")):
            Predictor(model, options, "cpu").predict(folder, tmp_path / name, overwrite=True)
        for level in (1, 2, 3):
            ours, theirs = (classes_of(tmp_path / name, level) for name in ("onnx", "torch"))
            assert (ours != theirs).sum() <= 1  # a tie of two classes, if any
            assert len(np.unique(ours)) > 2
        unlike = []
        for name in ("onnx", "torch"):
            with rasterio.open(tmp_path / name / "season_di.tif") as dataset:
                unlike.append(dataset.read(1).astype(int))
        assert np.abs(unlike[0] - unlike[1]).max() <= 1


def test_what_is_no_season_is_said(season, checkpoint, save_checkpoint, tmp_path):
    folder, _, _ = season
    predictor = Predictor(checkpoint, PredictOptions(window=64), "cpu")
    shutil.copy(folder / "T0_20200622.tif", folder / "T0_20210622.tif")
    with pytest.raises(DataError, match="season, but got those of 2: 2020-03-01 to 2020-09-30; 2021"):
        predictor.open(folder)
    with pytest.raises(DataError, match="Expected images from 03-01 to 2020-02-01"):
        Predictor(checkpoint, PredictOptions(until="2020-02-01"), "cpu").open(folder)
    with pytest.raises(OptionError, match="until to be days"):
        Predictor(checkpoint, PredictOptions(until="June"), "cpu").open(folder)
    (folder / "T0_20210622.tif").rename(folder / "undated.tif")
    with pytest.raises(DataError, match=r"Expected a day for every image.*undated"):
        predictor.open(folder)
    with pytest.raises(OptionError, match="single images for Deepness"):
        export_model(checkpoint, tmp_path / "model.onnx", deepness=True)
    with pytest.raises(OptionError, match="no --compile with a model of series"):
        Predictor(checkpoint, PredictOptions(compile=True), "cpu")
    plain = Predictor(save_checkpoint(name="plain.ckpt"), PredictOptions(until="2020-06-30"), "cpu")
    with pytest.raises(OptionError, match="Expected --until with a model of series"):
        plain.open(folder / "T0_20200622.tif")
