"""Pretrained weights: where they come from, and how they meet other bands."""

import sys
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from torchvision.models import WeightsEnum
from torchvision.models._api import Weights

from hierars_geo.errors import MissingFileError, OptionError
from hierars_geo.models import ModelConfig, adapt_bands, build_segmenter, load_encoder_weights
from hierars_geo.models.backbones import find_backbone
from hierars_geo.models.band_adaptation import by_names, matching_bands
from hierars_geo.models.pretrained import _SENSORS
from hierars_geo.models.weight_statistics import weight_statistics
from hierars_geo.scenes.sensors import find_sensor, sensor_names, spectral_bands
from hierars_geo.tasks import BHCCMTask, TrainingData
from hierars_geo.taxonomy import Taxonomy
from hierars_geo.types import ReadRecipe

ATTO = ModelConfig("upernet", "convnext_atto", options={"decoder_channels": 32})
RESNET = ModelConfig("upernet", "resnet18", options={"decoder_channels": 32})


@pytest.fixture(scope="module")
def atto():
    torch.manual_seed(0)
    return timm.create_model("convnext_atto").state_dict()


def encoder(config, weights, bands, **options):
    model = build_segmenter(config, len(bands), (2,), str(weights), bands, **options)
    return model.features.body.encoder.state_dict()


