"""``hierars-geo report``: the maps of a folder in, one HTML file out."""

import sys
from pathlib import Path

EXAMPLES = """examples:
  hierars-geo report maps
  hierars-geo report maps -o report.html --image scene.tif
  hierars-geo report maps --image scene.tif --labels labels.tif --metrics metrics.json --title "North valley"
  hierars-geo report maps --accuracy accuracy.json --figures figures --gis
"""


def run(
    maps: list[str],
    *,
    out: Path | None = None,
    image: Path | None = None,
    labels: Path | None = None,
    metrics: Path | None = None,
    accuracy: Path | None = None,
    taxonomy: str | None = None,
    title: str | None = None,
    figures: Path | None = None,
    gis: bool = False,
    overwrite: bool = False,
) -> int:
    """Write one HTML file with maps, legends, areas by class, scores and provenance.

    It needs no other file: send it as it is.

    Args:
        maps: Folder that predict wrote to (every scene in it is shown), or class rasters.
        out: File to write (default: report.html beside the maps).
        image: Image to show: a raster, or a folder with one file per band.
        labels: Reference labels (finest level) to show and to compare with.
        metrics: Scores written by hierars-geo evaluate.
        accuracy: Estimates from points, FILE.json of evaluate (default: accuracy.json beside the maps).
        taxonomy: Catalog name or YAML file (default: what comes with the maps).
        title: Heading (default: from the scenes' names).
        figures: Folder for the maps as figures, each as PNG and as PDF.
        gis: Write beside the maps, too: a QGIS project, SLD and MapLibre styles, a STAC collection.
        overwrite: Replace files that exist.
    """
    from ..maps import Maps
    from ..report import write_gis_files, write_report

    opened = Maps.open(maps, taxonomy)
    path = write_report(
        opened,
        out,
        image=image,
        labels=labels,
        metrics=metrics,
        accuracy=accuracy,
        figures=figures,
        title=title,
        overwrite=overwrite,
    )
    for written in (path, *(write_gis_files(opened, overwrite, image=image) if gis else ())):
        sys.stdout.write(f"{written}\n")
    return 0
