"""Guided chance: atheris changes bytes towards code that has not run yet, for a bounded time.

Run: make fuzz (or python tests/drill/fuzz.py; it needs atheris). ``--seconds`` is the time of each
target (120), ``--only`` takes some of them: trees (class trees as YAML), options (the command line), headers
(rasters whose bytes are changed from the header on). Each runs in a process of its own, as a crash in GDAL's
C code ends it. Whatever is neither accepted nor refused in words of our own is a finding: its bytes are kept
in the corpus folder, and the status is 1.
"""

import argparse
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import atheris

NAMES = ("trees", "options", "headers")
#: Longest input in bytes.
_LONGEST = 4096
#: Seconds after which an input is taken to hang.
_HANGS = 60
_MOST_MEMORY_MIB = 6144


def fuzz(name: str, flags: list[str]) -> None:
    """Be the process of one target, which libFuzzer ends."""
    # what is imported from here on tells which of its branches have run
    with atheris.instrument_imports(include=["hierars_geo", "yaml"], enable_loader_override=False):
        from fuzz_targets import TARGETS

        from hierars_geo.errors import HieraRSError
    body, good = TARGETS[name]

    def refused_or_accepted(data: bytes) -> None:
        with contextlib.suppress(HieraRSError):
            body(data)

    body(good())  # which nothing may refuse
    start = Path(flags.pop())
    start.mkdir(parents=True, exist_ok=True)
    (start / "good").write_bytes(good())
    atheris.Setup([sys.argv[0], *flags, str(start)], refused_or_accepted)
    atheris.Fuzz()


def run_target(name: str, seconds: int, corpus: Path) -> tuple[str, bool]:
    """Fuzz one target in a process and folder of its own.

    Returns:
        A line of the table, and whether nothing was found.
    """
    folder = corpus / name
    corpus.mkdir(parents=True, exist_ok=True)
    flags = [
        *(f"-max_total_time={seconds}", f"-max_len={_LONGEST}", f"-timeout={_HANGS}", "-print_final_stats=1"),
        *(f"-rss_limit_mb={_MOST_MEMORY_MIB}", f"-artifact_prefix={corpus.resolve()}/{name}-"),
        str(folder.resolve()),
    ]
    words = [sys.executable, str(Path(__file__).resolve()), "--target", name, *flags]
    with tempfile.TemporaryDirectory(prefix="fuzz-") as place:
        done = subprocess.run(words, cwd=place, capture_output=True, text=True, errors="replace")
    log = done.stdout + done.stderr
    tried = re.findall(r"number_of_executed_units: (\d+)", log)
    covered = re.findall(r"cov: (\d+)", log)
    if done.returncode:
        sys.stderr.write(log[-4000:] + "\n")
    cells = (name, tried[-1] if tried else "?", covered[-1] if covered else "?")
    return f"| {' | '.join(cells)} | {'FOUND' if done.returncode else 'nothing'} |", done.returncode == 0


def main() -> int:
    """Run the targets, print a table."""
    if sys.argv[1:2] == ["--target"]:
        fuzz(sys.argv[2], sys.argv[3:])
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, help="targets (default: all)")
    parser.add_argument("--seconds", type=int, default=120, help="for each target (default: 120)")
    parser.add_argument("--corpus", type=Path, help="folder that keeps inputs (default: a temporary one)")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    corpus = options.corpus or Path(tempfile.mkdtemp(prefix="corpus-"))
    print("| target | inputs | branches reached | found |\n|---|---:|---:|---|", flush=True)
    clean = True
    for name in options.only:
        line, good = run_target(name, options.seconds, corpus)
        print(line, flush=True)
        clean = clean and good
    if not clean:
        print(f"Inputs: {corpus}", file=sys.stderr)
    elif options.corpus is None:
        shutil.rmtree(corpus)
    return int(not clean)


if __name__ == "__main__":
    sys.exit(main())
