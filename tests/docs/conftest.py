"""Make the reader of the documents importable, as it is for the script that runs their commands."""

import sys
from pathlib import Path

import pytest

DRILL = Path(__file__).parents[1] / "drill"

sys.path.insert(0, str(DRILL))


@pytest.fixture
def lightning_parser(monkeypatch):
    """Let Lightning's parser be used from within Python: it warns where the process has arguments, too."""
    monkeypatch.setattr(sys, "argv", ["hierars-geo"])
