"""What an assembly found, as CSV files: scenes of each place, chips, time differences, classes, leftovers."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from ...taxonomy import Taxonomy
from .chips import Chip
from .pairing import Place, Unpaired

Row = dict[str, object]


def write_tables(
    folder: Path, places: Sequence[Place], chips: Sequence[Chip], unpaired: Sequence[Unpaired], tree: Taxonomy
) -> None:
    """Write ``places.csv``, ``chips.csv``, ``time_differences.csv``, ``classes.csv`` and ``unpaired.csv``."""
    _write(folder / "places.csv", (row for place in places for row in _place_rows(place)))
    _write(folder / "time_differences.csv", gap_rows(places))
    _write(folder / "chips.csv", map(_chip_row, chips))
    _write(folder / "classes.csv", class_rows(chips, tree))
    _write(
        folder / "unpaired.csv",
        ({"source": u.source, "path": u.path, "reason": u.reason} for u in unpaired),
        ("source", "path", "reason"),
    )


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


def _write(path: Path, rows: Iterable[Row], columns: Sequence[str] = ()) -> None:
    listed = list(rows)
    names = columns or (tuple(listed[0]) if listed else ("none",))
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, names)
        writer.writeheader()
        writer.writerows(listed)


__all__ = ("class_rows", "gap_rows", "write_tables")
