"""``hierars-geo evaluate``: scores of maps against labels, or estimates from points, at every level."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import OptionError, require_with

if TYPE_CHECKING:
    from datetime import date

    from ..accuracy import ReferenceLabels, SceneAssessment
    from ..maps import Maps
    from ..metrics import HierarchicalScores
    from ..scenes import Regions
    from ..taxonomy import Taxonomy

EXAMPLES = """examples:
  hierars-geo evaluate maps labels.tif --taxonomy mm5b -o metrics.json
  hierars-geo evaluate maps/scene_L3.tif labels.tif --taxonomy my_tree.yaml -o metrics.json
  hierars-geo evaluate maps labels.tif --taxonomy mm5b -o districts.csv --by districts.gpkg --id name
  hierars-geo evaluate maps fields.gpkg --taxonomy mm5b -o metrics.json --attribute class_name
  hierars-geo evaluate maps worldcover.tif -o metrics.json --crosswalk esa_worldcover_to_mm5b
  hierars-geo evaluate early labels.tif -o by_date.csv --by-date   # maps of predict --until, a folder each
  hierars-geo evaluate maps points.gpkg --taxonomy mm5b -o accuracy.csv      # points of `sample`, labelled
"""

#: Suffixes of reference points.
_VECTOR_SUFFIXES = (".gpkg", ".shp", ".fgb", ".geojson")


def run(
    maps: str,
    labels: str,
    *,
    taxonomy: str | None = None,
    out: Path,
    by_date: bool = False,
    region: tuple[float, float, float, float] | None = None,
    by: str | None = None,
    layer: str | None = None,
    id: str | None = None,
    attribute: str | None = None,
    level: int | None = None,
    crosswalk: str | None = None,
    reference: str = "reference",
    overwrite: bool = False,
) -> int:
    """Compare maps with labels at every level of the class tree, as a whole and inside regions.

    Labels are a class raster or polygons; from labelled points, accuracy and areas are estimated with 95 %
    intervals.

    Args:
        maps: Folder that predict wrote to, or a class raster; with --by-date the folder of several such
            folders.
        labels: Class raster on any grid; polygons (with --attribute); or points.
        taxonomy: Catalog name or YAML file (default: what comes with the maps).
        out: FILE.json or FILE.csv to write.
        by_date: The maps are of one season, each until another day: scores of every day, and a plot of them,
            FILE.png.
        region: Count only left bottom right top, in the map's CRS.
        by: Polygon layer, in any CRS: scores of each region, too.
        layer: Layer of --by, where the file holds several.
        id: Column of --by that names a region (default: the row number).
        attribute: Labels are polygons; their column with the class.
        level: Level that the values of a label raster are classes of.
        crosswalk: Labels (or maps) are of another legend; catalog name or YAML file of the crosswalk to the
            tree. The finest classes that both tell apart are scored, too.
        reference: Column of points with their class.
        overwrite: Replace the file if it exists.
    """
    from ..accuracy import ReferenceLabels, evaluate_common, maps_by_date
    from ..maps import Maps
    from ..output import check_writable_folder, refuse_existing
    from ..taxonomy import Crosswalk
    from .progress import progress_bar

    if out.suffix.lower() not in (".json", ".csv"):
        raise OptionError(f"Expected the output to end in .json or .csv, but got '{out.name}'.")
    for option, said in (("--layer", layer), ("--id", id)):
        require_with(option, said is not None, "--by", by is not None)
    points = Path(labels).suffix.lower() in _VECTOR_SUFFIXES and attribute is None and not by_date
    require_with("--reference", reference != "reference", "points", points)
    if by_date:
        if by is not None:
            raise OptionError("Expected --by or --by-date, but got both. Score the regions of one map.")
        days = maps_by_date(maps, taxonomy)
        inputs = [file for own in days.values() for file in own.files]
        refuse_existing([out, out.with_suffix(".png")], overwrite, [*inputs, labels, taxonomy])
        check_writable_folder(out.parent)
        tree = next(iter(days.values())).taxonomy
        reference_labels = ReferenceLabels(labels, tree, attribute, level, crosswalk)
        return _score_by_date(days, reference_labels, _box(region), out)
    opened = Maps.open(maps, taxonomy)
    refuse_existing([out], overwrite, [*opened.files, labels, by, taxonomy])
    check_writable_folder(out.parent)
    if not points:
        walk = None if crosswalk is None else Crosswalk.from_yaml(crosswalk)
        box = _box(region)
        common = None
        if walk is not None:
            with progress_bar("evaluate common classes") as progress:
                common = evaluate_common(opened, labels, walk, attribute, level, box, progress)
            if opened.taxonomy == walk.origin:  # of its own tree there are no labels
                return _write_common(*common, out)
        reference_labels = ReferenceLabels(labels, opened.taxonomy, attribute, level, crosswalk)
        return _score(opened, reference_labels, _regions(opened, by, layer, id), box, out, common)
    if region is not None:
        raise OptionError("Expected --region with a label raster, but got it with points. Clip the points.")
    if by is not None or level is not None or crosswalk is not None:
        raise OptionError(
            "Expected --by, --level and --crosswalk with label rasters or polygons, but got points."
        )
    return _assess(opened, labels, reference, out)


def _score(
    maps: "Maps",
    labels: "ReferenceLabels",
    regions: "Regions | None",
    box: tuple[float, float, float, float] | None,
    out: Path,
    common: "tuple[Taxonomy, HierarchicalScores] | None" = None,
) -> int:
    """Compare with a label raster or polygons."""
    from ..accuracy.evaluation import evaluate_regions
    from .progress import progress_bar
    from .tables import print_scores

    taxonomy = maps.taxonomy
    with progress_bar("evaluate") as progress:
        scores, parts = evaluate_regions(maps, labels, None, regions, box, progress)
    named = {"": scores} | parts
    rows = [{"region": name} | row for name, part in named.items() for row in part.to_rows(taxonomy)]
    content = scores.to_dict(taxonomy)
    if regions is not None:
        content["regions"] = [{"region": name} | part.to_dict(taxonomy) for name, part in parts.items()]
    if common is not None:
        rows += [{"region": "common classes"} | row for row in common[1].to_rows(common[0])]
        content["common_classes"] = common[1].to_dict(common[0])
    _write(out, rows, content)
    print_scores({"map": scores} | parts, taxonomy)
    if common is not None:
        print_scores({"common classes": common[1]}, common[0])
    sys.stdout.write(f"{out}\n")
    return 0


def _score_by_date(
    maps: "Mapping[date, Maps]",
    labels: "ReferenceLabels",
    box: tuple[float, float, float, float] | None,
    out: Path,
) -> int:
    """Compare the maps of a season with label rasters or polygons, day by day."""
    from ..accuracy import draw_by_date, evaluate_by_date
    from ..output import atomic_path
    from .progress import progress_bar
    from .tables import print_scores

    taxonomy = next(iter(maps.values())).taxonomy
    with progress_bar("evaluate by date") as progress:
        scores = evaluate_by_date(maps, labels, region=box, progress=progress)
    named = {day.isoformat(): each for day, each in scores.items()}
    rows = [{"until": day} | row for day, each in named.items() for row in each.to_rows(taxonomy)]
    _write(out, rows, {"by_date": [{"until": d} | each.to_dict(taxonomy) for d, each in named.items()]})
    with atomic_path(out.with_suffix(".png")) as unfinished:
        draw_by_date(scores, taxonomy.level_labels).savefig(unfinished, format="png", dpi=120)
    print_scores(named, taxonomy)
    sys.stdout.write(f"{out}\n{out.with_suffix('.png')}\n")
    return 0


def _write_common(taxonomy: "Taxonomy", scores: "HierarchicalScores", out: Path) -> int:
    """Write the scores of the common classes alone."""
    from .tables import print_scores

    rows = [{"region": "common classes"} | row for row in scores.to_rows(taxonomy)]
    _write(out, rows, {"common_classes": scores.to_dict(taxonomy)})
    print_scores({"common classes": scores}, taxonomy)
    sys.stdout.write(f"{out}\n")
    return 0


def _regions(maps: "Maps", by: str | None, layer: str | None, column: str | None) -> "Regions | None":
    """Read the polygons of --by in the CRS of the maps.

    Raises:
        OptionError: There is no such column.
    """
    if by is None:
        return None
    from ..polygons.moved_polygons import read_polygons
    from ..scenes import Regions

    table = read_polygons(by, maps.grid, layer)
    if column is not None and column not in table.columns.drop(table.geometry.name):
        known = ", ".join(map(str, table.columns.drop(table.geometry.name)))
        raise OptionError(f"Expected a column of {by} ({known}), but got '{column}'.")
    names = range(len(table)) if column is None else table[column]
    return Regions([str(name) for name in names], table.geometry.to_numpy())


def _assess(maps: "Maps", points: str, reference: str, out: Path) -> int:
    """Estimate from points."""
    from ..accuracy import assess_maps
    from .progress import progress_bar

    with progress_bar("evaluate") as progress:
        found = assess_maps(maps, points, None, reference, progress)
    _write(out, found.to_rows(), found.to_dict())
    for line in _overall(found):
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(f"{out}\n")
    return 0


def _write(out: Path, rows: Sequence[Mapping[str, Any]], content: Mapping[str, Any]) -> None:
    """Write a table, or everything as JSON, by the suffix."""
    from ..output import write_csv, write_json

    if out.suffix.lower() == ".csv":
        write_csv(out, rows)
    else:
        write_json(out, content)


def _overall(found: "SceneAssessment") -> list[str]:
    return [
        f"L{level.level}: overall accuracy {float(level.result.overall.value):.3f} "
        f"+- {float(level.result.overall.margin):.3f} (95 %, {level.points} points, by {level.design})"
        for level in found.levels
    ]


def _box(edges: Sequence[float] | None) -> tuple[float, float, float, float] | None:
    """Check a box."""
    if edges is None:
        return None
    left, bottom, right, top = edges
    if not (left < right and bottom < top):
        raise OptionError(f"Expected region to be left < right and bottom < top, but got {edges}.")
    return left, bottom, right, top
