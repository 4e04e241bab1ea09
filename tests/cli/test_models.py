"""Weights that can be had: listed with licences, written as files that encoders start from."""

import json
import sys
from enum import Enum
from types import ModuleType

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from hierars_geo.cli import main
from hierars_geo.errors import DataError, OptionError
from hierars_geo.models import ModelConfig, build_segmenter, weight_catalog
from hierars_geo.models.backbones import find_backbone
from hierars_geo.models.pretrained import enumeration_member
from hierars_geo.models.weight_catalog import WeightEntry, published_weights, read_initializers
from hierars_geo.models.weight_statistics import weight_statistics
from hierars_geo.scenes.sensors import spectral_bands

onnx = pytest.importorskip("onnx")


def encoder_of(name, bands):
    torch.manual_seed(1)
    config = ModelConfig("hypercolumn", name, "independent")
    return build_segmenter(config, bands, (2, 3)).features.body.encoder


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package whose graph holds random weights of ResNet-18 for red, green, blue and nir."""
    state = encoder_of("resnet18", 4).state_dict()
    stored = [onnx.numpy_helper.from_array(v.numpy(), f"net.encoder.{k}") for k, v in state.items()]
    stored.append(onnx.numpy_helper.from_array(np.ones(3, dtype=np.float32), "net.head.bias"))
    graph = onnx.helper.make_graph([], "net", [], [], stored)
    folder = tmp_path / "site" / "some_weights"
    folder.mkdir(parents=True)
    folder.joinpath("__init__.py").write_text("")
    onnx.save(onnx.helper.make_model(graph), folder / "net.onnx")
    monkeypatch.syspath_prepend(str(folder.parent))
    entry = {
        "name": "some", "title": "Some", "source": "us", "licence": "X-1", "url": "https://example.org",
        "encoder": "resnet18", "bands": ["red", "green", "blue", "nir"],
        "mean": [0.1, 0.2, 0.3, 0.4], "std": [0.01, 0.02, 0.03, 0.04],
        "package": {
            "install": "some-weights", "module": "some_weights", "file": "net.onnx", "prefix": "net.encoder.",
        },
    }  # fmt: skip
    return state, entry


def known(monkeypatch, entry):
    monkeypatch.setattr(weight_catalog, "find_weights", lambda *_: WeightEntry(**entry))


def test_weights_of_an_installed_package_become_an_encoder_whose_bands_and_numbers_are_known(
    package, tmp_path, monkeypatch, capsys
):
    state, entry = package
    known(monkeypatch, entry)
    out = tmp_path / "w.safetensors"
    assert main(["models", "get", "some", "-o", str(out)]) == 0
    assert "licence: X-1 (https://example.org)" in capsys.readouterr().out
    config = ModelConfig("hypercolumn", "resnet18", "independent")
    bands = ["B02", "B03", "B04", "B08"]
    model = build_segmenter(config, 4, (2, 3), str(out), bands, sensor="sentinel2", spectra=spectral_bands)
    found = model.features.body.encoder.state_dict()
    torch.testing.assert_close(found["conv1.weight"], state["conv1.weight"][:, [2, 1, 0, 3]])
    torch.testing.assert_close(found["layer4.1.conv2.weight"], state["layer4.1.conv2.weight"])
    statistics = weight_statistics(find_backbone("resnet18"), str(out))
    mean, std = statistics.of_bands(bands, "sentinel2", 10_000, spectral_bands)
    assert mean == pytest.approx((3000, 2000, 1000, 4000))
    assert std == pytest.approx((300, 200, 100, 400))


def test_a_licence_that_forbids_is_shown_before_anything_is_written(package, tmp_path, monkeypatch, capsys):
    _, entry = package
    known(monkeypatch, entry | {"restriction": "no commercial use"})
    out = tmp_path / "w.safetensors"
    assert main(["models", "get", "some", "-o", str(out)]) == 2
    assert "X-1, forbids some uses: no commercial use" in capsys.readouterr().err
    assert not out.exists()
    assert main(["models", "get", "some", "-o", str(out), "--accept-licence"]) == 0
    assert "licence: X-1; no commercial use" in capsys.readouterr().out


class Fake_Weights(Enum):  # noqa: N801 - the libraries' own form
    SENTINEL2_RGB = 1

    @property
    def meta(self):
        return {"bands": ["B4", "B3", "B2"]}

    @property
    def transforms(self):
        return torch.nn.Sequential(
            type("Normalize", (torch.nn.Module,), {"mean": [0.0], "std": [10_000.0]})()
        )

    def get_state_dict(self, **_):
        if not ONLINE:
            raise OSError("Name or service not known")
        return {"encoder": encoder_of("resnet18", 3).state_dict()}  # in parts, as some are


ONLINE = []


def test_members_of_enumerations_are_fetched_or_one_line_says_why_not(tmp_path, monkeypatch, capsys):
    module = ModuleType("fake_models")
    module.Fake_Weights = Fake_Weights
    monkeypatch.setitem(sys.modules, "fake_models", module)
    entry = {
        "name": "fake", "title": "Fake", "source": "us", "licence": "X-1", "url": "https://example.org",
        "encoder": "resnet18", "enumeration": "fake_models.Fake_Weights.SENTINEL2_RGB",
    }  # fmt: skip
    known(monkeypatch, entry)
    out = tmp_path / "w.safetensors"
    assert main(["models", "get", "fake", "-o", str(out)]) == 2
    assert "no way to them (Name or service not known)" in capsys.readouterr().err
    assert not out.exists()
    monkeypatch.setattr(sys.modules[__name__], "ONLINE", [1])
    assert main(["models", "get", "fake", "-o", str(out)]) == 0
    with safe_open(out, framework="pt") as file:
        told, names = file.metadata(), set(file.keys())
    assert "encoder.conv1.weight" in names
    assert (json.loads(told["bands"]), told["sensor"]) == (["B4", "B3", "B2"], "sentinel2")
    found = weight_statistics(find_backbone("resnet18"), str(out))
    assert found.of_bands(["B02", "B04"], "sentinel2", 1.0, spectral_bands) == ((0.0, 0.0), (1e4, 1e4))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["get", "ukis_csmask_6b", "-o", "w.safetensors"], "ukis_csmask_6b_l2a"),
        (["get", "ukis_csmask_6b_l2a", "-o", "w.pth"], "ends in .safetensors"),
    ],
)
def test_bad_input_is_one_line(arguments, complaint, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["models", *arguments]) == 2
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1


def test_a_missing_package_and_a_file_that_is_no_graph_are_said(package, tmp_path, monkeypatch, capsys):
    _, entry = package
    absent = entry["package"] | {"module": "not_there"}
    known(monkeypatch, entry | {"package": absent})
    assert main(["models", "get", "some", "-o", str(tmp_path / "w.safetensors")]) == 2
    assert "pip install some-weights" in capsys.readouterr().err
    path = tmp_path / "net.onnx"
    path.write_bytes(b"\xff no graph")
    with pytest.raises(DataError, match="to be an ONNX graph"):
        read_initializers(path, "x.")
    graph = tmp_path / "site" / "some_weights" / "net.onnx"
    with pytest.raises(DataError, match=r"begin with 'other\.', but got none"):
        read_initializers(graph, "other.")


def test_damaged_numbers_of_a_file_are_said(tmp_path):
    path = tmp_path / "w.safetensors"
    save_file({"x": torch.zeros(1)}, path, {"bands": '["red"]', "mean": "[1, 2]", "std": "[1]"})
    with pytest.raises(OptionError, match="a mean and a std > 0 for each of 1 bands, but got 2 and 1"):
        weight_statistics(find_backbone("resnet18"), str(path))
    save_file({"x": torch.zeros(1)}, path, {"bands": '["red"]', "mean": "[1]"})
    with pytest.raises(OptionError, match="they are damaged"):
        weight_statistics(find_backbone("resnet18"), str(path))


def test_every_entry_names_an_encoder_bands_that_the_catalog_knows_and_a_licence(capsys):
    entries = published_weights()
    assert len(entries) >= 6
    for entry in entries:
        find_backbone(entry.encoder)
        assert [band.common for band in spectral_bands(None, entry.bands)] == list(entry.bands)
        if entry.enumeration is not None:
            backbone = find_backbone(entry.encoder)
            enumeration_member(entry.enumeration)
            told = weight_statistics(backbone, entry.enumeration)
            known = backbone.for_any_bands or "sentinel2" in (backbone.sensor, told and told.sensor)
            assert known or told.bands == ("red", "green", "blue")
    assert main(["models", "list"]) == 0
    shown = "".join(capsys.readouterr().out.split())
    assert "Apache-2.0" in shown
