"""Parsers follow from signatures: names, kinds, defaults and help."""

import inspect
import re
from dataclasses import fields
from pathlib import Path
from typing import Literal

import pytest

from hierars_geo.cli import COMMANDS, parser_of
from hierars_geo.cli.options import build_parser
from hierars_geo.cli.predict import run as predict
from hierars_geo.errors import OptionError


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
        (("-o", "o", "--min-area-m2", "much"), "min_area_m2 to be a float, but got much"),
        (("-o", "o", "--batch", "many"), "many"),
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
    from hierars_geo.predict import PredictOptions

    offered = {name: option.default for name, option in inspect.signature(predict).parameters.items()}
    told = {field.name: field.default for field in fields(PredictOptions)}
    assert {name: offered[name] for name in told} == told | {"tta": None}  # --tta may stand without a view
