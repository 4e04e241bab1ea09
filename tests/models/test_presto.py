"""Presto: TorchGeo's own numbers, gaps and order of dates, months, place, and a training by its command."""

from datetime import date

import numpy as np
import pytest
import torch
import torchgeo.models
import yaml
from raster_factory import write_raster

from hierars_geo.cli import main
from hierars_geo.errors import OptionError
from hierars_geo.export import export_model
from hierars_geo.models import ModelConfig, ModelRecord, build_model, build_segmenter, jsps, load
from hierars_geo.models.temporal.presto import PrestoEncoder, months_of
from hierars_geo.scenes.sensors import find_sensor
from hierars_geo.tasks import BHCCMTask, TrainingData
from hierars_geo.tasks.linear_head import LinearHead
from hierars_geo.taxonomy import Taxonomy
from hierars_geo.types import ReadRecipe, SeriesRule

BANDS = find_sensor("sentinel2").default_bands
#: Where TorchGeo's model has them: behind two of radar, before weather, relief and NDVI.
PLACES = slice(2, 12)
PLACE = {"latitude": 44.0, "longitude": 1.5}
CONFIG = ModelConfig("hypercolumn", "torchgeo:presto", options={**PLACE, "decoder_channels": 8})
TREE = Taxonomy.from_yaml("crop10m")


def make_model(start=None, bands=BANDS, seed=0):
    torch.manual_seed(seed)
    read = ReadRecipe(tuple(bands), "sentinel2", series=SeriesRule(start=start, end=start and "09-30"))
    count = len(bands)
    return build_model(ModelRecord(TREE, read, (0.0,) * count, (10000.0,) * count, CONFIG)).eval()


def make_series(dates=5, size=(5, 4), cloudy=0.4, seed=1):
    """Stored values (1, D, 10, H, W), NaN where not valid, validity, and days of a summer."""
    random = np.random.default_rng(seed)
    image = random.uniform(0, 5000, (1, dates, len(BANDS), *size)).astype(np.float32)
    valid = random.random((1, dates, *size)) > cloudy
    image[np.broadcast_to(~valid[:, :, None], image.shape)] = np.nan
    doy = np.sort(random.choice(np.arange(60, 270), (1, dates), replace=False))
    return torch.from_numpy(image), torch.from_numpy(valid), torch.from_numpy(doy)


@pytest.mark.skipif(not hasattr(torchgeo.models, "presto"), reason="TorchGeo 0.9 or newer")
@pytest.mark.parametrize("first", [0, 8])
def test_features_are_those_of_torchgeo_s_model(tmp_path, first):
    torch.manual_seed(3)
    library = torchgeo.models.presto().eval()
    torch.save(library.state_dict(), tmp_path / "presto.pt")
    order = torch.randperm(len(BANDS)).tolist()  # bands go by their names
    bands = [BANDS[number] for number in order]
    weights = str(tmp_path / "presto.pt")
    ours = build_segmenter(CONFIG, 10, (2, 3), weights, bands, sensor="sentinel2").eval()
    encoder = ours.features.body.encoder
    encoder.first_month = first
    image, seen = torch.rand(2, 12, 10, 2, 3), torch.rand(2, 12, 2, 3) > 0.4
    image, seen[1, :, 0, 0] = image.masked_fill(~seen.unsqueeze(2), 0.0), False  # ... one was never seen
    hidden = {}
    library.encoder.norm.register_forward_pre_hook(lambda _, given: hidden.update(tokens=given[0]))
    with torch.no_grad():
        found = encoder(image[:, :, order], seen)[0]
        for b, y, x in np.ndindex(2, 2, 3):
            values, mask = torch.zeros(1, 12, 17), torch.ones(1, 12, 17)
            values[0, :, PLACES] = image[b, :, :, y, x]
            nir, red = image[b, :, 6, y, x], image[b, :, 2, y, x]
            values[0, :, 16] = torch.where(nir + red > 0, (nir - red) / (nir + red), 0.0)
            mask[0, seen[b, :, y, x], PLACES], mask[0, seen[b, :, y, x], 16] = 0, 0
            no_class, place = torch.full((1, 12), 9), torch.tensor([[44.0, 1.5]])
            library.encoder(values, no_class, place, mask, first)
            # the library returns tokens; published is the norm of their mean
            norm = library.encoder.norm
            expected = torch.nn.functional.layer_norm(
                hidden["tokens"].mean(dim=1), (128,), norm.weight, norm.bias, norm.eps
            )
            torch.testing.assert_close(found[b, :, y, x], expected[0], rtol=1e-4, atol=1e-5)


