"""Rows of the tables, in Markdown."""

from collections.abc import Iterable, Sequence


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay out a table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def verdict(value: float, target: float) -> str:
    """Say whether a figure, the smaller the better, reaches its target."""
    return "PASS" if value <= target else "short"
