"""A prediction as a GIS meets it: grid, values, nodata, sidecars, legal paths; and what goes wrong."""

import json
import os
import pickle
from dataclasses import replace

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine
from raster_factory import write_raster

from hierars_geo.errors import (
    CheckpointError,
    HieraRSWarning,
    MissingFileError,
    OptionError,
    OutputError,
    RasterError,
)
from hierars_geo.models import LocalGates, load
from hierars_geo.predict import PredictOptions, Predictor, resolve_device
from hierars_geo.predict import maps as maps_module
from hierars_geo.taxonomy import Taxonomy


def read(path):
    with rasterio.open(path) as dataset:
        return dataset.read(1), dataset.profile, dataset.tags(ns="IMAGE_STRUCTURE")


@pytest.mark.parametrize("taxonomy", ["mm5b", "crop10m", "corine"])
@pytest.mark.parametrize("mode", ["residual", "flat"])
def test_maps_share_the_grid_and_form_legal_paths(save_checkpoint, write_scene, tmp_path, taxonomy, mode):
    scene = write_scene()
    predictor = Predictor(
        save_checkpoint(taxonomy, mode), PredictOptions(window=64, overlap=0.5, confidence=True), device="cpu"
    )
    prediction = predictor.predict(scene, tmp_path / "maps")
    tree = Taxonomy.from_yaml(taxonomy)
    with rasterio.open(scene) as dataset:
        grid = dataset.crs, dataset.transform, dataset.shape
        valid = dataset.dataset_mask() > 0
    levels, confidences = [], []
    for level in range(1, tree.num_levels + 1):
        values, profile, structure = read(prediction.layers[f"L{level}"])
        assert (profile["crs"], profile["transform"], values.shape) == grid
        assert structure["LAYOUT"] == "COG"
        assert profile["nodata"] == tree.nodata_value
        assert (prediction.layers[f"L{level}"].with_suffix(".qml")).is_file()
        index = tree.value_to_index(values, level)
        np.testing.assert_array_equal(index >= 0, valid)
        levels.append(index[valid])
        confidence = read(prediction.layers[f"conf_L{level}"])[0]
        np.testing.assert_array_equal(confidence == 255, ~valid)
        confidences.append(confidence[valid].astype(int))
    assert {tuple(column) for column in np.stack(levels, axis=1)} <= {tuple(path) for path in tree.paths}
    assert len(np.unique(levels[-1])) > 1
    assert (np.diff(np.stack(confidences), axis=0) <= 0).all()
    assert confidences[0].max() <= 100
    item = json.loads(prediction.item.read_text())
    assert Taxonomy.from_dict(item["properties"]["hierars:taxonomy"]) == tree
    assert item["assets"]["L1"]["href"] == "./scene_L1.tif"


def test_the_result_does_not_depend_on_the_batch(save_checkpoint, write_scene, tmp_path):
    scene, checkpoint = write_scene(), save_checkpoint()
    maps = [
        read(
            Predictor(checkpoint, PredictOptions(window=64, batch_size=n), device="cpu")
            .predict(scene, tmp_path / str(n))
            .layers["L3"]
        )[0]
        for n in (1, 5)
    ]
    np.testing.assert_array_equal(*maps)


@pytest.mark.parametrize("size", [(1, 1), (1, 70), (63, 65), (64, 64), (200, 7)])
def test_any_size(save_checkpoint, write_scene, tmp_path, size):
    scene = write_scene(height=size[0], width=size[1], corner=0)
    prediction = Predictor(save_checkpoint(), device="cpu").predict(scene, tmp_path / "maps")
    assert read(prediction.layers["L1"])[0].shape == size


def test_a_scene_without_data_gives_maps_of_nodata(save_checkpoint, write_scene, tmp_path):
    with pytest.warns(HieraRSWarning, match="scene: no pixel holds data"):
        prediction = Predictor(save_checkpoint(), device="cpu").predict(
            write_scene(corner=999), tmp_path / "maps"
        )
    assert not read(prediction.layers["L3"])[0].any()


def test_bands_are_found_by_name_in_any_order(save_checkpoint, write_scene, tmp_path):
    bands = ("B02", "B03", "B04", "B08")
    first = write_scene("ordered", bands=bands)
    with rasterio.open(first) as source:
        image, profile = source.read(), source.profile
    mixed = np.stack([image[3], image[2], np.full_like(image[0], 7), image[0], image[1]])
    shuffled = write_raster(tmp_path / "shuffled.tif", mixed, ("B8", "b4", "SCL", "B2", "B03"), **profile)
    predictor = Predictor(save_checkpoint(), device="cpu")
    a, b = (predictor.predict(path, tmp_path / "maps").layers["L3"] for path in (first, shuffled))
    np.testing.assert_array_equal(read(a)[0], read(b)[0])


