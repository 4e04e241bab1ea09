"""Run the commands of README.md and docs/*.md, and their Python, on small generated scenes.

    python tests/drill/docs_commands.py [README.md howto.md ...] [--keep FOLDER] [--list]

Each document is followed from top to bottom in a folder of its own, as a reader would: blocks of YAML that
show a file are written, commands and blocks of Python are run. ``docs_commands.yaml`` says which files stand
in for the reader's own, how trainings are cut short, and which commands are left out and why. A table says
what became of each; the status is 1 where one failed. Takes about ten minutes on two cores.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from documents import ROOT, Fence, documents, read_fences, words_of
from programs import end, finish_forked, finish_in_shell, free_port, in_shell, listens, words_in_shell
from stand_ins import MAKERS, GeneratedPlace

RULES = yaml.safe_load((Path(__file__).parent / "docs_commands.yaml").read_text(encoding="utf-8"))

#: Where a block of Python is written to be run.
BLOCK = "block.py"

#: The address of a Dask scheduler in the documents.
SCHEDULER = "ADDRESS:8786"


@dataclass(frozen=True)
class Outcome:
    """What became of a command.

    Attributes:
        where: Document and line.
        what: The command as it stands there.
        status: ran, failed or left out.
        seconds: How long it took.
        note: The reason, or the last lines that it wrote.
    """

    where: str
    what: str
    status: str
    seconds: float = 0.0
    note: str = ""

    def __str__(self) -> str:
        note = "".join(f"\n    {line}" for line in self.note.splitlines())
        return f"{self.status:<8} {self.seconds:6.1f} s  {self.where:<16} {self.what}{note}"


class Walk:
    """Follows one document.

    Args:
        document: The document.
        folder: Its folder; the commands find experiments/ and the data beside the repository as they expect.
        place: What stand-ins are made of.
    """

    def __init__(self, document: Path, folder: Path, place: GeneratedPlace) -> None:
        self.document, self.folder, self.place = document, folder, place
        self.stand_ins: dict[str, dict[str, str]] = RULES["stand_ins"].get(document.name, {})
        self.port = free_port()
        self.services: list[subprocess.Popen[str]] = []
        if folder.exists():  # of an earlier run with --keep
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        (folder / "experiments").symlink_to(ROOT / "experiments")
        shared = folder.parent / "shared"
        if not shared.exists() and (ROOT.parent / "shared").is_dir():
            shared.symlink_to(ROOT.parent / "shared")

    def outcomes(self) -> Iterator[Outcome]:
        """Run what the document says, and yield what became of it."""
        try:
            for fence in read_fences(self.document):
                if fence.file_name:
                    (self.folder / fence.file_name).write_text(fence.text, encoding="utf-8")
                elif fence.language == "python":
                    yield self._python(fence)
                for command in fence.commands:
                    yield self._command(f"{self.document.name}:{fence.line}", command)
        finally:
            for service in self.services:
                end(service)

    def _python(self, fence: Fence) -> Outcome:
        (self.folder / BLOCK).write_text(
            RULES["given"].get(self.document.name, "") + fence.text, encoding="utf-8"
        )
        first = fence.text.splitlines()[0]
        return self._run(str(fence), f"(Python) {first} ...", f"python {BLOCK}", fence.text)

    def _command(self, where: str, command: str) -> Outcome:
        return self._run(where, command, self._shortened(command), command)

    def _run(self, where: str, shown: str, command: str, needs: str) -> Outcome:
        for rule in RULES["exceptions"]:
            if re.search(rule["match"], needs) and not ("unless" in rule and self._holds(rule["unless"])):
                return Outcome(where, shown, "left out", note=rule["why"])
        started = time.monotonic()
        try:
            self._provide(needs)
            problem = self._follow(command)
        except (OSError, RuntimeError) as error:  # a stand-in cannot be made; the next command may do without
            problem = f"{type(error).__name__}: {error}"
        status = "failed" if problem else "ran"
        note = f"as: {command}\n{problem}" if problem else ""
        return Outcome(where, shown, status, time.monotonic() - started, note)

    def _follow(self, command: str) -> str:
        """Run a command in the way that fits it; return what went wrong."""
        if re.search(RULES["pages"], command):
            return self._open_page(command)
        if re.search(RULES["services"], command):
            return self._serve(command)
        words = words_in_shell(command, self.folder)
        if words[0] == "hierars-geo" or words[:2] == ["python", BLOCK]:
            return finish_forked(words, self.folder)
        return finish_in_shell(command, self.folder)

    def _provide(self, text: str) -> None:
        """Make the stand-ins that a command, a block of Python, or a file that it names, mentions."""
        for shown in self.folder.glob("*.yaml"):
            if shown.name in text:
                text += shown.read_text(encoding="utf-8")
        for name, source in self.stand_ins.items():
            target = self.folder / name
            if target.exists() or not re.search(rf"(?<![\w./-]){re.escape(name)}(?![\w.-])", text):
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            self._make(source, target, name.endswith("/"))
            self._provide(name)

    def _make(self, source: dict[str, str], target: Path, is_folder: bool) -> None:
        if "make" in source:
            MAKERS[source["make"]](self.place, target)
            return
        if "shared" in source:
            target.symlink_to(self.folder.parent / "shared" / "data" / source["shared"])
            return
        path = self.folder / source["here"] if "here" in source else self.place.find(source["copy"])
        if path.is_dir():
            shutil.copytree(path, target)
        else:
            if is_folder:
                target.mkdir()
            shutil.copy(path, target)

    def _shortened(self, command: str) -> str:
        code = re.sub(r"\s+#.*$", "", command).replace(SCHEDULER, f"127.0.0.1:{self.port}")
        for rule in RULES["short"]:
            if re.search(rule["match"], command) and rule.get("in", self.document.name) == self.document.name:
                code = code.replace(*rule["replace"]) if "replace" in rule else f"{code} {rule['add']}"
        return code

    def _holds(self, condition: str) -> bool:
        return in_shell(condition, self.folder).wait() == 0

    def _open_page(self, command: str) -> str:
        """Start a page, ask for it, and end it as Ctrl-C does."""
        for option in ("--no-browser", "--port 0"):
            command += "" if option.split()[0] in command else f" {option}"
        process = in_shell(command, self.folder)
        assert process.stdout is not None  # PIPE was asked for
        try:
            lines = iter(process.stdout.readline, "")
            address = next((line.strip() for line in lines if line.startswith("http://")), "")
            if not address:
                return f"no address; status {process.wait()}"
            with urllib.request.urlopen(address, timeout=60) as page:
                return "" if page.status == 200 and b"<html" in page.read().lower() else "no page"
        finally:
            end(process, signal.SIGINT)

    def _serve(self, command: str) -> str:
        """Start a part of Dask that the next commands use."""
        options = (
            f" --host 127.0.0.1 --port {self.port} --no-dashboard"
            if "scheduler" in command
            else " --no-dashboard"
        )
        self.services.append(in_shell(command + options, self.folder, subprocess.DEVNULL))
        if "scheduler" in command and not listens(self.port):
            return "does not listen"
        return "" if self.services[-1].poll() is None else "ended at once"


def unused_rules(fences: Sequence[Fence]) -> list[str]:
    """Return the rules that fit no command and no block of Python any more."""
    commands = [command for fence in fences for command in fence.commands]
    blocks = [fence.text for fence in fences if fence.language == "python" and not fence.file_name]
    fitting = [(rule, [*commands, *blocks]) for rule in RULES["exceptions"]]
    fitting += [(rule, commands) for rule in RULES["short"]]
    return [rule["match"] for rule, texts in fitting if not any(re.search(rule["match"], t) for t in texts)]


def main(argv: Sequence[str]) -> int:
    """Run the documents that are named, or all.

    Returns:
        0, or 1 where a command failed or a rule fits none.
    """
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("documents", nargs="*", help="names of documents (default: all)")
    p.add_argument(
        "--keep",
        type=Path,
        help="folder to work in; what it holds of generated scenes is used again (default: a temporary one)",
    )
    p.add_argument("--list", action="store_true", help="only list the commands")
    args = p.parse_args(argv)
    chosen = [path for path in documents() if not args.documents or path.name in args.documents]
    fences = [fence for document in documents() for fence in read_fences(document)]
    if args.list:
        for fence in fences:
            for command in fence.commands:
                sys.stdout.write(f"{fence}  {' '.join(words_of(command))}\n")
        return 0
    if unused := unused_rules(fences):
        sys.stderr.write(f"docs_commands.py: rules that fit nothing: {', '.join(unused)}\n")
        return 1
    with tempfile.TemporaryDirectory(prefix="docs-commands-") as scratch:
        return _run_all(chosen, args.keep or Path(scratch))


def _run_all(chosen: Sequence[Path], folder: Path) -> int:
    published = folder.resolve() / "published"
    shutil.rmtree(published, ignore_errors=True)  # of an earlier run with --keep
    os.environ["HIERARS_GEO_MODELS"] = str(published)  # not among the user's own
    place = GeneratedPlace(folder / "generated")
    counts: Counter[str] = Counter()
    for document in chosen:
        for outcome in Walk(document, folder / "documents" / document.stem, place).outcomes():
            counts[outcome.status] += 1
            sys.stdout.write(f"{outcome}\n")
            sys.stdout.flush()
    sys.stdout.write(", ".join(f"{count} {status}" for status, count in sorted(counts.items())) + "\n")
    return int(counts["failed"] > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
