"""What the documents ask their reader to type: fences of code, and the commands in them."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>[\w+-]*) *\n(?P<body>.*?)^ *``` *$", re.MULTILINE | re.DOTALL
)
_NAMED = re.compile(r"# (?P<name>[\w./-]+\.ya?ml)\n")

#: A fence without a language is one of commands, too.
_SHELL = ("", "sh")


@dataclass(frozen=True)
class Fence:
    """A block of code in a document.

    Attributes:
        document: The Markdown file.
        line: Number of its first line of code, from 1.
        language: What follows the opening backticks; may be empty.
        text: The code, without the indentation of the block.
    """

    document: Path
    line: int
    language: str
    text: str

    @property
    def file_name(self) -> str | None:
        """Name of the file that a block of YAML shows, from its first line ``# NAME.yaml``."""
        named = _NAMED.match(self.text) if self.language == "yaml" else None
        return named["name"] if named else None

    @property
    def commands(self) -> tuple[str, ...]:
        """Commands of a shell block, continued lines joined, without the lines that are comments alone."""
        if self.language not in _SHELL:
            return ()
        lines = self.text.replace("\\\n", " ").splitlines()
        return tuple(line.strip() for line in lines if words_of(line))

    def __str__(self) -> str:
        return f"{self.document.name}:{self.line}"


def documents() -> list[Path]:
    """Return README.md and the pages of docs/, in the order of their names."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def read_fences(document: Path) -> Iterator[Fence]:
    """Yield the blocks of code of a document, in their order."""
    text = document.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        body = re.sub(f"^{found['indent']}", "", found["body"], flags=re.MULTILINE)
        yield Fence(document, text.count("\n", 0, found.start()) + 2, found["language"], body)


def words_of(command: str) -> list[str]:
    """Split a command into words, without comment, variables and `time`; ours begin with hierars-geo."""
    code = re.sub(r"(^|\s)#.*$", "", command)  # first: an apostrophe in a comment is no quotation mark
    words = shlex.split(code)
    while words and (words[0] == "time" or re.fullmatch(r"[A-Z_]+=\S*", words[0])):
        words = words[1:]
    return ["hierars-geo", *words[3:]] if words[:3] == ["python", "-m", "hierars_geo"] else words


def without_code(text: str) -> str:
    """Return Markdown without its blocks and spans of code, line numbers kept."""
    text = _FENCE.sub(lambda found: "\n" * found[0].count("\n"), text)
    return re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", "", text)
