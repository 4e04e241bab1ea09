"""``hierars-geo sample``: points to label, for accuracy and areas with intervals."""

import sys
from typing import Literal

from ..errors import OptionError

EXAMPLES = """examples:
  hierars-geo sample maps -o points.gpkg                       # enough for a standard error of 1 %
  hierars-geo sample maps -o points.gpkg --level 2 --points 600 --min-per-class 40
  hierars-geo sample maps -o points.gpkg --expected 0.85 Forest=0.95 Grassland=0.6
  hierars-geo sample maps -o points.gpkg --by uncertainty --points 300   # where labels help most
  # fill in the column `reference` in a GIS, then
  hierars-geo evaluate maps points.gpkg --taxonomy mm5b -o accuracy.json
"""


def run(
    maps: str,
    *,
    out: str,
    taxonomy: str | None = None,
    level: int | None = None,
    by: Literal["class", "uncertainty", "applicability", "random"] = "class",
    points: int | None = None,
    target_error: float = 0.01,
    expected: list[str] = ["0.8"],  # noqa: B006  # never changed
    min_per_class: int = 50,
    seed: int = 0,
    overwrite: bool = False,
) -> int:
    """Draw points from a map, stratified, for people to label (Olofsson et al. 2014).

    Args:
        maps: Folder that predict wrote to, or a class raster.
        out: FILE.gpkg with layers points and strata.
        taxonomy: Catalog name or YAML file (default: what comes with the maps).
        level: Level whose classes or confidence the strata follow (default: the finest).
        by: What the points are dealt by: the classes; uncertainty, more where the map is less sure;
            applicability, half of them on ground unlike the training's; or nothing (random).
        points: Points in all (default: as many as --target-error asks for).
        target_error: Standard error of the overall accuracy to reach.
        expected: User's accuracy to expect, of all classes (0.8) or by class (NAME=0.9).
        min_per_class: Least points of a stratum.
        seed: Decides the draw.
        overwrite: Replace a file that exists.
    """
    default, by_class = _accuracies(expected)
    from ..accuracy import sample_points
    from .progress import progress_bar

    with progress_bar(f"sample {maps}") as progress:
        drawn = sample_points(
            maps,
            out,
            taxonomy=taxonomy,
            level=level,
            by=by,
            points=points,
            target_error=target_error,
            expected_accuracy=default,
            expected_by_class=by_class,
            minimum=min_per_class,
            seed=seed,
            overwrite=overwrite,
            progress=progress,
        )
    sys.stdout.write(f"{out}: {len(drawn)} points in {drawn['stratum'].nunique()} strata\n")
    return 0


def _accuracies(given: list[str]) -> tuple[float, dict[str, float]]:
    """Split accuracies of all classes and of single ones."""
    default, by_class = 0.8, {}
    for text in given:
        name, _, number = text.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            raise OptionError(f"Expected 0.8 or NAME=0.8 after --expected, but got '{text}'.") from None
        if name:
            by_class[name] = value
        else:
            default = value
    return default, by_class
