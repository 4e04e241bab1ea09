"""InitReport: which weights of a model were copied, adapted, or start anew."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import list_some
from .class_rows import ClassRows

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class PartReport:
    """Tensors of one part of a model.

    Attributes:
        copied: Their number.
        adapted: Names of those brought to other bands or classes.
        new: Names of those that stay as they were built.
    """

    copied: int
    adapted: tuple[str, ...]
    new: tuple[str, ...]

    def line(self) -> str:
        """Say it, layers shortened: ``60 tensors copied, 1 adapted (conv1), 2 new (layer4)``."""
        parts = [f"{self.copied} tensors copied"] if self.copied else []
        parts += [f"{len(self.adapted)} adapted ({_layers(self.adapted)})"] if self.adapted else []
        parts += [f"{len(self.new)} new ({_layers(self.new)})"] if self.new else []
        return ", ".join(parts) or "no tensors"


@dataclass(frozen=True)
class InitReport:
    """Where the weights of a model come from.

    Attributes:
        parts: What was asked for: ``backbone``, ``decoder`` or ``all``.
        encoder: Its tensors.
        decoder: Its tensors.
        head: Tensors of the classifiers and merge blocks.
        levels: Classes of every level of the new tree, level 1 first.
        lost_levels: Levels of the old tree that the new one lacks.
        same_normalisation: Whether bands, mean and std are those of the weights.
    """

    parts: str
    encoder: PartReport
    decoder: PartReport
    head: PartReport
    levels: tuple[ClassRows, ...]
    lost_levels: tuple[str, ...]
    same_normalisation: bool

    @property
    def classes_copied(self) -> int:
        """Number of classes, of all levels, whose weights were taken over by name."""
        return sum(len(rows.copied) for rows in self.levels)

    def lines(self) -> list[str]:
        """Say it in readable lines: the three parts, the normalisation where it differs, every level."""
        found = [f"{part}: {getattr(self, part).line()}" for part in ("encoder", "decoder", "head")]
        if not self.same_normalisation:
            found.append("normalisation: the new data's, not that of the weights")
        found += [f"{rows.level}: {_classes(rows)}" for rows in self.levels]
        return found + [f"{name}: a level that the new tree lacks" for name in self.lost_levels]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for a checkpoint's record."""
        return asdict(self)


def _classes(rows: ClassRows) -> str:
    parts = [f"{len(rows.copied)} classes copied"] if rows.copied else []
    if rows.old_level is None and any(rows.new.values()):
        parts.append("a level that the weights lack")
    parts += [f"new {_beginnings(rows)}"] if rows.new else []
    parts += [f"dropped {list_some(rows.dropped)}"] if rows.dropped else []
    return "; ".join(parts)


def _beginnings(rows: ClassRows) -> str:
    """Name the new classes, those of one origin together: ``rye, oats (from wheat)``."""
    return "; ".join(
        f"{list_some(names)} ({f'from {list_some(origin, 4)}' if origin else 'at random'})"
        for origin, names in rows.origins().items()
    )


def _layers(names: Sequence[str]) -> str:
    """Name the layers that tensors belong to, each once: ``blocks.0, blocks.1``."""
    return list_some(
        list(dict.fromkeys(".".join(name.split(".")[:2]).removesuffix(".weight") for name in names))
    )


def log_report(report: InitReport, path: str | Path) -> None:
    """Log which weights were copied and which are new."""
    for line in (f"weights from {path} ({report.parts}):", *(f"  {line}" for line in report.lines())):
        _LOG.info("%s", line)
