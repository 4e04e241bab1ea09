"""Start what a document says: in a shell, or in a process that has the heavy packages imported already."""

import multiprocessing
import os
import re
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

#: A command that takes longer hangs, in seconds.
TIMEOUT_S = 1200

#: Imported once; importing them takes longer than most commands.
PRELOADED = ["hierars_geo.cli.training_cli", "hierars_geo.export", "hierars_geo.report", "hierars_geo.vector"]

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(PRELOADED)


def in_shell(command: str, folder: Path, output: int | IO[str] = subprocess.PIPE) -> subprocess.Popen[str]:
    """Start a line of a document as its reader would, in a group of processes of its own."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.Popen(
        ["/bin/bash", "-c", command],
        cwd=folder,
        env=os.environ | {"PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish_in_shell(command: str, folder: Path) -> str:
    """Run a line to its end; return what went wrong, nothing where nothing did."""
    with tempfile.TemporaryFile("w+") as output:
        process = in_shell(command, folder, output)
        try:
            status = process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            end(process)
            return f"no end after {TIMEOUT_S} s"
        return f"status {status}\n{_tail(output)}" if status else ""


def words_in_shell(command: str, folder: Path) -> list[str]:
    """Return the words that the shell makes of a line, patterns written out."""
    return in_shell(f"printf '%s\\n' {command}", folder).communicate()[0].splitlines()


def finish_forked(words: Sequence[str], folder: Path) -> str:
    """Run ``hierars-geo ...`` or ``python FILE`` to its end; return what went wrong.

    The words reach ``hierars_geo.cli.main`` as the installed command hands them on.
    """
    with tempfile.NamedTemporaryFile("w+") as output:
        process = _forks.Process(target=_be, args=(tuple(words), str(folder), output.name))
        process.start()
        process.join(TIMEOUT_S)
        if process.is_alive():
            process.kill()
            process.join()
            return f"no end after {TIMEOUT_S} s"
        return f"status {process.exitcode}\n{_tail(output)}" if process.exitcode else ""


def _be(words: tuple[str, ...], folder: str, output: str) -> None:
    """Become the program."""
    written = os.open(output, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(written, stream)
    os.chdir(folder)
    sys.argv = list(words)
    if words[0] == "python":
        sys.argv = list(words[1:])
        runpy.run_path(words[1], run_name="__main__")
        return
    from hierars_geo.cli import main

    sys.exit(main())


def free_port() -> int:
    """Return a port that nobody listens to."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def listens(port: int, seconds: float = 300.0) -> bool:
    """Wait until somebody listens to a port."""
    last = time.monotonic() + seconds
    while time.monotonic() < last:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.2)
    return False


def end(process: subprocess.Popen[str], first: signal.Signals = signal.SIGTERM) -> None:
    """End a process and those it started: kindly, then at once."""
    for kind in (first, signal.SIGKILL):
        if process.poll() is None:
            os.killpg(process.pid, kind)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                continue


def _tail(output: IO[str], lines: int = 8) -> str:
    output.seek(0)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", output.read())
    written = [line for line in re.split(r"[\r\n]+", text) if line.strip()]
    return "\n".join(written[-lines:])