def test_depth_map_shows_the_finest_sure_level(save_checkpoint, write_scene, tmp_path):
    predictor = Predictor(
        save_checkpoint(), PredictOptions(window=64, confidence=True, depth_threshold=0.4), device="cpu"
    )
    layers = predictor.predict(write_scene(), tmp_path / "maps").layers
    confidence = np.stack([read(layers[f"conf_L{level}"])[0] for level in (1, 2, 3)]).astype(int)
    depth = read(layers["depth"])[0].astype(int)
    valid = depth != 255
    rounding = (np.abs(confidence - 40) <= 1).any(axis=0)  # per cent are rounded, the threshold is not
    np.testing.assert_array_equal(depth[valid & ~rounding], (confidence >= 40).sum(axis=0)[valid & ~rounding])
    assert set(np.unique(depth[valid])) <= {0, 1, 2, 3}


def test_flips_are_averaged(save_checkpoint, write_scene):
    loaded = Predictor(save_checkpoint(), PredictOptions(tta=True), device="cpu")
    model = loaded.runner.runtime
    image = torch.rand(1, 4, 64, 64).numpy() * 2000
    valid = np.ones((1, 64, 64), bool)
    flipped = model(np.ascontiguousarray(image[..., ::-1]), valid)[..., ::-1]
    np.testing.assert_allclose(model(image, valid), flipped, rtol=1e-4, atol=1e-3)


def test_what_differs_from_training_is_said(save_checkpoint, write_scene, tmp_path):
    checkpoint = save_checkpoint()
    coarse = write_scene("b", transform=Affine(30, 0, 0, 0, -30, 0))
    with pytest.warns(HieraRSWarning, match="GSD is 30 m, the training scenes' was 10 m"):
        Predictor(checkpoint, device="cpu").predict(coarse, tmp_path / "maps")
    foreign = save_checkpoint(mean=[1000.0, 9000.0, 1000.0, 1000.0], name="other.ckpt")
    with pytest.warns(HieraRSWarning, match=r"far from the training's, .* of it: B03 by -1\d\.\d; expect"):
        Predictor(foreign, device="cpu").predict(write_scene("c"), tmp_path / "maps")


def test_gates_see_a_training_chip_around_each_pixel_in_large_windows(save_checkpoint):
    predictor = Predictor(save_checkpoint(), device="cpu")
    assert predictor.loaded.network.segmenter.head.local_gates == LocalGates(cell=8, reach=4)
    assert predictor.window_px == 512
    assert Predictor(save_checkpoint(chip_size=800), device="cpu").window_px == 800
    unknown = Predictor(save_checkpoint(chip_size=None), device="cpu")
    assert (unknown.loaded.network.segmenter.head.local_gates, unknown.window_px) == (None, 512)


def test_where_layers_see_the_whole_window_it_is_the_training_chip(save_checkpoint, write_scene, tmp_path):
    checkpoint = save_checkpoint(architecture="upernet")
    assert Predictor(checkpoint, device="cpu").window_px == 64
    with pytest.warns(HieraRSWarning, match="the window is 96 px, the training chips had 64 px, and layers"):
        Predictor(checkpoint, PredictOptions(window=96), device="cpu").predict(
            write_scene(), tmp_path / "maps"
        )


def test_nothing_is_replaced_unasked(save_checkpoint, write_scene, tmp_path):
    scene, predictor = write_scene(), Predictor(save_checkpoint(), device="cpu")
    first = predictor.predict(scene, tmp_path / "maps").layers["L3"].read_bytes()
    with pytest.raises(OutputError, match="--overwrite"):
        predictor.predict(scene, tmp_path / "maps")
    again = predictor.predict(scene, tmp_path / "maps", overwrite=True).layers["L3"].read_bytes()
    assert first == again


def test_a_failed_run_leaves_nothing_that_looks_finished(save_checkpoint, write_scene, tmp_path, monkeypatch):
    predictor = Predictor(save_checkpoint(), PredictOptions(window=32, batch_size=4), device="cpu")
    calls = []

    def fail_late(image, valid):
        calls.append(1)
        if len(calls) > 3:
            raise KeyboardInterrupt
        return run(image, valid)

    run = predictor.runner.runtime
    predictor.runner.runtime = replace(run, run=fail_late)
    with pytest.raises(KeyboardInterrupt):
        predictor.predict(write_scene(), tmp_path / "maps")
    assert [name for name in os.listdir(tmp_path / "maps") if not name.startswith(".")] == []


