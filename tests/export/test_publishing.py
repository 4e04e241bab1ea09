"""Published models: a folder that others get, found by name, and whole or refused."""

import json
import re
import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import rasterio
import torch
from export_factory import SMALL, make_image
from pystac import STACObjectType
from pystac.extensions.file import FileExtension
from pystac.extensions.mlm import MLMExtension
from pystac.item import Item
from pystac.validation.stac_validator import JsonSchemaSTACValidator
from raster_factory import write_raster

from hierars_geo.cli import main
from hierars_geo.models import RECORD_KEY, load
from hierars_geo.models.published import CARD, ITEM
from hierars_geo.models.weight_catalog import published_weights
from hierars_geo.output import sha256_of
from hierars_geo.taxonomy import Taxonomy
from hierars_geo.taxonomy.yaml_reader import catalog_names


@pytest.fixture(scope="module")
def checkpoint(save_model):
    """A checkpoint as a training leaves it: with an optimiser, and paths of whoever trained it."""
    path, _, _ = save_model(SMALL)
    content = torch.load(path, weights_only=True)
    options = {"architecture": "unet", "start": {"checkpoint": "runs/somebody/old.ckpt"}}
    content[RECORD_KEY]["training"] = {"options": options, "start": {"checkpoint": "runs/somebody/old.ckpt"}}
    torch.save(content | {"optimizer_states": [{"state": torch.zeros(99)}], "callbacks": {}}, path)
    return path


@pytest.fixture(scope="module")
def published(checkpoint, tmp_path_factory):
    """Through the command line, once: ``meadows`` in a folder of models."""
    folder = tmp_path_factory.mktemp("models")
    scores = folder / "metrics.json"
    level = {"oa": 0.875, "miou": 0.5, "mf1": 0.6}
    scores.write_text(
        json.dumps({"taxonomy": "crop10m", "levels": {"L1": level, "L2": level | {"oa": None}}})
    )
    told = ["--ground", "Two valleys, mapped by hand.", "--limits", "Mountains.", "--scores", str(scores)]
    command = ["models", "publish", str(checkpoint), "--name", "meadows", "--licence", "CC-BY-4.0"]
    assert main([*command, *told, "--out-dir", str(folder)]) == 0
    scores.unlink()
    return folder


@pytest.fixture(autouse=True)
def folder_of_models(published, monkeypatch):
    monkeypatch.setenv("HIERARS_GEO_MODELS", str(published))


@pytest.fixture
def scene(tmp_path):
    return write_raster(tmp_path / "scene.tif", make_image(3, 70, 45), ["B02", "B03", "B08"])


def predicted(model, scene, out):
    """Classes and confidences, (2, H, W)."""
    assert main(["predict", str(model), str(scene), "-o", str(out), "--confidence"]) == 0
    layers = []
    for layer in ("L3", "conf_L3"):
        with rasterio.open(out / f"scene_{layer}.tif") as dataset:
            layers.append(dataset.read(1))
    return np.stack(layers)


def test_a_name_predicts_what_its_checkpoint_does(checkpoint, scene, tmp_path):
    own = predicted(checkpoint, scene, tmp_path / "own")
    np.testing.assert_array_equal(predicted("meadows", scene, tmp_path / "named"), own)
    assert len(np.unique(own)) > 1
    assert load("meadows").record == load(checkpoint).record


def test_the_file_holds_the_model_and_nothing_of_whoever_trained_it(published):
    content = torch.load(published / "meadows" / "model.ckpt", weights_only=True)
    assert set(content) == {"state_dict", RECORD_KEY}
    assert content[RECORD_KEY]["training"] == {"options": {"architecture": "unet"}}
    assert b"somebody" not in (published / "meadows" / "model.ckpt").read_bytes()