def test_a_month_is_the_mean_of_its_valid_dates_whatever_their_order():
    days = [date(2021, month, day).timetuple().tm_yday for month in range(1, 13) for day in (1, 28)]
    assert months_of(torch.tensor(days)).tolist() == [month for month in range(12) for _ in range(2)]
    assert months_of(torch.tensor([366, 367, 0])).tolist() == [11, 0, 11]
    model = make_model("03-01")
    encoder, (image, valid, doy) = model.segmenter.features.body.encoder, make_series(9)
    assert encoder.first_month == 2
    stored, clear = image[0].numpy(), valid[0].numpy()
    mean, count = np.zeros((12, 10, 5, 4), np.float32), np.zeros((12, 5, 4))
    for number, day in enumerate(doy[0].tolist()):
        step = date.fromordinal(date(2021, 1, 1).toordinal() + day - 1).month - 3  # of a common year
        mean[step] += np.where(clear[number], stored[number], 0) / 10000
        count[step] += clear[number]
    mean /= np.maximum(count, 1)[:, None]
    paths = torch.from_numpy(TREE.paths.copy())
    with torch.no_grad():
        expected = encoder(torch.from_numpy(mean)[None], torch.from_numpy(count > 0)[None])
        found, _ = model.features_and_logits(image, valid, doy)
        torch.testing.assert_close(
            found, model.segmenter.features.body.decode(expected), rtol=1e-4, atol=1e-5
        )
        alone = model.path_logits(image, valid, paths, doy)
        turned = torch.randperm(9)
        again = model.path_logits(image[:, turned], valid[:, turned], paths, doy[:, turned])
        torch.testing.assert_close(again, alone, rtol=1e-4, atol=1e-4)
        running = model.begin_series()
        for number in range(9):
            running.add(image[:, number], valid[:, number], doy[:, number])
        torch.testing.assert_close(running.channels(image, paths), alone, rtol=1e-4, atol=1e-4)
        later = model.path_logits(image, valid, paths, doy + 31)
        assert not torch.allclose(later, alone, atol=1e-3)


def test_pixels_by_parts_are_pixels_together_and_neighbours_change_nothing(monkeypatch):
    model, (image, valid, doy) = make_model(), make_series()
    model.pool_gates(8)
    assert (model.sees_window, model.multiple) == (False, 1)
    features = model.segmenter.features
    together = features(model.normalise(image, valid), valid, doy)
    together.square().sum().backward()
    learnt = {name: one.grad.clone() for name, one in features.named_parameters() if one.grad is not None}
    assert not {name for name, _ in features.named_parameters()} - set(learnt)
    features.zero_grad()
    monkeypatch.setattr("hierars_geo.models.temporal.presto._TOGETHER", 3)
    parts = model.train().segmenter.features(model.normalise(image, valid), valid, doy)
    torch.testing.assert_close(parts, together, rtol=1e-4, atol=1e-5)
    parts.square().sum().backward()
    for name, one in features.named_parameters():
        torch.testing.assert_close(one.grad, learnt[name], rtol=1e-3, atol=1e-3, msg=name)
    one = (slice(None), slice(None), slice(1, 2), slice(2, 3))
    apart = features(model.normalise(image, valid)[:, :, :, 1:2, 2:3], valid[one], doy)
    torch.testing.assert_close(apart, together[:, :, 1:2, 2:3], rtol=1e-4, atol=1e-5)


