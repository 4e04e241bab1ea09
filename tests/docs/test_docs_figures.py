"""Figures of README.md and docs/choose.md stand on the pages that say how they were measured."""

import re

import pytest
from documents import ROOT

#: A decimal number; those of one statement, such as a mean and its deviation, together.
FIGURES = re.compile(r"\d+\.\d+(?: (?:±|/) \d+\.\d+)*")


def _text(name):
    return (ROOT / name).read_text(encoding="utf-8").replace("**", "")


def _missing(text):
    """Figures of a text that neither page holds; their tables' cells count as side by side."""
    measured = (_text("docs/results.md") + _text("docs/benchmarks.md")).replace(" | ", " / ")
    found = dict.fromkeys(FIGURES.findall(text))
    assert len(found) > 20
    return [f for f in found if not re.search(rf"(?<![\d.]){re.escape(f)}(?!\.?\d)", measured)]


@pytest.mark.parametrize(("name", "begin"), [("README.md", "## Results"), ("docs/choose.md", "| question")])
def test_figures_stand_where_they_were_measured(name, begin):
    text = _text(name)
    shown = text[text.index(begin) :].split("Speed and memory")[0]  # ratios of times that benchmarks.md holds
    assert _missing(shown) == []
    assert _missing(shown + " 12.34 ± 0.99") == ["12.34 ± 0.99"]
