"""The fault drill: it sees what it is there to see, and a short one passes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

DRILL = Path(__file__).parents[1] / "drill"
sys.path.insert(0, str(DRILL))

from survival.contents import differences, half_written, leftovers, results  # noqa: E402  # on the path above
from survival.outcome import Outcome, counted  # noqa: E402


@pytest.fixture
def trial(tmp_path):
    (tmp_path / "tmp").mkdir()
    maps = tmp_path / "out" / "maps"
    maps.mkdir(parents=True)
    (maps / "a.tif").write_bytes(b"whole")
    item = {"properties": {"hierars:run": "1", "created": "2026", "gsd": 10}}
    (maps / "a.json").write_text(json.dumps(item))
    return tmp_path


def test_only_times_of_making_may_differ(trial):
    whole = results(trial / "out")
    item = {"properties": {"created": "2027", "gsd": 10, "hierars:run": "1"}}
    (trial / "out" / "maps" / "a.json").write_text(json.dumps(item))
    assert differences(trial / "out", whole) == []
    item["properties"]["gsd"] = 20
    (trial / "out" / "maps" / "a.json").write_text(json.dumps(item))
    assert differences(trial / "out", whole) == ["maps/a.json"]


def test_a_half_written_and_an_unknown_file_are_seen(trial):
    whole = results(trial / "out")
    (trial / "out" / "maps" / "a.json").unlink()  # not there yet is no fault
    assert half_written(trial / "out", whole) == []
    (trial / "out" / "maps" / "a.tif").write_bytes(b"who")
    (trial / "out" / "maps" / "b.tif").write_bytes(b"")
    assert half_written(trial / "out", whole) == ["maps/a.tif", "maps/b.tif"]


def test_a_damaged_checkpoint_is_seen_and_an_earlier_one_is_not_a_fault(trial):
    path = trial / "out" / "last.ckpt"
    torch.save({"global_step": 2, "state_dict": {"a": torch.ones(2)}}, path)
    whole = results(trial / "out")
    torch.save({"global_step": 1, "state_dict": {"a": torch.zeros(2)}}, path)
    assert half_written(trial / "out", whole) == []
    assert differences(trial / "out", whole) == ["weights of last.ckpt"]
    path.write_bytes(path.read_bytes()[:100])
    assert half_written(trial / "out", whole) == ["last.ckpt (RuntimeError)"]


def test_leftovers_are_seen_beside_results_and_in_the_temporary_folder(trial):
    assert leftovers(trial) == []
    (trial / "out" / ".a.hierars-part").mkdir()
    (trial / "tmp" / "tmpabc").touch()
    assert leftovers(trial) == ["out/.a.hierars-part", "tmp/tmpabc"]


def test_rows_of_the_table():
    assert str(Outcome("a", "b", 0, note="needs root")) == "| a | b | 0 | - | not tried: needs root |"
    bad = Outcome("a", "b", 3, ("one | two",), "fine")
    assert str(bad) == "| a | b | 3 | 2 | NOT SURVIVED: one / two |"
    assert counted(["x", "y", "x"]) == "2 x x, 1 x y"


@pytest.mark.slow
def test_a_short_drill_is_survived(tmp_path):
    options = ["--only", "kill", "clock", "--kills", "1", "--steps", "6"]
    done = subprocess.run(
        [sys.executable, str(DRILL / "drill.py"), *options, "--folder", str(tmp_path)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line for line in done.stdout.splitlines() if line.startswith(("| SIGKILL", "| clock"))]
    assert len(rows) == 10
    assert list(tmp_path.iterdir()) == []
