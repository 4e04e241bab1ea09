"""What several sources of labels say of the same ground: how much, how deep, and where they differ."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..taxonomy import LabelSets, Taxonomy
from ..taxonomy.class_names import describe_paths
from ..types import IGNORE_INDEX
from .coverage import WindowWalk
from .intersection import SceneIntersection
from .label_stack import LabelStack, StackedLabels


@dataclass
class SourceCount:
    """Pixels of one source.

    Attributes:
        name: What it is called.
        priority: Of the source.
        sets: What its labels may say.
        pixels: (S,) labelled pixels of each set.
    """

    name: str
    priority: int
    sets: LabelSets
    pixels: NDArray[np.int64]

    @property
    def decided(self) -> list[int]:
        """Pixels that decide each level, coarsest first."""
        known = self.sets.levels != IGNORE_INDEX
        return [int(self.pixels[level].sum()) for level in known.T]

    def classes(self, level: int) -> NDArray[np.int64]:
        """Return the pixels (C_level,) of each class that is decided at a level (1..N)."""
        column = self.sets.levels[:, level - 1]
        counts = np.zeros(self.sets.taxonomy.num_classes[level - 1], dtype=np.int64)
        np.add.at(counts, column[column >= 0], self.pixels[column >= 0])
        return counts


@dataclass
class PairCount:
    """Pixels that two sources label.

    Attributes:
        names: Of the two.
        same_priority: Whether neither of them counts more.
        pixels: That both label.
        contradictions: Pixels by (what one says, what the other says) that no path satisfies.
    """

    names: tuple[str, str]
    same_priority: bool
    pixels: int = 0
    contradictions: dict[tuple[str, str], int] = field(default_factory=dict)

    @property
    def contradicting(self) -> int:
        """Pixels that contradict each other."""
        return sum(self.contradictions.values())


@dataclass
class LabelAgreement:
    """What the sources of a data set say.

    Attributes:
        taxonomy: Their tree.
        ground: Pixels of the ground that was looked at.
        sources: Each of them.
        pairs: Every two that meet.
    """

    taxonomy: Taxonomy
    ground: int
    sources: list[SourceCount]
    pairs: list[PairCount]


def compare_labels(
    dataset: SceneIntersection, max_windows: int | None = None, description: str | None = None
) -> LabelAgreement:
    """Read every source of labels of a data set on the pixels of its images, as :class:`.WindowWalk` goes.

    Raises:
        HieraRSError: There is no ground, or labels cannot be read.
    """
    labels, tree = dataset.labels, dataset.taxonomy
    if labels is None or tree is None:
        raise ValueError("Expected a data set with labels, but got images alone.")
    entries = labels.entries if isinstance(labels, LabelStack) else (StackedLabels(labels, "labels"),)
    tables = [entry.source.label_sets or LabelSets(tree) for entry in entries]
    sources = [
        SourceCount(entry.name, entry.priority, table, np.zeros(len(table), dtype=np.int64))
        for entry, table in zip(entries, tables, strict=True)
    ]
    pairs = {
        (a, b): PairCount((sources[a].name, sources[b].name), sources[a].priority == sources[b].priority)
        for a in range(len(sources))
        for b in range(a + 1, len(sources))
    }
    walk = WindowWalk(dataset, None, max_windows=max_windows)
    ground = 0
    for tile in walk.tiles(description):
        ground += tile.height * tile.width
        read: list[NDArray[np.int64] | None] = []
        for entry, source in zip(entries, sources, strict=True):
            patch = entry.source.read(walk.lattice, tile, None)
            number = None if patch is None else patch.filled(IGNORE_INDEX)[0].astype(np.int64)
            if number is not None:
                source.pixels += np.bincount(number[number >= 0], minlength=len(source.sets))
            read.append(number)
        for (a, b), pair in pairs.items():
            one, other = read[a], read[b]
            if one is not None and other is not None:
                _compare(pair, one, other, sources[a].sets, sources[b].sets)
    return LabelAgreement(tree, ground, sources, [pair for pair in pairs.values() if pair.pixels])


def _compare(
    pair: PairCount, one: NDArray[np.int64], other: NDArray[np.int64], sets: LabelSets, others: LabelSets
) -> None:
    """Add the pixels (h, w) that both label."""
    both = (one >= 0) & (other >= 0)
    pair.pixels += int(both.sum())
    code, counts = np.unique(one[both] * len(others) + other[both], return_counts=True)
    for at, count in zip(code.tolist(), counts.tolist(), strict=True):
        a, b = sets.table[at // len(others)], others.table[at % len(others)]
        if not (a & b).any():
            said = (_words(sets, a), _words(others, b))
            pair.contradictions[said] = pair.contradictions.get(said, 0) + count


def _words(sets: LabelSets, paths: NDArray[np.bool_]) -> str:
    return " or ".join(describe_paths(sets.taxonomy, paths))
