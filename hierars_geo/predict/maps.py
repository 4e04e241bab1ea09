"""From stored rows to finished files: one cloud-optimised GeoTIFF per layer, or one for all of them."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..grid import GeoGrid
from ..maps.cog import (
    CONFIDENCE_NODATA,
    class_dtype,
    finalise_bands_cog,
    finalise_class_cog,
    finalise_per_cent_cog,
)
from ..maps.outside import AOA_NODATA, INSIDE, OUTSIDE, applicability_taxonomy
from ..maps.writer import StripWriter
from ..taxonomy import Taxonomy
from ..taxonomy.depth import DEPTH_NODATA, adaptive_nodata, adaptive_taxonomy, depth_taxonomy
from .layers import Layer
from .rows import RowStore, StoredLayer


def stored_layer(layer: Layer, taxonomy: Taxonomy) -> StoredLayer:
    """Say how the rows of a layer are stored."""
    if layer.kind == "probabilities":
        return StoredLayer(layer.name, "uint8", len(taxonomy.paths))
    if layer.kind in ("class", "stack"):
        return StoredLayer(layer.name, class_dtype(taxonomy))
    if layer.kind in ("adaptive", "sets"):
        return StoredLayer(layer.name, "uint8" if layer_nodata(layer, taxonomy) < 256 else "uint16")
    return StoredLayer(layer.name, "uint8")


def layer_nodata(layer: Layer, taxonomy: Taxonomy) -> int:
    """Raster value of a pixel without data in a layer."""
    if layer.kind in ("class", "stack"):
        return taxonomy.nodata_value
    if layer.kind in ("adaptive", "sets"):
        return adaptive_nodata(taxonomy, layer.kind == "sets")
    nodata = {"depth": DEPTH_NODATA, "applicability": AOA_NODATA}
    return nodata.get(layer.kind, CONFIDENCE_NODATA)


def write_layer(
    layer: Layer, store: RowStore, grid: GeoGrid, taxonomy: Taxonomy, final: Path, tags: Mapping[str, str]
) -> None:
    """Make the file of a layer.

    Args:
        layer: Which.
        store: Complete.
        grid: Of the raster.
        taxonomy: The tree.
        final: The result, in a folder of the run.
        tags: Written into the file's metadata.

    Raises:
        OutputError: The file cannot be written.
    """
    kept = stored_layer(layer, taxonomy)
    raw = final.with_name(f"{final.stem}.unfinished.tif")
    with StripWriter(raw, grid, kept.dtype, layer_nodata(layer, taxonomy), count=kept.count) as writer:
        for strip in store.strips(kept):
            writer.write(strip)
    if layer.kind == "class" and layer.level is not None:
        finalise_class_cog(raw, final, taxonomy, layer.level, tags)
    elif layer.kind == "depth":
        finalise_class_cog(raw, final, depth_taxonomy(taxonomy), 1, tags)
    elif layer.kind in ("adaptive", "sets"):
        finalise_class_cog(raw, final, adaptive_taxonomy(taxonomy, layer.kind == "sets"), 1, tags)
    elif layer.kind == "applicability":
        finalise_class_cog(raw, final, applicability_taxonomy(), 1, tags)
    elif layer.kind == "probabilities":
        finalise_bands_cog(raw, final, path_names(taxonomy), CONFIDENCE_NODATA, tags, "average")
    else:
        finalise_per_cent_cog(raw, final, tags, dissimilarity=layer.kind == "dissimilarity")
    raw.unlink()


def write_stack(
    layers: Sequence[Layer],
    store: RowStore,
    grid: GeoGrid,
    taxonomy: Taxonomy,
    final: Path,
    tags: Mapping[str, str],
) -> None:
    """Make one file with the class map of every level as a band.

    Args:
        layers: Class layers, in the order of the bands.
        store: Complete.
        grid: Of the raster.
        taxonomy: The tree.
        final: The result, in a folder of the run.
        tags: Written into the file's metadata.

    Raises:
        OutputError: The file cannot be written.
    """
    raw = final.with_name(f"{final.stem}.unfinished.tif")
    kept = [stored_layer(layer, taxonomy) for layer in layers]
    with StripWriter(raw, grid, kept[0].dtype, taxonomy.nodata_value, count=len(kept)) as writer:
        for strips in zip(*(store.strips(layer) for layer in kept), strict=True):
            writer.write(np.concatenate(strips))
    names = [taxonomy.level_names[layer.level - 1] for layer in layers if layer.level is not None]
    finalise_bands_cog(raw, final, names, taxonomy.nodata_value, tags, "mode")
    raw.unlink()


def share_outside(strips: Iterable[NDArray[np.generic]]) -> float | None:
    """Share of the pixels with data that lie outside the area of applicability, 0..1; None without any."""
    counts = np.zeros(256, np.int64)
    for strip in strips:
        counts += np.bincount(strip.ravel().astype(np.uint8), minlength=256)
    mapped = int(counts[OUTSIDE] + counts[INSIDE])
    return round(int(counts[OUTSIDE]) / mapped, 6) if mapped else None


def path_names(taxonomy: Taxonomy) -> list[str]:
    """Name every path by its classes, coarsest first: ``Water / Water / River``."""
    names = [taxonomy.class_names(level) for level in range(1, taxonomy.num_levels + 1)]
    return [" / ".join(names[level][index] for level, index in enumerate(path)) for path in taxonomy.paths]
