"""SceneList: what has become of every scene of a run over several, in a file that is always whole."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import Literal

from .. import __version__
from ..errors import OptionError
from ..maps import Maps
from ..output import atomic_path
from ..scenes.stack import SourcePaths
from .engine import NamedScene, named_everywhere

#: Name of the file in the folder of the maps.
SCENE_LIST = "manifest.json"

SceneStatus = Literal["waiting", "running", "finished", "failed"]


@dataclass(frozen=True)
class SceneState:
    """One scene of a run.

    Attributes:
        source: As it was named.
        name: Stem of its maps, with their folder where each has its own; None where it could not be opened.
        status: Where it stands.
        seconds: What it took in this run, None until it ends.
        files: Of the maps, by name of the layer, relative to the folder.
        error: Why it failed.
    """

    source: NamedScene
    name: str | None = None
    status: SceneStatus = "waiting"
    seconds: float | None = None
    files: dict[str, str] = field(default_factory=dict)
    error: str | None = None


class SceneList:
    """The state of every scene, written anew into ``manifest.json`` at every change, from the first one on.

    It is for people and schedulers to read. What ``--resume`` goes by are the maps and rows themselves.
    """

    def __init__(self, folder: Path, sources: Sequence[SourcePaths]) -> None:
        self._folder = folder
        self._started = datetime.now(UTC).isoformat(timespec="seconds")
        self._clock: dict[int, float] = {}
        self.states = [SceneState(named_everywhere(source)) for source in sources]

    def named(self, number: int, name: str) -> None:
        """Note the name that a scene turned out to have.

        Raises:
            OptionError: Its item would be written over this list.
        """
        if f"{name}.json" == SCENE_LIST:
            raise OptionError(
                f"Expected scenes of other names than '{name}', whose item would be {SCENE_LIST}, the list "
                "of all scenes. Rename the raster, or predict it alone."
            )
        self.states[number] = replace(self.states[number], name=name)

    def begin(self, number: int) -> None:
        """Note that a scene is being predicted."""
        self._clock[number] = time.monotonic()
        self._change(number, "running")

    def finish(self, number: int, maps: Maps) -> None:
        """Note the maps of a scene."""
        state = self.states[number]
        folder = PurePath(state.name or "").parent
        files = {name: (folder / path.name).as_posix() for name, path in maps.layers.items()}
        self.states[number] = replace(state, files=files)
        self._change(number, "finished")

    def fail(self, number: int, error: Exception) -> None:
        """Note why a scene has no maps."""
        self.states[number] = replace(self.states[number], error=str(error))
        self._change(number, "failed")

    def _change(self, number: int, status: SceneStatus) -> None:
        began = self._clock.get(number)
        seconds = None if began is None or status == "running" else round(time.monotonic() - began, 1)
        self.states[number] = replace(self.states[number], status=status, seconds=seconds)
        self._write()

    def _write(self) -> None:
        path = self._folder / SCENE_LIST
        content = {
            "hierars-geo": __version__,
            "started": self._started,
            "updated": datetime.now(UTC).isoformat(timespec="seconds"),
            "counts": {
                status: sum(state.status == status for state in self.states)
                for status in ("waiting", "running", "finished", "failed")
            },
            "scenes": [asdict(state) for state in self.states],
        }
        with atomic_path(path) as unfinished:
            unfinished.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
