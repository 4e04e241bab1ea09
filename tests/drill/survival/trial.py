"""The bench of the drill: inputs made once, what an undisturbed run leaves, and a fresh folder per trial."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .commands import CHECKPOINT, COMMANDS, FIT, OTHER_RUNTIMES, PREDICT, Command, write_training
from .contents import results
from .running import run


class NotUndisturbedError(Exception):
    """A command does not work even without a fault."""


@dataclass
class Bench:
    """Inputs and references.

    Attributes:
        folder: Where all lies.
        whole: Command -> fingerprints of the files of an undisturbed run.
        seconds: Command -> how long that took.
    """

    folder: Path
    whole: dict[str, dict[str, str]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def trial(self) -> Iterator[Path]:
        """Give a folder with the inputs in ``in`` and an empty ``out``; it is removed after use."""
        place = self.folder / "trial"  # the same every time: paths are part of some results
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(self.folder / "in", place / "in")
        (place / "out").mkdir()
        (place / "tmp").mkdir()
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def learn(self, command: Command) -> None:
        """Run a command undisturbed, twice: the first run may warm caches up.

        Raises:
            NotUndisturbedError: It fails, or two runs do not leave the same.
        """
        for _ in range(2):
            with self.trial() as trial:
                ended = run(command.words, trial)
                found = results(trial / "out")
            if ended.status != 0:
                raise NotUndisturbedError(f"{command.name}: {ended.stderr}")
            earlier = self.whole.setdefault(command.name, found)
            self.seconds[command.name] = ended.seconds
            changed = sorted(name for name in {*earlier, *found} if earlier.get(name) != found.get(name))
            if changed:
                raise NotUndisturbedError(f"{command.name}: two runs differ in {', '.join(changed)}")


def make_bench(folder: Path, steps: int, size_m: int) -> Bench:
    """Make scenes, a model and maps with the commands themselves.

    Args:
        folder: Empty.
        steps: Of the training.
        size_m: Side of the scenes.

    Raises:
        NotUndisturbedError: A command fails.
    """
    inputs = folder / "in"
    inputs.mkdir(parents=True)
    bench = Bench(folder)
    synth = ("synth", "in/scenes", "--scenes", "1", "--size-m", str(size_m), "--sensors", "sentinel2")
    _must(run(synth, folder).stderr, (inputs / "scenes").is_dir())
    write_training(inputs / "fit.yaml", steps, max(1, steps // 6))
    with bench.trial() as trial:
        said = run(FIT.words, trial).stderr
        trained = sorted((trial / "out").rglob("last.ckpt"))
        _must(said, bool(trained))
        shutil.copy(trained[0], inputs / "model.ckpt")
    with bench.trial() as trial:
        said = run(PREDICT.words, trial).stderr
        _must(said, (trial / "out" / "maps").is_dir())
        shutil.copytree(trial / "out" / "maps", inputs / "maps")
    exported = run(("export", CHECKPOINT, "--format", "onnx"), folder)
    _must(exported.stderr, exported.status == 0)
    with bench.trial() as trial:
        said = run(OTHER_RUNTIMES[0].words, trial).stderr
        _must(said, (trial / "in" / "graphs").is_dir())
        shutil.copytree(trial / "in" / "graphs", inputs / "graphs")
    return bench


def _must(said: str, done: bool) -> None:
    if not done:
        raise NotUndisturbedError(said)


__all__ = ("COMMANDS", "Bench", "NotUndisturbedError", "make_bench")
