"""The table of cases, read from cases.yaml."""

from dataclasses import dataclass
from pathlib import Path

import yaml


@dataclass(frozen=True)
class Case:
    """One case.

    Attributes:
        id: Page and number.
        page: What the page is about.
        words: What is tried.
        nodes: Tests that hold it, ``FILE::TEST`` or ``FILE::TEST[PARAMETER]``.
        left: Why nothing holds it; empty where tests do.
    """

    id: str
    page: str
    words: str
    nodes: tuple[str, ...]
    left: str


def read_cases() -> tuple[Case, ...]:
    """Read every case, in order."""
    pages = yaml.safe_load(Path(__file__).with_name("cases.yaml").read_text(encoding="utf-8"))
    return tuple(
        Case(name, page, entry["try"], tuple(entry.get("held", ())), entry.get("left", ""))
        for page, cases in pages.items()
        for name, entry in cases.items()
    )
