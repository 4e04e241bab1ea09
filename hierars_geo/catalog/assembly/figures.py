"""Two pictures of an assembly: time differences between sources, and sources beside their label levels."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch as LegendPatch
from numpy.typing import NDArray
from rasterio.enums import Resampling

from ...scenes.dataset import open_dataset
from ...scenes.true_color import true_color
from ...taxonomy import RGB, Taxonomy
from ...types import IGNORE_INDEX
from .chips import Chip
from .pairing import Place
from .sources import SourceName

TITLES: dict[SourceName, str] = {
    "gaofen2": "GaoFen-2",
    "google_earth": "Google Earth",
    "sentinel2": "Sentinel-2",
}
_COLOURS: dict[SourceName, str] = {"gaofen2": "#4477aa", "google_earth": "#cc6677", "sentinel2": "#228833"}
_NO_LABEL: RGB = (235, 235, 235)
_BELOW: tuple[Literal["outside lower left", "outside lower center", "outside lower right"], ...] = (
    "outside lower left",
    "outside lower center",
    "outside lower right",
)
#: Longer side of a picture on the sheet, and rows of it.
_PICTURE_PX = 320
_MOST_ROWS = 4


def time_figure(places: Sequence[Place]) -> Figure:
    """Draw the distribution of the time differences, one panel per source.

    Args:
        places: At least one.

    Returns:
        A figure known to no pyplot state.
    """
    reference = places[0].reference
    gaps: dict[SourceName, list[float]] = {
        name: [gap for place in places if (gap := place.gap_days(name)) is not None]
        for name in places[0].scenes
        if name != reference
    }
    known = {name: values for name, values in gaps.items() if values}
    figure = Figure(figsize=(7.5, 1.2 + 2.1 * max(1, len(known))), layout="constrained")
    figure.suptitle(f"Acquisition time relative to {TITLES[reference]}, {len(places)} places")
    every = [gap for values in known.values() for gap in values] or [0.0]
    edges = _edges(min(every), max(every))
    panels = figure.subplots(max(1, len(known)), 1, sharex=True, squeeze=False)[:, 0]
    if not known:
        panels[0].text(0.5, 0.5, "No dates are known.", ha="center", transform=panels[0].transAxes)
    for axes, (name, values) in zip(panels, known.items(), strict=False):
        axes.hist(values, bins=edges, color=_COLOURS[name], edgecolor="white", linewidth=0.5)
        axes.axvline(0, color="0.3", linewidth=1)
        middle = float(np.median(values))
        axes.axvline(middle, color="0.3", linewidth=1, linestyle="--")
        axes.set_title(
            f"{TITLES[name]}: median {middle:+.0f} days (dashed), n = {len(values)}", fontsize="medium"
        )
        axes.set_ylabel("places")
        axes.yaxis.get_major_locator().set_params(integer=True)
        axes.spines[["top", "right"]].set_visible(False)
    panels[-1].set_xlabel("days (negative: before the reference)")
    return figure


def _edges(low: float, high: float) -> NDArray[np.float64]:
    """Bins of a round number of days, about 24 of them, with one edge at 0."""
    span = max(high, 0.0) - min(low, 0.0)
    width = next(width for width in (1, 7, 14, 30, 60, 90, 180, 365, 10_000) if span / width <= 24)
    first, last = np.floor(min(low, 0.0) / width), np.floor(max(high, 0.0) / width) + 1
    return np.arange(first, last + 1) * float(width)


def sheet_figure(chips: Sequence[Chip], root: Path, tree: Taxonomy) -> Figure:
    """Draw chips as rows: every source in true colour, then the labels of every level.

    Args:
        chips: Finished chips, at least one; the most diverse of them are shown.
        root: Folder of the data set.
        tree: Tree of the labels.

    Returns:
        A figure known to no pyplot state.
    """
    shown = _diverse(chips)
    names = [name for name in TITLES if name in shown[0].images]
    columns = len(names) + tree.num_levels
    figure = Figure(figsize=(2.3 * columns, 2.35 * len(shown) + 2.6), layout="constrained")
    panels = figure.subplots(len(shown), columns, squeeze=False)
    present: list[set[int]] = [set() for _ in range(tree.num_levels)]
    for row, chip in zip(panels, shown, strict=True):
        for axes, name in zip(row, names, strict=False):
            axes.imshow(_picture(root / chip.images[name]), interpolation="nearest", aspect="auto")
        leaves = _leaves(root / chip.labels, tree)
        for level, axes in enumerate(row[len(names) :], start=1):
            index = tree.lift(leaves, level)
            present[level - 1] |= set(np.unique(index[index != IGNORE_INDEX]).tolist())
            axes.imshow(_painted(index, tree, level), interpolation="nearest", aspect="auto")
        row[0].set_ylabel(f"{chip.extent.name} ({chip.place.split})", fontsize="small")
    for axes in panels.flat:
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_box_aspect(1)
    for axes, name in zip(panels[0], names, strict=False):
        axes.set_title(TITLES[name])
    for level, axes in enumerate(panels[0][len(names) :], start=1):
        axes.set_title(f"Labels {tree.level_names[level - 1]}")
    _legends(figure, present, tree)
    return figure


def _legends(figure: Figure, present: Sequence[set[int]], tree: Taxonomy) -> None:
    """List the classes that are shown below the pictures, one legend per level, coarse to fine."""
    places = np.linspace(0, 2, len(present)).round().astype(int)
    for level, (indexes, place) in enumerate(zip(present, places, strict=True), start=1):
        names, colours = tree.class_names(level), tree.colors(level)
        handles = [
            LegendPatch(facecolor=_unit(colours[i]), edgecolor="0.5", label=names[i]) for i in sorted(indexes)
        ]
        if level == 1:
            handles.append(LegendPatch(facecolor=_unit(_NO_LABEL), edgecolor="0.5", label="no label"))
        figure.legend(
            handles=handles,
            title=f"Labels {tree.level_names[level - 1]}",
            loc=_BELOW[place],
            ncols=-(-len(handles) // 9),
            frameon=False,
            fontsize="small",
        )


def _unit(colour: RGB) -> tuple[float, float, float]:
    red, green, blue = colour
    return red / 255, green / 255, blue / 255


def _diverse(chips: Sequence[Chip]) -> list[Chip]:
    """Pick chips with many classes, of different places first."""
    ranked = sorted(chips, key=lambda chip: (-int((chip.counts > 0).sum()), chip.extent.name))
    first: list[Chip] = []
    for chip in ranked:
        if chip.place.name not in {other.place.name for other in first}:
            first.append(chip)
    rest = [chip for chip in ranked if chip not in first]
    return [*first, *rest][:_MOST_ROWS]


def _picture(path: Path) -> NDArray[np.uint8]:
    with open_dataset(str(path)) as dataset:
        factor = max(1.0, max(dataset.shape) / _PICTURE_PX)
        shape = tuple(max(1, round(size / factor)) for size in dataset.shape)
        image = dataset.read(out_shape=(dataset.count, *shape), resampling=Resampling.average)
        valid = dataset.dataset_mask(out_shape=shape) > 0
        return true_color(image, valid, [name or "" for name in dataset.descriptions])


def _leaves(path: Path, tree: Taxonomy) -> NDArray[np.int64]:
    with open_dataset(str(path)) as dataset:
        factor = max(1.0, max(dataset.shape) / _PICTURE_PX)
        shape = tuple(max(1, round(size / factor)) for size in dataset.shape)
        values = dataset.read(1, out_shape=shape, resampling=Resampling.nearest)
    return np.asarray(tree.value_to_index(values, origin=str(path)))


def _painted(index: NDArray[np.int64], tree: Taxonomy, level: int) -> NDArray[np.uint8]:
    table = np.array([*tree.colors(level), _NO_LABEL], dtype=np.uint8)
    return np.asarray(table[np.where(index == IGNORE_INDEX, len(table) - 1, index)])


__all__ = ("TITLES", "sheet_figure", "time_figure")
