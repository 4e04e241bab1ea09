"""Another tree for a trained model by the command line: fit, expand, fit from it, predict."""

import re
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
import yaml

from hierars_geo.cli import main
from hierars_geo.models import RECORD_KEY, load, read_checkpoint
from hierars_geo.taxonomy import Taxonomy


@pytest.fixture(scope="module")
def grown_tree(tmp_path_factory: pytest.TempPathFactory) -> str:
    """MM-5B with greenhouses and without stadiums."""
    content = Taxonomy.from_yaml("mm5b").to_dict() | {"name": "grown"}
    leaves = content["levels"][2]["classes"]
    leaves[:] = [entry for entry in leaves if entry["name"] != "Stadium"]
    leaves.insert(0, {"name": "Greenhouse", "value": 19, "color": [1, 2, 3], "parent": "Cropland"})
    content["ignore_values"] = [12]  # what stadiums had
    path = tmp_path_factory.mktemp("trees") / "grown.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def grown(workplace, checkpoint, grown_tree) -> str:
    path = workplace.folder / "grown.ckpt"
    assert main(["expand", checkpoint, "--taxonomy", grown_tree, "-o", str(path)]) == 0
    return str(path)


def run(argv, capsys):
    capsys.readouterr()
    status = main(argv)
    captured = capsys.readouterr()
    return status, captured.out, captured.err.splitlines()


def test_the_report_names_what_is_new_and_what_is_gone(checkpoint, grown_tree, tmp_path, capsys):
    out = str(tmp_path / "new.ckpt")
    status, shown, errors = run(["expand", checkpoint, "--taxonomy", grown_tree, "-o", out], capsys)
    assert (status, errors) == (0, [])
    assert re.search(r"L3 .*17 .*Greenhouse .*Paddy field, Dry cropland .*Stadium", shown)
    assert f"--model.init_args.start.checkpoint {out}" in shown.replace("\n", " ")
    assert [path.name for path in tmp_path.iterdir()] == ["new.ckpt"]


def test_the_new_checkpoint_predicts_and_says_where_it_comes_from(
    workplace, checkpoint, grown, tmp_path, capsys
):
    content = read_checkpoint(grown)
    assert set(content) <= {"state_dict", RECORD_KEY, "epoch", "global_step", "pytorch-lightning_version"}
    assert content[RECORD_KEY]["training"]["expanded"]["from"] == "mm5b"
    old, new = load(checkpoint), load(grown)
    assert new.record.taxonomy.num_classes == (4, 9, 18)
    assert torch.equal(new.network.state_dict()["mean"], old.network.state_dict()["mean"])
    image = workplace.image(workplace.test)
    status, _, errors = run(["predict", grown, image, "-o", str(tmp_path), "--device", "cpu"], capsys)
    assert (status, errors) == (0, [])
    with rasterio.open(tmp_path / "test_0_S2_L3.tif") as leaves:
        found = set(np.unique(leaves.read(1)).tolist())
    assert found <= {0, *new.record.taxonomy.class_values(3)}


def test_a_training_starts_from_it_and_its_maps_follow(workplace, grown, grown_tree, tmp_path, capsys):
    config = workplace.config(
        tmp_path, model__start={"checkpoint": grown}, data__taxonomy=grown_tree, trainer__max_steps=2
    )
    status, shown, errors = run(["fit", "--config", config], capsys)
    assert status == 0, errors
    assert any(line == f"weights from {grown} (all):" for line in errors)
    assert "  L3: 18 classes copied" in errors
    trained = shown.strip().splitlines()[-1]
    start = read_checkpoint(trained)[RECORD_KEY]["training"]["start"]
    assert (start["checkpoint"], start["report"]["head"]["new"]) == (grown, ())
    image = workplace.image(workplace.test)
    assert run(["predict", trained, image, "-o", str(tmp_path / "maps"), "--device", "cpu"], capsys)[0] == 0

    # what goes on does not start again, even where the file is gone
    again = workplace.config(
        tmp_path / "again",
        model__start={"checkpoint": str(tmp_path / "gone.ckpt")},
        data__taxonomy=grown_tree,
        trainer__max_steps=3,
    )
    last = str(Path(trained).with_name("last.ckpt"))
    status, shown, errors = run(["fit", "--config", again, "--ckpt_path", last], capsys)
    assert status == 0, errors
    assert not any(line.startswith("weights from") for line in errors)
    resumed = read_checkpoint(shown.strip().splitlines()[-1])
    assert resumed[RECORD_KEY]["training"]["start"]["checkpoint"] == grown


def test_a_training_starts_from_another_tree_at_once(workplace, checkpoint, grown_tree, tmp_path, capsys):
    config = workplace.config(
        tmp_path, model__start={"checkpoint": checkpoint}, data__taxonomy=grown_tree, trainer__max_steps=1
    )
    status, _, errors = run(["fit", "--config", config], capsys)
    assert status == 0, errors
    line = "  L3: 17 classes copied; new Greenhouse (from Paddy field, Dry cropland); dropped Stadium"
    assert line in errors


BAD = [
    (["--taxonomy", "mm5b", "-o", "OUT"], 2, "got mm5b itself .in .*last.ckpt.. There is nothing to do"),
    (["--taxonomy", "STRANGE", "-o", "OUT"], 1, "tree with classes of mm5b, but strange has none of them"),
    (["--taxonomy", "GROWN", "-o", "HERE"], 1, "outputs that do not exist yet, but got .*--overwrite"),
    (["--taxonomy", "nope", "-o", "OUT"], 1, "but got 'nope'. Did you mean"),
    (["-o", "OUT"], 2, "required: taxonomy. See hierars-geo expand --help"),
]


@pytest.mark.parametrize(("options", "status", "pattern"), BAD)
def test_bad_input_is_one_line(checkpoint, grown, grown_tree, tmp_path, capsys, options, status, pattern):
    strange = tmp_path / "strange.yaml"
    entry = {"name": "Heath", "value": 1, "color": [1, 1, 1]}
    strange.write_text(yaml.safe_dump({"name": "strange", "levels": [{"name": "L1", "classes": [entry]}]}))
    places = {"OUT": str(tmp_path / "x.ckpt"), "HERE": grown, "GROWN": grown_tree, "STRANGE": str(strange)}
    outcome = run(["expand", checkpoint, *(places.get(word, word) for word in options)], capsys)
    assert outcome[0] == status, outcome
    assert re.search(pattern, outcome[2][0]), outcome
    assert len(outcome[2]) == 1
    assert list(tmp_path.iterdir()) == [strange]