def test_the_item_describes_it_in_the_words_of_stac(published):
    content = json.loads((published / "meadows" / ITEM).read_text(encoding="utf-8"))
    assert JsonSchemaSTACValidator().validate_core(content, STACObjectType.ITEM, "1.1.0")
    item = Item.from_dict(content)
    assert (item.id, item.properties["license"]) == ("meadows", "CC-BY-4.0")
    assert [given.bands for given in MLMExtension.ext(item).input] == [["B02", "B03", "B08"]]
    file = published / "meadows" / "model.ckpt"
    told = FileExtension.ext(item.assets["model"])
    assert (told.size, told.checksum) == (file.stat().st_size, "1220" + sha256_of(file))
    assert content["assets"]["model"]["mlm:artifact_type"] == "torch.save"


def test_the_card_says_what_a_user_has_to_know(published):
    card = (published / "meadows" / CARD).read_text(encoding="utf-8")
    for name in Taxonomy.from_yaml("crop10m").class_names(3):
        assert name in card
    for told in ("B02, B03, B08", "about 10 m", "CC-BY-4.0", "Two valleys", "Mountains.", "not calibrated"):
        assert told in card
    assert "| 87.5 | 50.0 |" in card
    assert "|  | 50.0 |" in card
    assert "predict meadows scene.tif" in card


def test_a_model_that_is_there_is_replaced_where_that_is_said(checkpoint, published, tmp_path, capsys):
    command = ["models", "publish", str(checkpoint), "--name", "meadows", "--licence", "MIT"]
    command += ["--out-dir", str(tmp_path)]
    assert main(command) == 0
    first = (tmp_path / "meadows" / CARD).read_text(encoding="utf-8")
    assert main(command) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert main([*command, "--title", "Meadows", "--overwrite"]) == 0
    assert (tmp_path / "meadows" / CARD).read_text(encoding="utf-8") != first
    (tmp_path / "other").mkdir()
    assert main([*command, "--name", "other", "--overwrite"]) == 1
    assert "it is not. Remove it yourself" in capsys.readouterr().err


def test_a_graph_is_published_and_predicted_alike(checkpoint, scene, published, tmp_path):
    pytest.importorskip("onnxruntime")
    command = [
        "models",
        "publish",
        str(checkpoint),
        "--name",
        "graph",
        "--licence",
        "MIT",
        "--format",
        "onnx",
    ]
    assert main(command) == 0
    assert {path.name for path in (published / "graph").iterdir()} == {"model.onnx", ITEM, CARD}
    own = predicted(checkpoint, scene, tmp_path / "own")
    found = predicted("graph", scene, tmp_path / "named")
    assert (found == own).mean() > 0.99


