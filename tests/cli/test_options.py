"""Parsers follow from signatures: names, kinds, defaults and help; options of 0.1 name the new one."""

import inspect
import pickle
import re
from dataclasses import fields
from pathlib import Path
from typing import Literal

import pytest

from hierars_geo.cli import COMMANDS, main, parser_of
from hierars_geo.cli.options import build_parser
from hierars_geo.cli.predict import options_of
from hierars_geo.cli.predict import run as predict
from hierars_geo.errors import OptionError
from hierars_geo.predict.options import PredictOptions, WindowOptions


def work(
    source: str,
    more: list[Path],
    *,
    out: Path,
    min_area_m2: float = 1.5,
    box: tuple[float, float] | None = None,
    batch: int | Literal["auto"] = 4,
    views: list[Literal["flips", "turns"]] | bool | None = None,
    harmonize: bool | None = None,
    smooth: bool = False,
) -> int:
    """Do some work.

    It takes a while.

    Args:
        source: What is read, 50 % of it.
        more: Others.
        out: Where to.
        min_area_m2: Smallest area
            of a region.
        box: Left and right (default: all).
        batch: How many.
        views: Which.
        harmonize: As older ones.
        smooth: Rounder.
    """
    return 0


@pytest.fixture
def parse():
    parser = build_parser(work, "work", "examples:\n  hierars-geo work a b -o c\n")
    return lambda *words: vars(parser.parse_args(["a.tif", "b", "c", *words]))


def test_what_is_not_given_is_as_the_signature_says(parse):
    signature = inspect.signature(work).parameters
    given = parse("-o", "x/y")
    assert given.pop("source") == "a.tif"
    assert given.pop("more") == [Path("b"), Path("c")]
    assert given.pop("out") == Path("x/y")
    assert given == {name: signature[name].default for name in given}


def test_kinds_decide_what_is_taken(parse):
    given = parse(
        "--out", "o", "--box", "-1", "2.5", "--batch", "auto", "--views", "--no-harmonize", "--smooth"
    )
    assert (given["box"], given["batch"], given["views"]) == ([-1.0, 2.5], "auto", [])
    assert (given["harmonize"], given["smooth"]) == (False, True)
    assert parse("-o", "o", "--views", "turns", "flips", "--batch", "8")["views"] == ["turns", "flips"]
    assert parse("-o", "o", "--batch", "8", "--harmonize")["batch"] == 8


@pytest.mark.parametrize(
    ("words", "match"),
    [
        ((), "out. See hierars-geo work --help"),
        (("-o", "o", "--views", "mirrors"), "mirrors"),
        (("-o", "o", "--min-area-m2", "much"), "Expected --min-area-m2 to be a number, but got 'much'"),
        (("-o", "o", "--batch", "many"), "Expected --batch to be a whole number or auto, but got 'many'"),
        (("-o", "o", "--smo"), "--smo"),
        (("-o", "o", "--no-smooth"), "--no-smooth"),
        (("-o", "o", "--min_area_m2", "1"), "--min_area_m2"),
    ],
)
def test_what_is_wrong_is_one_line(parse, words, match):
    with pytest.raises(OptionError, match=match):
        parse(*words)


def test_help_is_the_docstring_and_the_defaults():
    text = " ".join(build_parser(work, "work").format_help().split())
    assert "Do some work. It takes a while. positional arguments:" in text
    for said in ("What is read, 50 % of it.", "Smallest area of a region (default: 1.5).", "(default: all)."):
        assert said in text
    # Python 3.13 says the value once
    assert re.search(r"-o( OUT)?, --out OUT Where to\. --min-area-m2", text)


def test_every_option_of_every_command_is_explained():
    for command in set(COMMANDS) - {"fit", "validate", "test"}:
        parser = parser_of(command)
        choices = [action.choices for action in parser._actions if action.dest == "subcommand"]
        for one in (parser, *(sub for choice in choices for sub in choice.values())):
            assert [
                action.dest for action in one._actions if not action.help and action.dest != "subcommand"
            ] == []


def test_predict_offers_what_a_prediction_may_be_told():
    """And what is not said is as in Python; a list of the command line is a tuple of the options."""
    plain = vars(parser_of("predict").parse_args(["m.ckpt", "a.tif", "-o", "maps"]))
    own = set(inspect.signature(predict).parameters)
    told = {name: value for name, value in plain.items() if name not in own}
    assert set(told) == set(PredictOptions().to_dict())
    assert options_of(told) == PredictOptions()
    words = ["--levels", "1", "3", "--tta", "turns", "--bands", "2", "1", "--batch-size", "auto"]
    words += ["--nodata", "nan", "--no-harmonize"]
    given = vars(parser_of("predict").parse_args(["m.ckpt", "a.tif", "-o", "maps", *words]))
    options = options_of({name: value for name, value in given.items() if name not in own})
    assert (options.output.levels, options.network.tta, options.reading.bands) == ((1, 3), ("turns",), (2, 1))
    assert (options.windows.batch_size, options.reading.harmonize) == ("auto", False)
    assert options.to_dict()["nodata"] == "nan"
    hash(options)


def test_options_of_a_prediction_are_given_in_groups_or_by_name():
    windows = WindowOptions(window=64, overlap=0.5)
    options = PredictOptions(windows=windows, confidence=True, overlap=0.0)
    assert options == PredictOptions(window=64, overlap=0.0, confidence=True)
    assert options.replaced(overlap=0.5).windows == windows
    assert pickle.loads(pickle.dumps(options)) == options
    with pytest.raises(OptionError, match=r"known option of a prediction, but got 'confidance'.*confidence"):
        PredictOptions(confidance=True)
    for group in (PredictOptions, *(type(value) for value in vars(options).values())):
        assert len(fields(group)) <= 15


@pytest.mark.parametrize(
    ("options", "new"),
    [
        ("lr: 0.1", "optimizer.lr"),
        ("warmup_steps: 3", "schedule.warmup_steps"),
        ("loss: hcc", "loss.name"),
        ("class_weights: inverse", "loss.class_weights"),
        ("encoder_weights: imagenet", "start.encoder_weights"),
        ("start_checkpoint: a.ckpt", "start.checkpoint"),
        ("start: backbone", "start.parts"),
        ("heads: 4", "interaction.heads"),
    ],
)
def test_an_option_of_0_1_names_its_new_place(options, new, tmp_path, capsys):
    path = tmp_path / "old.yaml"
    path.write_text(f"model: {{class_path: hierars_geo.tasks.BHCCMTask, init_args: {{{options}}}}}\n")
    assert main(["fit", "--config", str(path)]) == 2
    old = options.partition(":")[0]
    assert f"version 0.1 (in {path}). Rename them: model: {old} -> {new}." in capsys.readouterr().err


def test_the_command_line_is_told_too(tmp_path, capsys):
    path = tmp_path / "new.yaml"
    path.write_text("model: {class_path: hierars_geo.tasks.BHCCMTask, init_args: {loss: {name: hcc}}}\n")
    for option in (["--model.init_args.lr", "0.1"], ["--model.lr=0.1"]):
        assert main(["fit", "--config", str(path), *option]) == 2
        assert "the command line). Rename them: model: lr -> optimizer.lr." in capsys.readouterr().err
