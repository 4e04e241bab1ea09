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
    crosswalk: str | None = None,
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
        crosswalk: Measure the classes that the map's legend has in common with another one: catalog name or
            YAML file of the crosswalk between them.
        overwrite: Replace a file that exists.
    """
    from contextlib import ExitStack
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from ..maps import Maps, write_common_map
    from ..output import refuse_existing
    from ..taxonomy import Crosswalk, Taxonomy
    from ..vector import class_areas
    from .progress import progress_bar

    with ExitStack() as stack:
        source: str | Path = maps
        tree: str | Taxonomy | None = taxonomy
        if crosswalk is not None:
            refuse_existing([Path(out)], overwrite, [maps, by, taxonomy, crosswalk])
            source = Path(stack.enter_context(TemporaryDirectory())) / f"{Path(maps).stem}.tif"
            tree = write_common_map(Maps.open(maps, taxonomy), Crosswalk.from_yaml(crosswalk), source)
        progress = stack.enter_context(progress_bar(f"areas {maps}"))
        tables = class_areas(
            source,
            by,
            out,
            taxonomy=tree,
            levels=levels,
            layer=layer,
            id_column=id,
            overwrite=overwrite,
            progress=progress,
        )
    mapped_m2, all_m2 = tables.polygons["mapped_m2"].sum(), tables.polygons["polygon_m2"].sum()
    said = f"{len(tables.polygons)} polygons, {mapped_m2 / 1e4:.2f} of {all_m2 / 1e4:.2f} ha mapped"
    if "outside_share" in tables.polygons and mapped_m2:
        outside_m2 = (tables.polygons["outside_share"] * tables.polygons["mapped_m2"]).sum()
        said += f", {100 * outside_m2 / mapped_m2:.1f} % of that outside the area of applicability"
    sys.stdout.write(f"{out}: {said}\n")
    measured = tables.classes
    if len(measured):
        finest = int(measured["level"].max())
        found = set(measured.loc[measured["level"] == finest, "class_name"])
        legend = tree if isinstance(tree, Taxonomy) else Maps.open(maps, taxonomy).taxonomy
        absent = [name for name in legend.class_names(finest) if name not in found]
        sys.stdout.write(f"0 ha: {', '.join(absent)}\n" if absent else "")
    return 0