@pytest.mark.parametrize("width", [80, 20])
def test_names_are_listed_whole_however_narrow_the_terminal(width, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert main(["models", "list"]) == 0
    shown = capsys.readouterr().out
    names = {name for entry in published_weights() for name in (entry.name, entry.encoder)}
    for name in (*names, "wavelength", "Apache-2.0", "meadows"):
        assert name in shown
    assert "…" not in shown
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in shown.splitlines()]
    assert width < 80 or max(map(len, lines)) <= 80
    assert main(["catalog", "list"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in (*catalog_names("datasets"), "Five-Billion-Pixels", "soybean"))
    monkeypatch.delenv("FORCE_COLOR")  # as a pipe has it: a row is one line
    assert main(["models", "list"]) == 0
    rows = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert rows["meadows"].split()[1:5] == ["crop10m", "B02", "B03", "B08"]
    assert rows["ukis_csmask_6b_l2a"].split()[-2:] == ["Apache-2.0", "ukis-csmask"]


def test_a_damaged_model_hides_no_other_in_the_list(published, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HIERARS_GEO_MODELS", str(tmp_path))
    shutil.copytree(published / "meadows", tmp_path / "meadows")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / ITEM).write_text("{")
    assert main(["models", "list"]) == 1
    listed, said = capsys.readouterr()
    assert "meadows" in listed
    assert re.fullmatch("hierars-geo: Expected .* of model broken to be a STAC item, .*\n", said)


def test_a_file_that_was_changed_is_refused(published, scene, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HIERARS_GEO_MODELS", str(tmp_path / "models"))
    assert main(["models", "get", str(published / "meadows")]) == 0
    file = tmp_path / "models" / "meadows" / "model.ckpt"
    assert f"{file}\nlicence: CC-BY-4.0\n" in capsys.readouterr().out
    assert main(["models", "get", "meadows", "-o", str(tmp_path / "copy.ckpt")]) == 0
    assert (tmp_path / "copy.ckpt").read_bytes() == file.read_bytes()
    with file.open("r+b") as stream:
        stream.seek(200)
        stream.write(b"!")
    capsys.readouterr()
    assert main(["predict", "meadows", str(scene), "-o", str(tmp_path / "maps")]) == 1
    error = capsys.readouterr().err
    assert "model.ckpt of model meadows to be the file that was published" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["predict", "meadow", "scene.tif", "-o", "maps"], "got 'meadow'. Near ones: meadows"),
        (["models", "get", "meadow"], "known weights or model, but got 'meadow'"),
        (["models", "get", "./no/such_model"], "to be a published model, but it holds no model.json"),
        (["models", "get", "ukis_csmask_6b_l2a"], "Expected -o FILE.safetensors"),
        (["models", "get", "http://127.0.0.1:9/heath"], "no way to it"),
        (["models", "publish", "meadows", "--name", "a/b", "--licence", "MIT"], "letters, digits, hyphen"),
        (["models", "publish", "meadows", "--name", "ab", "--licence", " "], "a licence, but got none"),
    ],
)
def test_what_cannot_be_is_one_line(arguments, complaint, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) in (1, 2)
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1


def test_without_any_model_a_name_is_told_where_they_would_lie(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HIERARS_GEO_MODELS", str(tmp_path / "none"))
    assert main(["predict", "meadows", "scene.tif", "-o", "maps"]) == 1
    assert f"no model in {tmp_path / 'none'}" in capsys.readouterr().err


@pytest.fixture
def address(published):
    """A web server that holds the folder of models."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_):
            """Stay silent: who refuses a file hangs up on it, and the complaint would stand among theirs."""

    server = Server(("127.0.0.1", 0), partial(Quiet, directory=str(published)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_model_is_fetched_from_where_its_folder_was_put(address, published, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HIERARS_GEO_MODELS", str(tmp_path / "models"))
    assert main(["models", "get", f"{address}/meadows/"]) == 0
    got = tmp_path / "models" / "meadows"
    for path in (published / "meadows").iterdir():
        assert (got / path.name).read_bytes() == path.read_bytes()
    assert main(["models", "get", f"{address}/meadows"]) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert main(["models", "get", f"{address}/pastures"]) == 2
    assert "404" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["meadows"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"href": "../../secret"}, "assets.model.href: Input should be './model.ckpt'"),
        ({"href": "./model.onnx"}, "404"),
        ({"file:size": 10}, "to have at most 10 bytes"),
        ({"file:checksum": "1220" + "0" * 64}, "with the checksum 12200000"),
        ({"file:checksum": "12"}, "assets.model.file:checksum"),
    ],
)
def test_a_strangers_item_is_held_to_its_word(
    change, complaint, address, published, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("HIERARS_GEO_MODELS", str(tmp_path / "models"))
    theirs = published / "theirs"
    theirs.mkdir()
    try:
        for path in (published / "meadows").iterdir():
            (theirs / path.name).symlink_to(path)
        item = json.loads((theirs / ITEM).read_text(encoding="utf-8"))
        item["assets"]["model"] |= change
        (theirs / ITEM).unlink()
        (theirs / ITEM).write_text(json.dumps(item))
        assert main(["models", "get", f"{address}/theirs"]) in (1, 2)
    finally:
        for path in theirs.iterdir():
            path.unlink()
        theirs.rmdir()
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1
    assert list((tmp_path / "models").iterdir()) == []