def test_fewer_groups_of_bands_are_masked_tokens_and_place_counts():
    names = ("B04", "B02", "B03", "B08")
    few = PrestoEncoder(names, "sentinel2", 44.0, 1.5)
    assert few.groups == {"S2_RGB": [1, 2, 0], "S2_NIR_10m": [3], "NDVI": [3, 0]}
    assert PrestoEncoder(("VH", "VV"), "sentinel1", 0.0, 0.0).groups == {"S1": [1, 0]}
    elsewhere = PrestoEncoder(names, "sentinel2", -44.0, 1.5)
    elsewhere.load_state_dict(few.state_dict())
    image, seen = torch.rand(1, 12, 4, 1, 1), torch.ones(1, 12, 1, 1, dtype=torch.bool)
    assert not torch.allclose(few(image, seen)[0], elsewhere(image, seen)[0], atol=1e-3)


@pytest.mark.parametrize(
    ("read", "options", "message"),
    [
        ({"sensor": "landsat8"}, {}, "sensor sentinel2 or sentinel1 .*but got landsat8"),
        ({"sensor": None}, {}, "sensor sentinel2 or sentinel1 .*but got None"),
        ({"bands": ("B01", *BANDS)}, {}, "bands B02, .*but got B01"),
        ({"bands": BANDS[:-1]}, {}, "all of the bands B11, B12 .*but B12 is missing"),
        ({}, {"architecture": "unet"}, "architecture 'hypercolumn' .*but got 'unet'"),
        ({}, {"temporal": "ltae"}, "temporal 'presto' .*but got 'ltae'"),
        ({}, {"encoder": "resnet18", "temporal": "presto"}, "temporal.*'presto'.*ltae"),
        ({}, {"model_options": {"latitude": 44.0}}, "longitude of the training ground .*but got None"),
        ({}, {"model_options": {**PLACE, "latitude": 91}}, "-90 to 90, but got 91"),
        ({}, {"model_options": {**PLACE, "longitud": 1}}, "option .*'longitud'.*longitude"),
        ({"mean": (0.1,) * 10, "std": (0.05,) * 10}, {}, r"unit .*B02 has mean 0\.1 .*Convert the images\."),
        ({}, {"head": "ridge", "temporal": "ltae"}, "no temporal with head 'ridge', but got 'ltae'"),
        ({}, {"head": "ridge", "encoder": "resnet18", "temporal": "presto"}, "no temporal .*'presto'"),
        ({}, {"model_options": {**PLACE, "decoder_channels": "many"}}, "decoder_channels .*but got 'many'"),
        ({}, {"model_options": {**PLACE, "decoder_channels": 0}}, "decoder_channels .*but got 0"),
    ],
)
def test_what_presto_does_not_know_is_said(read, options, message):
    given = {"bands": BANDS, "sensor": "sentinel2", "mean": (1500.0,) * 10, "std": (900.0,) * 10} | read
    recipe = ReadRecipe(tuple(given["bands"]), given["sensor"], series=SeriesRule())
    told = {"architecture": "hypercolumn", "encoder": "torchgeo:presto", "model_options": PLACE} | options
    with pytest.raises(OptionError, match=message):
        BHCCMTask(**told).build(TrainingData(TREE, recipe, given["mean"], given["std"], 8))


def test_a_head_in_closed_form_is_solved_for_on_its_features():
    torch.manual_seed(0)
    recipe = ReadRecipe(tuple(BANDS), "sentinel2", series=SeriesRule())
    task = BHCCMTask(encoder="torchgeo:presto", model_options=PLACE, head="ridge")
    task.build(TrainingData(TREE, recipe, (1500.0,) * 10, (900.0,) * 10, 16))
    image, valid, doy = make_series(6, (32, 32), cloudy=0.2)
    leaf = torch.arange(32).div(8, rounding_mode="floor").expand(1, 32, 32)
    image = 0.2 * image + 1500 * leaf[:, None, None]  # every class is brighter than the last
    levels = [torch.from_numpy(TREE.lift(leaf.numpy(), level)) for level in range(1, TREE.num_levels + 1)]
    head = LinearHead(task.model, TREE, "ridge", flat=False)
    head.add({"image": image, "valid": valid, "doy": doy, "mask": leaf}, torch.stack(levels, dim=1))
    solved = head.solve()
    assert solved["held_out"]["OA"][-1] > 0.7  # of random features
    assert "per_pixel" not in solved  # dates are no table
    found = jsps(task.model.path_logits(image, valid, task.paths, doy), task.paths)[:, -1]
    assert (found == leaf)[valid.any(dim=1)].float().mean() > 0.95


