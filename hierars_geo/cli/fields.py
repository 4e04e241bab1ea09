"""``hierars-geo fields``: one class per field, with its confidence, in a file that a GIS opens."""

import sys

EXAMPLES = """examples:
  hierars-geo fields maps --by parcels.gpkg -o fields.gpkg
  hierars-geo fields maps --by parcels.shp -o fields.parquet --depth-threshold 0.7
"""


def run(
    maps: str,
    *,
    by: str,
    layer: str | None = None,
    out: str,
    depth_threshold: float = 0.5,
    mixed_share: float = 0.25,
    taxonomy: str | None = None,
    overwrite: bool = False,
) -> int:
    """Decide the class of every field of a layer by the summed probabilities of its pixels.

    Needs maps that were predicted with --probabilities. Pixels on an edge count with their share.

    Args:
        maps: Folder that predict wrote to.
        by: Layer of fields, in any CRS.
        layer: Its layer, where the file holds several.
        out: FILE.gpkg (with style), FILE.parquet or FILE.csv.
        depth_threshold: The finest class this sure (0..1) is decided: the parent where children disagree.
        mixed_share: A field is flagged as mixed where its second class has this share (0..1) of its ground.
        taxonomy: Catalog name or YAML file (default: what comes with the maps).
        overwrite: Replace a file that exists.
    """
    from ..vector import decide_fields
    from .progress import progress_bar

    with progress_bar(f"fields {maps}") as progress:
        fields = decide_fields(
            maps, by, out, depth_threshold, mixed_share, taxonomy, layer, overwrite, progress
        )
    level = fields["level"]
    decided, empty = int((level > 0).sum()), int(level.isna().sum())
    deepest = int(level.max()) if decided else 0
    finest, mixed = int((level == deepest).sum()), int(fields["mixed"].sum())
    sys.stdout.write(
        f"{out}: {len(fields)} fields, {decided} decided ({finest} at level {deepest}), {mixed} mixed, "
        f"{empty} without data\n"
    )
    return 0
