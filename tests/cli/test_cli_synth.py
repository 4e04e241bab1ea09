"""``hierars-geo synth``: the scenes it writes, and what it refuses."""

from pathlib import Path

import pytest

from hierars_geo.cli import main

SMALL = ["--scenes", "1", "--size-m", "500", "--sensors", "sentinel2"]


def test_writes_training_test_and_crop_scenes_and_lists_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["synth", str(tmp_path), *SMALL, "--crops"]) == 0
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    names = ("train_0", "test_0", "crop_train", "crop_test")
    assert written == {f"{name}/{name}_{part}.tif" for name in names for part in ("S2", "labels")}
    listed = capsys.readouterr().out.split()
    assert {str(Path(line).relative_to(tmp_path)) for line in listed} == written


def test_a_season_lies_beside_the_crop_scenes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["synth", str(tmp_path), *SMALL, "--crops", "--dates", "2"]) == 0
    seasons = {path.stem for path in tmp_path.glob("crop_*/season/*.tif")}
    assert seasons
    assert {f"{stem}_SCL" for stem in seasons if stem.endswith("_S2")} < seasons
    assert seasons <= {Path(line).stem for line in capsys.readouterr().out.split()}
    assert main(["synth", str(tmp_path), *SMALL, "--crops", "--dates", "2"]) == 1


def test_keeps_existing_scenes_unless_told_otherwise(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    standing = tmp_path / "test_0" / "test_0_labels.tif"
    standing.parent.mkdir()
    standing.write_text("mine")
    assert main(["synth", str(tmp_path), *SMALL]) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert standing.read_text() == "mine"
    assert not (tmp_path / "train_0").exists()
    assert main(["synth", str(tmp_path), *SMALL, "--overwrite"]) == 0
    assert standing.read_bytes()[:2] == b"II"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--size-m", "505"], "Take 500"),
        (["--scenes", "0"], "scenes to be 1 or more"),
        (["--seed", "-1"], "seed to be 0 or more"),
        (["--haze", "2"], "haze to be within 0..1"),
        (["--sensors", "landsat"], "landsat"),
        (["--dates", "4"], "Expected --crops with --dates"),
        (["--crops", "--dates", "93"], "dates to be 0..92"),
    ],
)
def test_wrong_options_exit_with_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert main(["synth", str(tmp_path / "out"), *options]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
