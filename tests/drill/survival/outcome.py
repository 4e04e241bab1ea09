"""What a fault did to a command, and the table of all of them."""

from collections.abc import Iterable
from dataclasses import dataclass

HEADER = "| fault | command | tried | survived | outcome |\n|---|---|---:|---:|---|"


@dataclass(frozen=True)
class Outcome:
    """One row of the table.

    Attributes:
        fault: What was done to the command.
        command: Which one.
        tried: How often; 0 where it could not be tried here.
        problems: What went wrong, one text for each time that was not survived.
        note: What was seen.
    """

    fault: str
    command: str
    tried: int
    problems: tuple[str, ...] = ()
    note: str = ""

    @property
    def survived(self) -> int:
        """How often all was as it has to be."""
        return self.tried - len(self.problems)

    def __str__(self) -> str:
        """A row of Markdown."""
        if not self.tried:
            return f"| {self.fault} | {self.command} | 0 | - | not tried: {self.note} |"
        text = self.note if not self.problems else f"NOT SURVIVED: {self.problems[0]}"
        cells = (self.fault, self.command, str(self.tried), str(self.survived), text)
        return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"


def counted(texts: Iterable[str]) -> str:
    """List what was seen, how often: ``3 refused, 2 finished``."""
    seen: dict[str, int] = {}
    for text in texts:
        seen[text] = seen.get(text, 0) + 1
    return ", ".join(f"{count} x {text}" for text, count in seen.items())


__all__ = ("HEADER", "Outcome", "counted")