def test_repeat_and_average_keep_the_response_to_equal_bands():
    weight = torch.randn(5, 3, 2, 2)
    repeated, averaged = (adapt_bands(weight, 7, adaptation=how) for how in ("repeat", "average"))
    for new in (repeated, averaged):
        assert new.shape == (5, 7, 2, 2)
    np.testing.assert_allclose(averaged.sum(1), weight.sum(1), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(repeated[:, 3], weight[:, 0] / 3)  # of seven bands three read the first
    torch.testing.assert_close(adapt_bands(weight, 3), weight)


@pytest.mark.parametrize("count", [1, 2, 4, 6, 9, 10, 12, 13])
@pytest.mark.parametrize("how", ["repeat", "average", "by_name"])
def test_the_response_to_equal_bands_stays_at_any_number_of_bands(how, count):
    weight = torch.randn(4, 3, 3, 3, dtype=torch.float64)
    wanted = by_names(None, ["green", *map(str, range(1, count))])
    new = adapt_bands(weight, count, by_names(None, ["red", "green", "blue"]), wanted, how)
    if how != "by_name" or count > 1:
        torch.testing.assert_close(new.sum(1), weight.sum(1))
    if how == "by_name":
        torch.testing.assert_close(new[:, 0], weight[:, 1] * 3 / count)


def test_by_name_keeps_what_is_known_in_any_order_and_spelling():
    weight = torch.randn(4, 3, 1, 1)
    wanted = spectral_bands("sentinel2", ("B02", "B03", "B04", "B8A"))
    for sensor, known in ((None, ("red", "green", "blue")), ("sentinel2", ("B4", "B3", "B2"))):
        new = adapt_bands(weight, 4, spectral_bands(sensor, known), wanted)
        torch.testing.assert_close(new[:, :3], weight.flip(1) * 3 / 4)
        torch.testing.assert_close(new[:, 3], weight.mean(1) * 3 / 4)
    with pytest.raises(OptionError, match=r"bands thermal by name, but they know red.*repeat or average"):
        adapt_bands(
            weight, 1, by_names(None, ["red", "green", "blue"]), by_names(None, ["thermal"]), "by_name"
        )
    with pytest.raises(OptionError, match=r"auto, by_name, repeat, average, but got 'guess'"):
        adapt_bands(weight, 3, adaptation="guess")


@pytest.mark.parametrize("kind", ["safetensors", "pth", "wrapped"])
def test_a_file_of_weights_starts_the_encoder(tmp_path, atto, kind):
    path = tmp_path / ("w.safetensors" if kind == "safetensors" else "w.pth")
    if kind == "safetensors":
        save_file(atto, path)
    elif kind == "pth":
        torch.save(atto, path)
    else:
        torch.save({"state_dict": {f"module.backbone.{name}": value for name, value in atto.items()}}, path)
    loaded = encoder(ATTO, path, ("a", "b", "c", "d"))
    torch.testing.assert_close(
        loaded["model.stages_2.blocks.1.mlp.fc1.weight"], atto["stages.2.blocks.1.mlp.fc1.weight"]
    )
    torch.testing.assert_close(loaded["model.stem_0.weight"][:, 3], atto["stem.0.weight"].mean(1) * 3 / 4)


def test_an_enumeration_of_weights_brings_its_bands(tmp_path, monkeypatch):
    state = timm.create_model("resnet18").state_dict()
    torch.save(state, tmp_path / "r.pth")
    meta = {"in_chans": 3, "bands": ["B4", "B3", "B2"]}

    class ResNet18_Weights(WeightsEnum):  # noqa: N801 - the form of torchvision's and TorchGeo's names
        SENTINEL2 = Weights((tmp_path / "r.pth").as_uri(), None, meta)

    module = ModuleType("own_models")
    module.ResNet18_Weights = ResNet18_Weights
    monkeypatch.setitem(sys.modules, "own_models", module)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    bands = ("blue", "green", "red", "nir")
    options = {"sensor": "gaofen2", "spectra": spectral_bands}
    loaded = encoder(RESNET, "own_models.ResNet18_Weights.SENTINEL2", bands, **options)
    torch.testing.assert_close(loaded["conv1.weight"][:, 2], state["conv1.weight"][:, 0] * 3 / 4)
    torch.testing.assert_close(loaded["layer3.1.conv2.weight"], state["layer3.1.conv2.weight"])
    with pytest.raises(
        OptionError, match=r"known member of ResNet18_Weights, but got 'SENTINEL1'.*SENTINEL2"
    ):
        encoder(RESNET, "own_models.ResNet18_Weights.SENTINEL1", ("red",))
    with pytest.raises(OptionError, match=r"package\.module\.Name_Weights\.MEMBER"):
        encoder(RESNET, "nowhere.ResNet18_Weights.SENTINEL1", ("red",))


def test_weights_of_another_encoder_are_refused(tmp_path, atto):
    torch.save(atto, tmp_path / "w.pth")
    with pytest.raises(
        OptionError, match=r"those of encoder 'resnet18', but \d+ of its \d+ parameters are missing"
    ):
        encoder(RESNET, tmp_path / "w.pth", ("red", "green", "blue"))
    with pytest.raises(MissingFileError, match="file of weights, but it does not exist"):
        encoder(RESNET, tmp_path / "none.pth", ("red",))
    (tmp_path / "bad.pth").write_text("not weights")
    with pytest.raises(OptionError, match="damaged or holds objects"):
        encoder(RESNET, tmp_path / "bad.pth", ("red",))
    (tmp_path / "bad.safetensors").write_text("not weights")
    with pytest.raises(OptionError, match="damaged or holds objects"):
        encoder(RESNET, tmp_path / "bad.safetensors", ("red",))


def test_an_encoder_may_lack_what_it_never_uses(tmp_path, caplog):
    config = ModelConfig("unet", "efficientnet-b0", options={"decoder_channels": [16, 16, 8, 8, 8]})
    torch.manual_seed(0)
    whole = build_segmenter(config, 3, (2,)).features.body.encoder.state_dict()
    used = {name: value for name, value in whole.items() if not name.startswith(("_conv_head", "_bn1"))}
    torch.save(used, tmp_path / "w.pth")
    caplog.set_level("INFO", logger="hierars_geo")
    loaded = encoder(config, tmp_path / "w.pth", ("red", "green", "blue"))
    assert all(torch.equal(loaded[name], value) for name, value in used.items())
    assert "lack what the encoder never uses: _conv_head.weight, _bn1.weight" in caplog.text
    del used["_blocks.3._bn0.weight"]
    torch.save(used, tmp_path / "w.pth")
    with pytest.raises(OptionError, match="those of encoder 'efficientnet-b0'"):
        encoder(config, tmp_path / "w.pth", ("red", "green", "blue"))


#: Words of a member's name -> what its bands see, in order, written down from the publications.
_OLI = ["coastal", "blue", "green", "red", "nir08", "swir16", "swir22"]
_S2 = ["coastal", "blue", "green", "red", "rededge071", "rededge075", "rededge078", "nir", "nir08", "nir09"]
SEEN = {
    "SENTINEL2_ALL_SECO_ECO": [*_S2, "swir16", "swir22"],
    "SENTINEL2_ALL_NDVI_SECO_ECO": [*_S2[1:9], None],
    "MS_SATLAS": ["red", "green", "blue", *_S2[4:8], "swir16", "swir22"],
    "SENTINEL2_ALL": [*_S2, "cirrus", "swir16", "swir22"],
    "LANDSAT_TM": ["blue", "green", "red", "nir08", "swir16", "lwir", "swir22"],
    "LANDSAT_ETM_TOA": ["blue", "green", "red", "nir08", "swir16", None, None, "swir22", "pan"],
    "LANDSAT_ETM_SR": ["blue", "green", "red", "nir08", "swir16", "swir22"],
    "LANDSAT_OLI_TIRS": [*_OLI, "pan", "cirrus", "lwir11", "lwir12"],
    "LANDSAT_OLI_SR": _OLI,
    "LANDSAT_": [*_OLI, "pan", "cirrus", "lwir11", "lwir12"],
    "FTW": ["red", "green", "blue", "nir"] * 2,
    "TESSERA_SENTINEL2": ["red", "blue", "green", "nir", "nir08", *_S2[4:7], "swir16", "swir22", None],
}
#: What a band may be read by where the weights lack its own name.
NEAR = {"nir": {"nir08", "nir"}, "nir08": {"nir", "nir08"}, "pan": set(), "lwir11": {"lwir", "lwir11"}}


def _enumerated():
    import torchgeo.models

    for name in sorted(n for n in dir(torchgeo.models) if n.endswith("_Weights")):
        for member in getattr(torchgeo.models, name):
            yield name, member.name, member


def _members():
    for enumeration, name, member in _enumerated():
        if member.meta.get("bands"):
            yield f"{enumeration}.{name}", list(member.meta["bands"])


def test_every_sensor_meets_every_weight_enumeration_by_what_its_bands_see():
    count = 0
    for name, bands in _members():
        seen = next((list(value) for words, value in SEEN.items() if words in name), None)
        if seen is None or len(seen) != len(bands):
            rgb = len(bands) == 3 and "VV" not in bands
            seen = ["red", "green", "blue"] if rgb else [None] * len(bands)
        sensor = next((own for words, own in _SENSORS if words in name), None)
        known = spectral_bands(sensor, bands)
        for other in sensor_names():
            names = find_sensor(other).default_bands
            matches = matching_bands(known, spectral_bands(other, names))
            for band, found in zip(names, matches, strict=True):
                common = find_sensor(other).band(band).common
                if common is not None and common in seen:
                    assert found == seen.index(common), (name, other, band)
                elif found is not None and seen[found] is not None:
                    assert seen[found] in NEAR.get(common, {"nir", "nir08", "nir09"}), (name, other, band)
                elif common is None and band in ("VV", "VH"):
                    assert (found is None) == (band not in bands)
                count += 1
    assert count > 1000


def test_landsat_meets_sentinel2_and_its_own_numbers():
    sentinel2 = spectral_bands(
        "sentinel2", ["B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8a", "B11", "B12"]
    )
    found = matching_bands(sentinel2, spectral_bands("landsat8", ("B02", "B03", "B04", "B05", "B06", "B07")))
    assert [sentinel2[i].name for i in found] == ["B02", "B03", "B04", "B8A", "B11", "B12"]
    oli = spectral_bands("landsat8", [f"SR_B{n}" for n in range(1, 8)])
    assert matching_bands(oli, spectral_bands("landsat8", ("B02", "B03"))) == (1, 2)
    rgb = spectral_bands(None, ["red", "green", "blue"])
    assert matching_bands(rgb, spectral_bands("landsat7", ("B01", "B02", "B03", "B04"))) == (
        2,
        1,
        0,
        None,
    )
    assert matching_bands(rgb, spectral_bands(None, ["gaofen2:blue", "gaofen2:nir"])) == (2, None)


def test_offline_says_so_in_one_line(monkeypatch):
    def unreachable(*args, **kwargs):
        raise FileNotFoundError("cannot locate the file on the hub\nplease check your connection")

    monkeypatch.setattr("segmentation_models_pytorch.encoders.get_encoder", unreachable)
    monkeypatch.setattr("timm.create_model", unreachable)
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", unreachable)
    for name in ("resnet18", "convnext_atto", "deit3_small", "mscan_tiny"):
        with pytest.raises(OptionError, match=r"no way to them.*Go online once") as caught:
            load_encoder_weights(torch.nn.Conv2d(3, 1, 1), find_backbone(name), "imagenet")
        assert "\n" not in str(caught.value)


def test_names_of_weights_that_do_not_exist_list_the_near_ones():
    with pytest.raises(OptionError, match=r"name of weights of resnet18, but got 'imagnet'.*imagenet"):
        build_segmenter(RESNET, 3, (2,), "imagnet")
    with pytest.raises(OptionError, match=r"name of weights of convnext_atto, but got 'd2_in1'.*d2_in1k"):
        build_segmenter(ATTO, 3, (2,), "d2_in1")
    with pytest.raises(OptionError, match="name of weights of mscan_tiny"):
        build_segmenter(ModelConfig("segnext", "mscan_tiny"), 3, (2,), "fb")


def _statistics_of(name, encoder="resnet50"):
    return weight_statistics(find_backbone(encoder), name)


def test_weights_bring_their_normalisation():
    """As their own transforms compute it, for every enumeration that says its bands, found by common name."""
    told = 0
    for enumeration, member, weights in _enumerated():
        found = _statistics_of(f"torchgeo.models.{enumeration}.{member}")
        if found is None:
            continue
        count = len(found.bands or range(3))
        image = torch.rand(1, count, 4, 4) * 3000
        expected = image.clone()
        for module in weights.transforms.modules():
            if type(module).__name__ == "Normalize":
                expected = type(module)(mean=module.mean, std=module.std)(expected)
        mean, std = (torch.tensor(numbers)[:, None, None] for numbers in (found.mean, found.std))
        torch.testing.assert_close((image - mean) / std, expected, rtol=1e-4, atol=1e-4)
        told += 1
    assert told > 60
    softcon = _statistics_of("torchgeo.models.ResNet50_Weights.SENTINEL2_ALL_SOFTCON")
    mean, std = softcon.of_bands(["B04", "B02", "thermal"], "sentinel2", 10000, spectral_bands)
    assert (mean[:2], std[:2]) == ((1373.1, 1397.6), (1144.9, 854.3))
    assert mean[2] == pytest.approx(np.mean(softcon.mean))
    landsat = softcon.of_bands(["B05", "B06"], "landsat8", 1, spectral_bands)[0]  # nir08 and swir16
    assert landsat == (2581.0, 2195.2)
    imagenet = _statistics_of("imagenet", "resnet18")
    mean, std = imagenet.of_bands(["blue", "green", "red", "nir"], "gaofen2", 1024, spectral_bands)
    np.testing.assert_allclose(mean, 1024 * np.array([0.406, 0.456, 0.485, 0.449]), rtol=1e-6)
    np.testing.assert_allclose(std[:3], 1024 * np.array([0.225, 0.224, 0.229]), rtol=1e-6)
    assert _statistics_of("imagenet", "mscan_tiny").mean == _statistics_of("imagenet", "resnet18").mean
    assert _statistics_of("imagenet", "convnext_atto").mean == (0.485, 0.456, 0.406)
    assert _statistics_of("weights.pth") is None


@pytest.mark.parametrize(
    ("weights", "mean", "std", "message"),
    [
        ("torchgeo.models.ResNet18_Weights.SENTINEL2_ALL_MOCO", 60, 25, "unit that weights .* std 1e"),
        (
            "torchgeo.models.ResNet18_Weights.LANDSAT_OLI_SR_MOCO",
            9000,
            2500,
            "normalised by mean 0 and std 255",
        ),
        ("weights.pth", 1000, 300, "'weights.pth', which brings none"),
        (None, 1000, 300, "no start.encoder_weights"),
    ],
)
def test_weights_of_another_unit_or_without_numbers_are_refused(weights, mean, std, message):
    bands = ("B02", "B03", "B04", "B8A")
    data = TrainingData(
        Taxonomy.from_yaml("mm5b"), ReadRecipe(bands, "sentinel2"), [mean] * 4, [std] * 4, by_weights=True
    )
    task = BHCCMTask("unet", "resnet18", start={"encoder_weights": weights})
    with pytest.raises(OptionError, match=message):
        task.describe(data)


def test_a_task_normalises_by_its_weights_where_it_is_told_and_says_so_where_not(caplog):
    bands = ("B02", "B8A")
    read = ReadRecipe(bands, "sentinel2")
    data = TrainingData(Taxonomy.from_yaml("mm5b"), read, [900, 2400], [400, 900], by_weights=True)
    weights = "torchgeo.models.ResNet50_Weights.SENTINEL2_ALL_SOFTCON"
    task = BHCCMTask("unet", "resnet50", start={"encoder_weights": weights})
    record = task.describe(data)
    assert (record.mean, record.std) == ((1397.6, 2581.0), (854.3, 1345.9))
    with caplog.at_level("INFO"):
        record = task.describe(replace(data, by_weights=False))
    assert (record.mean, record.std) == ((900, 2400), (400, 900))
    assert "values normalised by mean 1398, 2581 and std 854.3, 1346" in caplog.text
    assert "normalization.method weights takes the others" in caplog.text
