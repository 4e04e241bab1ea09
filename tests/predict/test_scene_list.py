"""Several scenes in one command: one that fails leaves the others alone; a list says what became of each."""

import json
import os

import pytest
import rasterio.shutil

from hierars_geo.cli import main
from hierars_geo.predict import Predictor

NAMES = ("a", "b", "c")


@pytest.fixture
def scenes(write_scene):
    return {name: write_scene(name, height=90, width=70, seed=n) for n, name in enumerate(NAMES)}


def states(out):
    content = json.loads((out / "manifest.json").read_text())
    assert sum(content["counts"].values()) == len(content["scenes"])
    return [scene["status"] for scene in content["scenes"]], content["scenes"]


def run(checkpoint, paths, out, *options):
    arguments = ["predict", str(checkpoint), *map(str, paths), "-o", str(out), "--device", "cpu"]
    return main([*arguments, *options])


def test_others_are_predicted_and_resume_does_the_rest(save_checkpoint, scenes, tmp_path, capsys):
    checkpoint, out = save_checkpoint(), tmp_path / "out"
    late, cut = tmp_path / "late.tif", tmp_path / "cut.tif"
    rasterio.shutil.copy(scenes["b"], cut, driver="COG", blocksize=128, compress="NONE")
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])  # opens, and breaks off on the way
    paths = [scenes["a"], late, cut, scenes["c"]]
    assert run(checkpoint, paths, out) == 1
    errors = capsys.readouterr().err.strip().splitlines()
    assert any("late.tif" in line and "does not exist" in line for line in errors)
    assert any("cut.tif to be readable at rows" in line for line in errors)
    assert "2 of 4 scenes failed" in errors[-1]
    assert "--resume" in errors[-1]
    status, listed = states(out)
    assert status == ["finished", "failed", "failed", "finished"]
    assert listed[3]["files"]["L2"] == "c_L2.tif"
    assert "readable at rows" in listed[2]["error"]
    assert (out / "c.json").exists()
    assert not (out / "cut.json").exists()

    late.write_bytes(scenes["b"].read_bytes())
    before = os.stat(out / "a_L1.tif").st_mtime_ns
    assert run(checkpoint, paths, out, "--resume") == 1
    assert states(out)[0] == ["finished", "finished", "failed", "finished"]
    assert (out / "late.json").exists()
    assert os.stat(out / "a_L1.tif").st_mtime_ns == before  # a finished scene is not computed again


def test_what_no_scene_can_do_is_said_once(save_checkpoint, scenes, tmp_path, capsys):
    paths = [scenes["a"], scenes["b"]]
    assert run(save_checkpoint(), paths, tmp_path / "out", "--region", "0,0,1,1") != 0
    errors = capsys.readouterr().err.strip().splitlines()
    assert len(errors) == 1
    assert "lies outside" in errors[0]


def test_an_interrupt_leaves_the_list_as_it_stands(save_checkpoint, scenes, tmp_path, monkeypatch):
    checkpoint, out = save_checkpoint(), tmp_path / "out"
    original, seen = Predictor.begin, []

    def begin(self, raster, *rest, **options):
        if seen:
            raise KeyboardInterrupt
        seen.append(raster)
        return original(self, raster, *rest, **options)

    monkeypatch.setattr(Predictor, "begin", begin)
    assert run(checkpoint, scenes.values(), out) == 130
    assert states(out)[0] == ["finished", "running", "waiting"]
    monkeypatch.undo()
    assert run(checkpoint, scenes.values(), out, "--resume") == 0
    assert states(out)[0] == ["finished"] * 3


def test_a_scene_may_not_take_the_name_of_the_list(save_checkpoint, scenes, write_scene, tmp_path, capsys):
    scene = write_scene("manifest", height=70, width=70)
    assert run(save_checkpoint(), [scenes["a"], scene], tmp_path / "out") != 0
    assert "list of all scenes" in " ".join(capsys.readouterr().err.split())
