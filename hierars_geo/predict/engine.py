"""What an engine is: it computes the missing chunks of a scene, elsewhere than in the caller's thread."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from ..scenes.scene import ScenePaths
from ..scenes.stac import document_of
from ..scenes.stack import SourcePaths
from .options import PredictOptions
from .rows import Rows

#: A scene, or each of its sources, by names that other processes know.
NamedScene: TypeAlias = str | tuple[str, ...] | dict[str, str | tuple[str, ...]]


@dataclass(frozen=True)
class SceneJob:
    """A scene and how to predict it, as plain values that travel.

    Attributes:
        checkpoint: Path of the checkpoint.
        sha256: Of that file; whoever finds another one refuses.
        device: Of whoever computes, ``auto`` as a rule.
        rasters: The scene, as it was named.
        options: How it is predicted.
        chunk_rows: Most rows of a chunk.
        chunk_px: Most columns of a chunk; None for what the options say.
    """

    checkpoint: str
    sha256: str
    device: str
    rasters: NamedScene
    options: PredictOptions
    chunk_rows: int
    chunk_px: int | None = None


def named_everywhere(scene: SourcePaths) -> NamedScene:
    """Name a scene so that other processes find it: local paths in full, addresses as they are."""
    if isinstance(scene, Mapping):
        return {name: _in_full(paths) for name, paths in scene.items()}
    return _in_full(scene)


def _in_full(paths: ScenePaths) -> str | tuple[str, ...]:
    if not isinstance(paths, str | os.PathLike):
        return tuple(str(_in_full(part)) for part in paths)
    name = os.fspath(paths)
    document = document_of(name)  # what follows is the item of an item collection
    return str(Path(document).resolve()) + name[len(document) :] if Path(document).exists() else name


def documents(scene: SourcePaths) -> list[str]:
    """Files or addresses that a scene was named by: its STAC item is read, too."""
    if isinstance(scene, Mapping):
        return [document for paths in scene.values() for document in documents(paths)]
    parts = [scene] if isinstance(scene, str | os.PathLike) else scene
    return [document_of(str(part)) for part in parts]


class Engine(Protocol):
    """Computes chunks, in any order."""

    @property
    def chunk_rows(self) -> int:
        """Most rows of a chunk."""

    @property
    def chunks_ahead(self) -> int:
        """Chunks that have to be asked for so that none of its workers waits for its next one."""

    def batch_size(self, job: SceneJob, window: tuple[int, int]) -> int:
        """Windows of (height, width) px per forward pass that whoever computes takes."""

    def chunks(
        self, job: SceneJob, starts: Sequence[tuple[int, int]]
    ) -> AbstractContextManager[Iterator[tuple[int, Rows]]]:
        """Ask for chunks, behind all that were asked for before, until the block ends.

        Args:
            job: The scene.
            starts: (number of the chunk, row of the raster to begin with) of what is missing.

        Returns:
            Gives number of each and its rows, as they are finished.
        """
