"""The accuracy section: scores per level and class, baselines, confusion matrices."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..taxonomy import Taxonomy
from .class_order import tree_order
from .confidence import draw_reliability
from .confusion import ConfusionFigure, LevelTable, draw_confusion
from .formats import UNDEFINED, TableRow, count, per_cent, score
from .scores import ClassScore, Evaluation, LevelScore

#: Ground that a training does not learn from, the one for the final figures first; and what it learns from.
_UNSEEN, _TRAINED = ("test", "val"), "train"
#: What is compared, as attribute of LevelScore and as people write it.
MEASURES = (("oa", "OA"), ("miou", "mIoU"), ("mf1", "mF1"))


def build_accuracy_section(
    own: Evaluation, baselines: Sequence[tuple[str, Evaluation]], taxonomy: Taxonomy
) -> Mapping[str, object]:
    """Prepare scores of the maps, and by name of what they are compared with, for the page.

    Returns:
        ``summary`` in one sentence; ``facts``, label and value; scores of ``levels``, coarsest first; the map
        beside the baselines as ``comparison``, and in each region that was scored apart as ``regions``, test
        ground first, both empty without any; what is known of the ``ground`` that the model was trained on;
        and ``reliability``, what the confidence of the maps is worth here, None without confidences.
    """
    scored = [level for level in range(1, taxonomy.num_levels + 1) if own.level(level)]
    return {
        "summary": _summary(own, taxonomy, scored),
        "facts": _facts(own),
        "levels": [_level_accuracy(own.levels[f"L{level}"], taxonomy, level) for level in scored],
        "comparison": compare([("This map", own), *baselines], scored) if baselines else (),
        "regions": _regions(own, scored),
        "ground": _ground(own),
        "reliability": _reliability(own, taxonomy, scored),
    }


def _reliability(own: Evaluation, taxonomy: Taxonomy, scored: Sequence[int]) -> ConfusionFigure | None:
    """Draw the levels that have a confidence."""
    drawn = [level for level in scored if own.levels[f"L{level}"].reliability]
    if not drawn:
        return None
    diagrams = [own.levels[f"L{level}"].reliability for level in drawn]
    return draw_reliability({"these maps": diagrams}, [taxonomy.level_labels[level - 1] for level in drawn])


def _regions(own: Evaluation, scored: Sequence[int]) -> tuple[TableRow, ...]:
    """Lay the regions side by side, unseen ground first; no cell is marked, for their ground differs."""
    if not own.regions:
        return ()
    order = {name: place for place, name in enumerate(_UNSEEN)}
    last = len(order)
    ranked = sorted(
        own.regions,
        key=lambda part: order.get(part.region.lower(), last + (part.region.lower() == _TRAINED)),
    )
    rows = compare([(f"{part.region} ({count(part.pixels)} px)", part) for part in ranked], scored)
    return tuple(replace(row, best=frozenset(), own=False) for row in rows)


def _ground(own: Evaluation) -> str:
    """Say how much of what was compared the model has seen."""
    pixels = {part.region.lower(): part.pixels for part in own.regions}
    if pixels.get(_TRAINED) and own.pixels:
        unseen = next((name for name in _UNSEEN if pixels.get(name)), None)
        instead = f" What the map is worth elsewhere is the row of {unseen}." if unseen else ""
        return (
            f"{per_cent(pixels[_TRAINED] / own.pixels)} of the compared pixels are ground that the model was "
            f"trained on, where scores flatter.{instead}"
        )
    if pixels:
        return ""
    return (
        "Nothing here tells whether the model was trained on this ground, where scores flatter: evaluate "
        "with --by splits.gpkg --id split, a file that each training leaves in its folder."
    )


def compare(named: Sequence[tuple[str, Evaluation]], levels: Sequence[int]) -> tuple[TableRow, ...]:
    """Lay the scores of several maps side by side; the first one is our own.

    Args:
        named: Name and scores.
        levels: Levels to compare, from 1.

    Returns:
        Rows with the cells of ``MEASURES`` for every level; the best at three decimals is marked, ties too.
    """
    columns = [(level, key) for level in levels for key, _ in MEASURES]
    table = [[_measure(evaluation.level(level), key) for level, key in columns] for _, evaluation in named]
    rounded = [[None if value is None else round(value, 3) for value in row] for row in table]
    best = [
        max((value for value in column if value is not None), default=None)
        for column in zip(*rounded, strict=True)
    ]
    return tuple(
        TableRow(
            name,
            tuple(map(score, row)),
            best=frozenset(i for i, value in enumerate(near) if value is not None and value == best[i]),
            own=position == 0,
        )
        for position, ((name, _), row, near) in enumerate(zip(named, table, rounded, strict=True))
    )


def _measure(level: LevelScore | None, key: str) -> float | None:
    return None if level is None else {"oa": level.oa, "miou": level.miou, "mf1": level.mf1}[key]


def _summary(own: Evaluation, taxonomy: Taxonomy, levels: Sequence[int]) -> str:
    parts = [
        f"{per_cent(own.levels[f'L{level}'].oa)} at {taxonomy.level_labels[level - 1]}" for level in levels
    ]
    return f"Share of the compared pixels that are right: {', '.join(parts)}."


def _facts(own: Evaluation) -> tuple[tuple[str, str], ...]:
    facts = [("Pixels compared", count(own.pixels)), ("Pixels without a label", count(own.ignored))]
    decided = {name: level.pixels for name, level in own.levels.items() if level.pixels is not None}
    if len(set(decided.values())) > 1:  # some labels leave levels open
        facts += [(f"Pixels that decide {name}", count(pixels)) for name, pixels in decided.items()]
    if own.consistency is not None:
        facts.append(("Consistent before decoding", f"{100 * own.consistency:.2f}\N{NO-BREAK SPACE}%"))
    distance = own.tree_distance
    for label, value in (
        ("Mean tree distance, all pixels", distance.mean_all),
        ("Mean tree distance, wrong pixels", distance.mean_errors),
    ):
        facts.append((label, UNDEFINED if value is None else f"{value:.3f}"))
    return tuple(facts)


def _level_accuracy(level: LevelScore, taxonomy: Taxonomy, number: int) -> LevelTable:
    order = tree_order(taxonomy, number)
    colors = taxonomy.colors(number)
    scored = [i for i in order if level.classes and (level.classes[i].support or level.classes[i].predicted)]
    rows = tuple(TableRow(level.classes[i].name, _cells(level.classes[i]), colors[i]) for i in scored)
    return LevelTable(
        taxonomy.level_labels[number - 1],
        tuple(score(_measure(level, key)) for key, _ in MEASURES),
        rows,
        len(level.classes),
        _confusion(level, taxonomy, number),
    )


def _cells(one: ClassScore) -> tuple[str, ...]:
    shares = tuple(score(value) for value in (one.iou, one.f1, one.precision, one.recall))
    return (*shares, count(one.support), count(one.predicted))


def _confusion(level: LevelScore, taxonomy: Taxonomy, number: int) -> ConfusionFigure | None:
    if not level.confusion:
        return None
    return draw_confusion(np.array(level.confusion, dtype=np.int64), taxonomy, number)