def test_a_level_that_cannot_be_finished_leaves_the_earlier_set_as_it_was(
    save_checkpoint, write_scene, tmp_path, monkeypatch
):
    predictor, scene, out = Predictor(save_checkpoint()), write_scene(), tmp_path / "out"
    predictor.predict(scene, out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    real = maps_module.finalise_class_cog

    def full_disk(tmp, final, taxonomy, level, tags):
        if level == 2:
            raise OutputError("Expected room, but the disk is full.")
        real(tmp, final, taxonomy, level, tags | {"LATER": "yes"})

    monkeypatch.setattr(maps_module, "finalise_class_cog", full_disk)
    with pytest.raises(OutputError, match="full"):
        predictor.predict(scene, out, overwrite=True)
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == before
    monkeypatch.undo()
    with pytest.warns(HieraRSWarning, match="finished already"):  # the earlier set is of the same run
        predictor.predict(scene, out, overwrite=True, resume=True)
    assert {path.name for path in out.iterdir()} == set(before)


def test_bad_rasters_are_named(save_checkpoint, write_scene, tmp_path):
    predictor = Predictor(save_checkpoint(), device="cpu")
    cases = [
        (tmp_path / "none.tif", MissingFileError, "none.tif"),
        (write_scene("nocrs", crs=None), RasterError, "nocrs.tif"),
        (
            write_scene("other", bands=("B02", "B03", "B04", "B11")),
            RasterError,
            r"B08.*other\.tif|other\.tif.*B08",
        ),
    ]
    (tmp_path / "text.tif").write_text("no raster")
    cases.append((tmp_path / "text.tif", RasterError, "text.tif"))
    for path, error, message in cases:
        with pytest.raises(error, match=message):
            predictor.predict(path, tmp_path / "maps")
    assert not (tmp_path / "maps").exists() or os.listdir(tmp_path / "maps") == []


def test_bad_checkpoints_are_refused(save_checkpoint, tmp_path):
    class Attack:
        def __reduce__(self):
            return (os.system, (f"touch {tmp_path / 'owned'}",))

    evil = tmp_path / "evil.ckpt"
    torch.save({"state_dict": Attack()}, evil)
    raw = tmp_path / "raw.pkl"
    raw.write_bytes(pickle.dumps(Attack(), protocol=2))
    foreign = tmp_path / "foreign.ckpt"
    torch.save({"state_dict": {}}, foreign)
    truncated = tmp_path / "truncated.ckpt"
    truncated.write_bytes(save_checkpoint().read_bytes()[:5000])
    text, broken = tmp_path / "hello.ckpt", tmp_path / "broken.ckpt"
    text.write_text("hello")
    broken.write_text("K")
    cases = {
        text: r"hello\.ckpt.*damaged",
        broken: r"broken\.ckpt.*damaged",
        evil: "not loaded for safety",
        raw: "raw.pkl",
        foreign: "no model record",
        truncated: "truncated.ckpt",
        save_checkpoint(name="future.ckpt", version=99): "version 1.*, but got 99",
        save_checkpoint(name="half.ckpt", mean=[1.0]): "half.ckpt|mean and a std",
    }
    for path, message in cases.items():
        with pytest.raises((CheckpointError, OptionError), match=message):
            load(path)
    assert not (tmp_path / "owned").exists()
    with pytest.raises(MissingFileError, match=r"gone\.ckpt"):
        load(tmp_path / "gone.ckpt")


def test_bad_options_are_named(save_checkpoint):
    checkpoint = save_checkpoint()
    for options, message in [
        ({"overlap": 1.0}, "overlap"),
        ({"window": 0}, "window"),
        ({"batch_size": 0}, "batch_size"),
        ({"memory_mb": 15}, r"memory_mb to be >= 16 MB, but got 15"),
        ({"levels": (4,)}, r"levels to be within 1\.\.3"),
        ({"depth_threshold": 2.0}, "depth_threshold"),
        ({"blend": "magic"}, "blend to be one of"),
    ]:
        with pytest.raises(OptionError, match=message):
            Predictor(checkpoint, PredictOptions(**options), device="cpu")
    with pytest.raises(OptionError, match="device 'abacus'"):
        resolve_device("abacus")


def test_gdal_keeps_few_blocks_while_predicting(save_checkpoint, write_scene, tmp_path, monkeypatch):
    predictor = Predictor(save_checkpoint(), PredictOptions(memory_mb=96), device="cpu")
    limits = []
    original = predictor.runner.runtime

    def watch(image, valid):
        limits.append(rasterio.env.getenv()["GDAL_CACHEMAX"])
        return original(image, valid)

    predictor.runner.runtime = replace(original, run=watch)
    predictor.predict(write_scene(), tmp_path / "maps")
    assert set(limits) <= {32, 32 * 2**20}  # GDAL takes large numbers for bytes