def test_other_numbers_than_its_own_and_foreign_weights_are_refused(tmp_path):
    read = ReadRecipe(tuple(BANDS), "sentinel2", series=SeriesRule())
    with pytest.raises(OptionError, match="mean 0 and std 10000 of every band"):
        build_model(ModelRecord(TREE, read, (1500.0,) * 10, (900.0,) * 10, CONFIG))
    torch.save({"conv1.weight": torch.zeros(3)}, tmp_path / "other.pt")
    with pytest.raises(OptionError, match=r"weights '.*other\.pt' to be those of encoder 'torchgeo:presto'"):
        build_segmenter(CONFIG, 10, (2, 3), str(tmp_path / "other.pt"), BANDS, sensor="sentinel2")


def test_a_frozen_encoder_trains_resumes_and_predicts_by_commands(tmp_path, capsys):
    random = np.random.default_rng(0)
    labels = np.kron(random.integers(0, 4, (4, 4)), np.ones((8, 8))).astype(np.uint8)
    for number, day in enumerate(("20200410", "20200420", "20200715", "20200901")):
        image = random.normal(1500, 300, (10, 32, 32)) + 400.0 * (labels % (number + 2))
        image[:, :4, :4] = 0
        write_raster(tmp_path / "season" / f"s_{day}.tif", image.astype(np.uint16), BANDS, nodata=0)
    write_raster(tmp_path / "labels.tif", labels)
    weights = PrestoEncoder(BANDS, "sentinel2", 0.0, 0.0).state_dict()
    torch.save({f"encoder.{name}": value for name, value in weights.items()}, tmp_path / "presto.pt")
    start = {"encoder_weights": str(tmp_path / "presto.pt"), "freeze_backbone": True}
    options = {"architecture": "hypercolumn", "encoder": "torchgeo:presto", "model_options": PLACE}
    source = {"sensor": "sentinel2", "images": [str(tmp_path / "season")], "series": {"start": "2020-04-01"}}
    content = {
        "model": {"class_path": "hierars_geo.tasks.BHCCMTask", "init_args": {**options, "start": start}},
        "data": {
            "class_path": "hierars_geo.datamodules.SceneDataModule",
            "init_args": {
                "sources": [source],
                "labels": [str(tmp_path / "labels.tif")],
                "taxonomy": "crop10m",
                "chips": {"size": 8, "per_epoch": 8},
                "loader": {"batch_size": 4},
                "splits": {"val_fraction": 0.0, "test_fraction": 0.0},
            },
        },
        "trainer": {"max_steps": 2, "accelerator": "cpu", "enable_progress_bar": False, "logger": False},
    }
    (tmp_path / "fit.yaml").write_text(yaml.safe_dump(content))
    command = ["fit", "--config", str(tmp_path / "fit.yaml"), "--checkpoint.dirpath", str(tmp_path / "run")]
    assert main(command) == 0
    last = tmp_path / "run" / "last.ckpt"
    assert main([*command, "--trainer.max_steps", "3", "--ckpt_path", str(last)]) == 0
    record, kept = load(last).record, load(last).network.segmenter.features.body.encoder
    assert (record.mean, record.std, record.model.temporal) == ((0.0,) * 10, (10000.0,) * 10, "presto")
    assert kept.first_month == 3
    for name, value in kept.state_dict().items():
        assert torch.equal(value, weights[name])
    assert main(["predict", str(last), str(tmp_path / "season"), "-o", str(tmp_path / "maps")]) == 0
    assert (tmp_path / "maps" / "season_L3.tif").is_file()
    capsys.readouterr()
    assert main(["export", str(last)]) == 2
    assert "whose graph fits into memory" in capsys.readouterr().err
    with pytest.raises(OptionError, match="hierars-geo predict, which takes some at a time"):
        export_model(last)
