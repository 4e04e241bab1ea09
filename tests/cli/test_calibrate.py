"""calibrate and predict --risk: the same classes, other confidence, and a promise that is written down."""

import json

import numpy as np
import pytest
import rasterio
import torch

from hierars_geo.cli import main
from hierars_geo.models import RECORD_KEY


@pytest.fixture(scope="module")
def calibrated(workplace, checkpoint):
    out = workplace.folder / "calibrated.ckpt"
    config = workplace.config(workplace.folder / "calibration")
    options = ["--risk", "0.9", "--block-m", "160"]
    assert main(["calibrate", checkpoint, "--config", config, "-o", str(out), *options]) == 0
    content = torch.load(out, weights_only=True)
    found = content[RECORD_KEY]["calibration"]
    assert (found["temperature"], found["curves"]) == (1, [])  # of so few blocks
    found["temperature"] = 2.0
    (promise,) = found["promises"]
    assert set(promise) == {"risk", "threshold", "set_threshold"}
    promise |= {"threshold": 0.2, "set_threshold": 0.6}  # whatever ten steps can promise
    torch.save(content, out)
    return str(out)


def classes(folder, name):
    with rasterio.open(folder / f"test_0_S2_{name}.tif") as dataset:
        return dataset.read(1)


def test_a_calibrated_model_maps_the_same_and_says_what_it_promises(workplace, calibrated, maps, tmp_path):
    image = workplace.image(workplace.test)
    options = ["--confidence", "--risk", "0.9", "--device", "cpu"]
    assert main(["predict", calibrated, image, "-o", str(tmp_path), *options]) == 0
    for level in ("L1", "L2", "L3"):
        np.testing.assert_array_equal(classes(tmp_path, level), classes(maps, level))
    assert (classes(tmp_path, "conf_L3") != classes(maps, "conf_L3")).any()
    item = json.loads(next(tmp_path.glob("*.json")).read_text())
    promise = next(note for note in item["properties"]["hierars:notes"] if note.startswith("Adaptive map"))
    assert "at most 90 % show a wrong one" in promise
    assert "160 m of validation ground" in promise


def test_sets_of_siblings_are_in_the_map_its_legend_and_the_report(workplace, calibrated, maps, tmp_path):
    image = workplace.image(workplace.test)
    options = ["--risk", "0.9", "--sets", "--device", "cpu"]
    assert main(["predict", calibrated, image, "-o", str(tmp_path), *options]) == 0
    found = classes(tmp_path, "adaptive")
    item = json.loads(next(tmp_path.glob("*.json")).read_text())
    legend = item["assets"]["adaptive"]["classification:classes"]
    named = {each["value"]: each["title"] for each in legend}
    shown = [named[value] for value in np.unique(found[found != 255]).tolist()]
    assert any(" or " in name for name in shown)
    assert item["properties"]["hierars:options"]["depth_threshold"] == 0.6
    (promise,) = (note for note in item["properties"]["hierars:notes"] if note.startswith("Adaptive map"))
    assert "at most 90 % show none that is right" in promise
    (style,) = tmp_path.glob("*_adaptive.qml")
    assert main(["report", str(tmp_path), "-o", str(tmp_path / "r.html")]) == 0
    page = (tmp_path / "r.html").read_text()
    for name in shown:
        assert name in style.read_text()
        assert name in page


def test_what_cannot_be_promised_is_one_line(workplace, checkpoint, calibrated, tmp_path, capsys):
    image = workplace.image(workplace.test)
    config = workplace.config(tmp_path)
    none = workplace.config(tmp_path / "none", data__splits__val_fraction=0)
    out = str(tmp_path / "out.ckpt")
    predict = (image, "-o", str(tmp_path), "--risk")
    calibrate = ("calibrate", checkpoint, "-o", out, "--config")
    cases = (
        (["predict", checkpoint, *predict, "0.9"], "Expected a calibrated checkpoint"),
        (["predict", calibrated, *predict, "0.2"], "calibrated for (0.9), but got 0.2"),
        ([*calibrate, config, "--risk", "0.0001"], "blocks of labelled ground"),
        ([*calibrate, none], "Expected ground kept apart as val"),
    )
    for command, said in cases:
        capsys.readouterr()
        assert main(command) in (1, 2)
        error = capsys.readouterr().err.strip()
        assert said in error
        assert error.splitlines()[-1].startswith("hierars-geo: Expected")
    assert not (tmp_path / "out.ckpt").exists()
