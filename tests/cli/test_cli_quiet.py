"""How much commands say: nothing but errors and printed results with --quiet, no flood of notes without."""

import io
import re
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest
import rasterio

from hierars_geo.cli import COMMANDS, main
from hierars_geo.cli.progress import LINE_EVERY_S, ProgressLines
from hierars_geo.cli.verbosity import MOST_ALIKE, Verbosity, is_quiet
from hierars_geo.errors import HieraRSWarning

CATALOG = Path(__file__).parents[2] / "data_catalog"


def said(capfd, *arguments, status=0):
    """Run a command; everything that reached the two streams of the process, from C code as well."""
    capfd.readouterr()
    assert main([str(each) for each in arguments]) == status
    sys.stdout.flush()
    return tuple(capfd.readouterr())


def test_a_whole_way_says_nothing(workplace, tmp_path, capfd):
    """A bar and a summary that the configuration asks for are silent, too; notes are left out."""
    bar = {"class_path": "lightning.pytorch.callbacks.RichProgressBar"}
    config = workplace.config(
        tmp_path,
        trainer__enable_progress_bar=True,
        trainer__enable_model_summary=True,
        trainer__callbacks=[bar],
    )
    image, labels = tmp_path / "test_0_S2.tif", workplace.labels(workplace.test)
    with rasterio.open(workplace.image(workplace.test)) as source:
        profile = {
            name: source.profile[name] for name in ("crs", "transform", "count", "height", "width", "dtype")
        }
        with rasterio.open(image, "w", **profile, nodata=source.nodata) as target:
            target.write(source.read())
            target.descriptions = source.descriptions
            target.scales = (1e-4,) * source.count  # worth a note
    maps, checkpoint = tmp_path / "maps", tmp_path / "kept" / "last.ckpt"
    tree = tmp_path / "tree.yaml"
    tree.write_text((CATALOG / "taxonomies" / "mm5b.yaml").read_text().replace("Airport", "Airfield"))
    commands = [
        ("synth", tmp_path / "scenes", "--size-m", 640, "--sensors", "sentinel2", "--scenes", 1),
        ("fit", "--config", config, "--checkpoint.dirpath", checkpoint.parent),
        ("predict", checkpoint, image, "-o", maps, "--device", "cpu"),
        ("vectorize", maps, "-o", tmp_path / "scene.gpkg"),
        ("areas", maps, "--by", tmp_path / "scene.gpkg", "--layer", "L1", "-o", tmp_path / "areas.csv"),
        ("sample", maps, "-o", tmp_path / "points.gpkg", "--points", 100, "--min-per-class", 2),
        ("evaluate", maps, labels, "--taxonomy", "mm5b", "-o", tmp_path / "metrics.json"),
        ("expand", checkpoint, "--taxonomy", tree, "-o", tmp_path / "more.ckpt"),
        ("report", maps),
        ("catalog", "build", tmp_path / "scenes", "-o", tmp_path / "catalog"),
    ]
    for command in commands:
        assert said(capfd, *command, "--quiet") == ("", ""), command[0]
    for name in (
        "scene.gpkg",
        "areas.csv",
        "points.gpkg",
        "metrics.json",
        "more.ckpt",
        "catalog",
        "maps/report.html",
    ):
        assert (tmp_path / name).exists(), name
    again = ("predict", checkpoint, image, "-o", maps, "--device", "cpu")
    shown, notes = said(capfd, *again, "--overwrite")
    assert "test_0_S2_L1.tif\n" in shown
    assert re.fullmatch("hierars-geo: note: .*\n", notes)
    shown, error = said(capfd, "--quiet", *again, status=1)  # the maps exist
    assert not shown
    assert re.fullmatch("hierars-geo: Expected .*\n", error)
    scores = said(capfd, "test", "--config", config, "--ckpt_path", checkpoint, "--quiet")
    assert "test/mIoU_L3" in scores[0]
    assert not scores[1]


def test_what_a_command_is_there_to_print_is_printed(capfd):
    for command in (
        ("taxonomy", "show", "mm5b"),
        ("catalog", "list"),
        ("predict", "--help"),
        ("fit", "--help"),
    ):
        shown, notes = said(capfd, *command, "--quiet")
        assert shown == said(capfd, *command)[0]
        assert len(shown.splitlines()) > 5
        assert not notes


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_names_the_options_that_all_commands_have(command, capfd):
    shown, _ = said(capfd, command, "--help")
    assert re.search(r"^every command:\n  --quiet .*\n  --debug ", shown, re.MULTILINE)


def test_the_options_may_stand_anywhere_but_after_two_dashes():
    assert Verbosity.take(["a", "--quiet", "b", "--", "--debug"]) == (
        Verbosity(quiet=True),
        ["a", "b", "--", "--debug"],
    )
    with Verbosity(quiet=True).of(["predict"]):
        assert is_quiet()
    assert not is_quiet()


def test_one_note_of_ten_thousand_scenes_is_no_flood(capfd):
    with Verbosity().of(["predict"]):
        for number in range(10_000):
            warnings.warn(
                f"tile_{number}: pixels of {number} m, trained on 10 m.", HieraRSWarning, stacklevel=1
            )
        warnings.warn("tile_9: no pixel holds data.", HieraRSWarning, stacklevel=1)
        warnings.warn("what a library thinks", UserWarning, stacklevel=1)
    lines = capfd.readouterr().err.splitlines()
    assert lines[0] == "hierars-geo: note: tile_0: pixels of 0 m, trained on 10 m."
    assert len(lines) == MOST_ALIKE + 2
    assert lines[-2].endswith("like the last ones follow and are left out; --debug shows all.")
    assert lines[-1] == "hierars-geo: note: tile_9: no pixel holds data."


def test_logs_get_a_line_a_minute(monkeypatch):
    stream, now = io.StringIO(), [0.0]
    monkeypatch.setattr(sys, "stderr", stream)
    update = ProgressLines("predict scene.tif", clock=lambda: now[0])
    for step in range(1, 61):
        now[0] = step * LINE_EVERY_S / 20
        update(step, 60)
    assert stream.getvalue().splitlines() == [
        "predict scene.tif: 20 of 60, 2 min left",
        "predict scene.tif: 40 of 60, 1 min left",
        "predict scene.tif: 60 of 60, 0 min left",
    ]


def test_a_message_of_gdal_that_is_no_text_is_no_traceback(monkeypatch):
    """What rasterio's handler of GDAL's messages cannot decode ends as an exception that nobody can catch."""
    others = []
    monkeypatch.setattr(sys, "unraisablehook", others.append)
    handler, no_text = (
        "rasterio._env.log_error",
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    )
    undecodable = SimpleNamespace(object=handler, exc_value=no_text)
    fault = SimpleNamespace(object=handler, exc_value=ValueError("of the handler itself"))
    another = SimpleNamespace(object=print, exc_value=no_text)
    with Verbosity().of(["predict"]):
        sys.unraisablehook(undecodable)
        sys.unraisablehook(fault)
        sys.unraisablehook(another)
    assert others == [fault, another]
    assert sys.unraisablehook == others.append


def test_a_log_says_what_goes_on_after_all_is_counted(monkeypatch):
    stream, now = io.StringIO(), [0.0]
    monkeypatch.setattr(sys, "stderr", stream)
    update = ProgressLines("predict x", "write the maps of x", clock=lambda: now[0])
    for step in (1, 2):
        now[0] = step * LINE_EVERY_S
        update(step, 2)
    assert stream.getvalue().splitlines() == ["predict x: 1 of 2, 1 min left", "write the maps of x"]
