"""``hierars-geo areas``: the area of every class inside the polygons of a layer."""

import sys

EXAMPLES = """examples:
  hierars-geo areas maps --by districts.gpkg -o districts.csv --id name
  hierars-geo areas maps --by fields.gpkg -o fields_crops.gpkg --levels 3
  hierars-geo areas cdl_2016.tif --by counties.shp -o counties.parquet --taxonomy cdl
"""


def run(
    maps: str,
    *,
    by: str,
    layer: str | None = None,
    id: str | None = None,
    out: str,
    taxonomy: str | None = None,
    levels: list[int] | None = None,
    overwrite: bool = False,
) -> int:
    """Measure every class inside the polygons of a layer (districts, fields).

    Areas are in m2 on the ellipsoid; pixels on an edge count with their share.

    Args:
        maps: Folder that predict wrote to, or a class raster.
        by: Polygon layer, in any CRS.
        layer: Its layer, where the file holds several.
        id: Its column that names a polygon (default: the row number).
        out: FILE.csv (a row per polygon and class), FILE.parquet (a row per polygon, with the class of most
            ground) or FILE.gpkg (both).
        taxonomy: Catalog name or YAML file (default: what comes with the maps).
        levels: Levels to measure (default: all).
        overwrite: Replace a file that exists.
    """
    from ..vector import class_areas
    from .progress import progress_bar

    with progress_bar(f"areas {maps}") as progress:
        tables = class_areas(
            maps,
            by,
            out,
            taxonomy=taxonomy,
            levels=levels,
            layer=layer,
            id_column=id,
            overwrite=overwrite,
            progress=progress,
        )
    mapped_m2, all_m2 = tables.polygons["mapped_m2"].sum(), tables.polygons["polygon_m2"].sum()
    sys.stdout.write(
        f"{out}: {len(tables.polygons)} polygons, {mapped_m2 / 1e4:.2f} of {all_m2 / 1e4:.2f} ha mapped\n"
    )
    return 0


__all__ = ("EXAMPLES", "run")
