"""An assembly for people: CSV files of places, chips, time differences and classes, and two pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rasterio.enums import Resampling

from ...maps.thumbnail import thumbnail_shape
from ...output import write_csv
from ...scenes.dataset import open_dataset
from ...scenes.scene import Scene
from ...scenes.true_color import read_reduced, true_color
from ...taxonomy import Taxonomy
from ...taxonomy.drawing import NO_LABEL, class_patches, legend_patch, painted
from ...types import IGNORE_INDEX
from .chips import Chip
from .pairing import Place, Unpaired
from .sources import SourceName

TITLES: dict[SourceName, str] = {
    "gaofen2": "GaoFen-2",
    "google_earth": "Google Earth",
    "sentinel2": "Sentinel-2",
}
_COLOURS: dict[SourceName, str] = {"gaofen2": "#4477aa", "google_earth": "#cc6677", "sentinel2": "#228833"}
_BELOW: tuple[Literal["outside lower left", "outside lower center", "outside lower right"], ...] = (
    "outside lower left",
    "outside lower center",
    "outside lower right",
)
#: Longer side of a picture on the sheet, and rows of it.
_PICTURE_PX = 320
_MOST_ROWS = 4


def time_figure(places: Sequence[Place]) -> Figure:
    """Draw the distribution of the time differences of places, at least one, a panel per source."""
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
    """Draw the most diverse chips of a data set as rows: every source in true colour, then labels."""
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
            axes.imshow(painted(index, tree, level), interpolation="nearest", aspect="auto")
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
        handles = class_patches(indexes, tree, level)
        if level == 1:
            handles.append(legend_patch(NO_LABEL, "no label"))
        figure.legend(
            handles=handles,
            title=f"Labels {tree.level_names[level - 1]}",
            loc=_BELOW[place],
            ncols=-(-len(handles) // 9),
            frameon=False,
            fontsize="small",
        )


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
    with Scene.open(path) as scene:
        image, valid = read_reduced(scene, scene.grid, thumbnail_shape(scene.grid.shape, _PICTURE_PX))
        return true_color(image, valid, scene.bands)


def _leaves(path: Path, tree: Taxonomy) -> NDArray[np.int64]:
    with open_dataset(str(path)) as dataset:
        shape = thumbnail_shape(dataset.shape, _PICTURE_PX)
        values = dataset.read(1, out_shape=shape, resampling=Resampling.nearest)
    return np.asarray(tree.value_to_index(values, origin=str(path)))


Row = dict[str, object]


def write_tables(
    folder: Path, places: Sequence[Place], chips: Sequence[Chip], unpaired: Sequence[Unpaired], tree: Taxonomy
) -> None:
    """Write ``places.csv``, ``chips.csv``, ``time_differences.csv``, ``classes.csv`` and ``unpaired.csv``."""
    write_csv(folder / "places.csv", [row for place in places for row in _place_rows(place)])
    gaps = ("place", "reference", "source", "reference_date", "source_date", "days")
    write_csv(folder / "time_differences.csv", gap_rows(places), gaps)
    write_csv(folder / "chips.csv", [*map(_chip_row, chips)])
    write_csv(folder / "classes.csv", class_rows(chips, tree))
    write_csv(folder / "unpaired.csv", unpaired, ("source", "path", "reason"))


def gap_rows(places: Sequence[Place]) -> list[Row]:
    """Days from the reference to every other source, one row per place and source."""
    return [
        {
            "place": place.name,
            "reference": place.reference,
            "source": name,
            "reference_date": _day(place, place.reference),
            "source_date": _day(place, name),
            "days": "" if (gap := place.gap_days(name)) is None else round(gap, 2),
        }
        for place in places
        for name in place.scenes
        if name != place.reference
    ]


def class_rows(chips: Sequence[Chip], tree: Taxonomy) -> list[Row]:
    """Pixels, area and share of every class of every level, per split."""
    rows: list[Row] = []
    for split in ("train", "val", "test"):
        members = [chip for chip in chips if chip.place.split == split]
        if not members:
            continue
        leaves = np.sum([chip.counts for chip in members], axis=0)
        areas = np.sum([chip.counts * chip.pixel_m2 for chip in members], axis=0)
        for level in range(1, tree.num_levels + 1):
            table = tree.lift_table(level)
            pixels, area = (
                np.bincount(table, weights=v, minlength=tree.num_classes[level - 1]) for v in (leaves, areas)
            )
            for index, name in enumerate(tree.class_names(level)):
                rows.append(
                    {
                        "split": split,
                        "level": tree.level_names[level - 1],
                        "value": tree.class_values(level)[index],
                        "class": name,
                        "pixels": int(pixels[index]),
                        "share": round(float(pixels[index] / max(1, leaves.sum())), 6),
                        "area_km2": round(float(area[index]) / 1e6, 6),
                    }
                )
    return rows


def _place_rows(place: Place) -> list[Row]:
    rows: list[Row] = []
    for name, scene in place.scenes.items():
        shift, (dx, dy) = place.measured.get(name), place.shifts.get(name, (0.0, 0.0))
        rows.append(
            {
                "place": place.name,
                "split": place.split,
                "source": name,
                "file": scene.path,
                "labels": place.labels.path,
                "date": _day(place, name),
                "shift_east_m": round(dx, 3),
                "shift_north_m": round(dy, 3),
                "shift_significance": "" if shift is None else round(shift.significance, 1),
                "shift_spread_px": "" if shift is None else round(shift.spread_px, 3),
                "shift_windows": "" if shift is None else shift.windows,
                "shift_reliable": "" if shift is None else shift.reliable,
            }
        )
    return rows


def _chip_row(chip: Chip) -> Row:
    left, bottom, right, top = chip.extent.bounds
    return {
        "chip": chip.extent.name,
        "place": chip.place.name,
        "split": chip.place.split,
        "crs": ":".join(chip.place.crs.to_authority() or ("", chip.place.crs.name)),
        "left": left,
        "bottom": bottom,
        "right": right,
        "top": top,
        "labels": chip.labels.as_posix(),
        **{name: path.as_posix() for name, path in chip.images.items()},
        **{f"valid_{name}": round(share, 4) for name, share in chip.valid.items()},
    }


def _day(place: Place, source: object) -> str:
    moment = next(scene.acquired for name, scene in place.scenes.items() if name == source)
    return "" if moment is None else f"{moment:%Y-%m-%d}"
