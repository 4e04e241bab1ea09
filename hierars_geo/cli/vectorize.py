"""``hierars-geo vectorize``: maps in, nested polygons out."""

import sys

EXAMPLES = """examples:
  hierars-geo vectorize maps -o maps/scene.gpkg
  hierars-geo vectorize maps/scene_L3.tif -o scene.gpkg --min-area-m2 2500 --simplify-m 15
  hierars-geo vectorize maps -o scene.geojson --min-area-m2 2500 --smooth
  hierars-geo vectorize cdl_2016.tif -o fields.parquet --taxonomy cdl --levels 2
"""


def run(
    maps: str,
    *,
    out: str,
    taxonomy: str | None = None,
    levels: list[int] | None = None,
    min_area_m2: float = 0.0,
    simplify_m: float = 0.0,
    smooth: bool = False,
    overwrite: bool = False,
) -> int:
    """Turn maps into nested polygons.

    Every level is nested in the one above, borders are shared, areas are in m2 on the ellipsoid, and QGIS
    styles lie inside the GeoPackage.

    Args:
        maps: Folder that predict wrote to, or a class raster.
        out: FILE.gpkg (layers L1 L2 ...); FILE.parquet, FILE.fgb or FILE.geojson (one file per level).
        taxonomy: Catalog name or YAML file (default: what comes with the maps).
        levels: Levels to write (default: all).
        min_area_m2: Smaller regions of the finest level join the neighbour with the longest border.
        simplify_m: Tolerance in metres; shared borders stay shared, the outer border stays.
        smooth: Round the corners of pixels off; shared borders stay shared, the outer border stays.
        overwrite: Replace files that exist.
    """
    from ..vector import vectorize
    from .progress import progress_bar

    with progress_bar(f"vectorize {maps}") as progress:
        summary = vectorize(
            maps,
            out,
            taxonomy=taxonomy,
            levels=levels,
            min_area_m2=min_area_m2,
            simplify_m=simplify_m,
            smooth=smooth,
            overwrite=overwrite,
            progress=progress,
        )
    counts = ", ".join(f"L{level} {count}" for level, count in summary.features.items())
    sieved = f", {summary.sieved} small regions joined to neighbours" if min_area_m2 else ""
    files = " ".join(map(str, summary.files))
    sys.stdout.write(f"{files}: {counts} polygons, {summary.area_m2 / 1e4:.2f} ha{sieved}\n")
    return 0
