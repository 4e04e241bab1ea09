"""The catalog on the command line: what it prints, and one line with a status for what is wrong."""

import pytest

from hierars_geo.cli import main


def test_list_and_show_say_what_is_known(capsys):
    assert main(["catalog", "list"]) == 0
    assert "five_billion_pixels" in capsys.readouterr().out
    assert main(["catalog", "show", "five_billion_pixels"]) == 0
    shown = capsys.readouterr().out
    assert "Tong, Xia, Zhu" in shown
    assert "irrigated field" in shown


def test_build_then_validate_then_find_what_changed(workplace, tmp_path, capsys):
    scenes = workplace.folder / "scenes"
    out = str(tmp_path / "catalog")
    assert main(["catalog", "build", str(scenes), "-o", out]) == 0
    assert "2 items, 4 files, 0 left out" in capsys.readouterr().out
    assert main(["catalog", "validate", out]) == 0
    assert capsys.readouterr().out.startswith("OK ")
    item = tmp_path / "catalog" / "train_0_S2" / "train_0_S2.json"
    item.write_text(item.read_text().replace("EPSG:32650", "EPSG:32651"))
    assert main(["catalog", "validate", out]) == 1
    said = capsys.readouterr()
    assert "train_0_S2.tif: crs: expected EPSG:32651" in said.out
    assert "2 problems" in said.err


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["show", "mm5c"], 1, "Did you mean: mm5b"),
        (["build", "nowhere", "-o", "c"], 1, "Expected nowhere to be a folder"),
        (["validate", "nowhere"], 1, "catalog build DIR"),
        (["assemble", "--labels", "x", "-o", "out"], 1, "Give --gf2, --s2 or --google"),
        (["assemble", "--s2", "x", "--labels", "x", "-o", "out"], 1, "Expected x to exist"),
        (["assemble", "--s2", "x", "--labels", "x", "-o", "out", "--split", "1", "1", "1"], 2, "sum 1"),
        (["assemble", "--s2", "x", "-o", "out"], 2, "labels"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(arguments, status, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["catalog", *arguments]) == status
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
