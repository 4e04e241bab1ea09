"""A case of the corpus of bad input: what is made, what is called, how it has to end."""

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

#: What commands say of themselves begins with this; anything else on stderr is a library's noise.
OURS = "hierars-geo: "


@dataclass(frozen=True)
class Bench:
    """Good files that every case may use.

    Attributes:
        folder: Where they lie.
        words: Placeholder in command lines -> path.
    """

    folder: Path
    words: dict[str, str]

    def __getitem__(self, word: str) -> Path:
        return Path(self.words[word])


@dataclass(frozen=True)
class Case:
    """One case.

    Attributes:
        name: Unique, in words.
        command: Arguments; capital words are good files, ``@name`` a file that ``make`` wrote, ``OUT`` a
            folder that does not exist.
        make: Called with (folder, bench) before the command; None where the good files are enough.
        status: 0 success, 1 the work failed, 2 called wrongly.
        says: Pattern of the one line of a refusal, or of a note of a success.
        check: Called with (folder, bench) after a success: looks at the result.
    """

    name: str
    command: str
    make: Callable[[Path, Bench], object] | None = None
    status: int = 0
    says: str = ""
    check: Callable[[Path, Bench], None] | None = None

    @property
    def words(self) -> list[str]:
        return shlex.split(self.command)


def place(word: str, folder: Path, bench: Bench) -> str:
    """Write a word of a command line out."""
    if word in bench.words:
        return bench.words[word]
    if word == "OUT" or word.startswith("OUT/"):
        return str(folder / "out") + word.removeprefix("OUT")
    return word.replace("@", f"{folder}/")


def settle(case: Case, status: int, stdout: str, stderr: str, folder: Path, bench: Bench) -> None:
    """Hold the outcome to the case: its status, its line, and nothing under a final name after a refusal."""
    lines = stderr.splitlines()
    assert "Traceback" not in stderr + stdout, stderr
    assert all(line.startswith(OURS) for line in lines), stderr
    assert status == case.status, (status, stderr)
    if case.status == 0:
        assert re.search(case.says, stderr), stderr
        assert case.check is not None or stdout, "a success that nothing looks at"
        if case.check is not None:
            case.check(folder, bench)
        return
    refusals = [line for line in lines if not line.startswith(f"{OURS}note: ")]
    assert len(refusals) == 1, stderr
    assert re.search(case.says, refusals[0]), refusals[0]
    assert "--debug" not in refusals[0], f"a library's words: {refusals[0]}"
    assert len(refusals[0]) < 1200, len(refusals[0])
    out = folder / "out"
    assert not out.is_dir() or not _visible_files(out), list(out.rglob("*"))


def _visible_files(folder: Path) -> list[Path]:
    """Files under a final name: not those in the hidden folder that a run may be resumed from."""
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
