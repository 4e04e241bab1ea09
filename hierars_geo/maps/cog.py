"""Finish a raster as a cloud-optimised GeoTIFF that a GIS shows in its own colours and words."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import rasterio
import rasterio.shutil

from ..output import as_output_error, move_into_place, staging_folder
from ..taxonomy import Taxonomy
from .styles.qml import confidence_qml, dissimilarity_qml, raster_qml
from .styles.table import palette, pam_xml

#: What the band of a confidence raster is called, and its value where there is none.
CONFIDENCE_BAND = "confidence in per cent"
CONFIDENCE_NODATA = 255

_BYTE_MAX = 255
_SIDECARS = (".aux.xml", ".ovr", ".msk", ".msk.ovr")


def class_dtype(taxonomy: Taxonomy) -> str:
    """Return the narrowest type, uint8 or uint16, that holds nodata and the values of every level."""
    values = [value for n in range(1, taxonomy.num_levels + 1) for value in taxonomy.class_values(n)]
    return "uint8" if max(*values, taxonomy.nodata_value) <= _BYTE_MAX else "uint16"


def finalise_class_cog(
    tmp: str | os.PathLike[str],
    final: str | os.PathLike[str],
    taxonomy: Taxonomy,
    level: int,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Turn a finished class raster into ``final``, with everything a GIS needs to show it.

    ``final`` is a COG with overviews by mode (no value that is not a class), nodata, and the palette where
    values fit a byte. Beside it: class names in ``<final>.aux.xml``, a QGIS style in ``<stem>.qml``. Sidecars
    of an older file of that name are removed. Every file is finished before any gets its final name, the
    raster last.

    Args:
        tmp: Single-band raster of :func:`class_dtype`, as StripWriter writes it. It is opened for update
            (palette, nodata, tags) and stays where it is.
        final: Path of the result, in an existing folder.
        taxonomy: The class tree.
        level: 1..N.
        tags: Written into the file's metadata.

    Raises:
        OutputError: A file cannot be written.
        TaxonomyError: There is no such level.
    """
    target = Path(final)
    texts = {
        f"{target.name}.aux.xml": pam_xml(taxonomy, level),
        f"{target.stem}.qml": raster_qml(taxonomy, level),
    }
    colours = palette(taxonomy, level)
    with as_output_error(target), rasterio.open(tmp, "r+") as dataset:
        dataset.nodata = taxonomy.nodata_value
        dataset.set_band_description(1, taxonomy.level_names[level - 1])
        dataset.update_tags(**(tags or {}))
        if max(colours) <= _BYTE_MAX:
            dataset.write_colormap(1, colours)
    _publish(Path(tmp), target, texts, "mode")


def finalise_per_cent_cog(
    tmp: str | os.PathLike[str],
    final: str | os.PathLike[str],
    tags: Mapping[str, str] | None = None,
    dissimilarity: bool = False,
) -> None:
    """Turn a finished raster of confidences into a COG with a QGIS style beside it.

    Overviews are means of the pixels that hold data.

    Args:
        tmp: Single-band byte raster, per cent, 255 nodata; it is opened for update (nodata, tags) and stays
            where it is.
        final: Path of the result, in an existing folder.
        tags: Written into the file's metadata.
        dissimilarity: It holds dissimilarities in per cent of the threshold, 254 for all above.

    Raises:
        OutputError: A file cannot be written.
    """
    band = "dissimilarity in per cent of the threshold" if dissimilarity else CONFIDENCE_BAND
    style = dissimilarity_qml() if dissimilarity else confidence_qml()
    target = Path(final)
    with as_output_error(target), rasterio.open(tmp, "r+") as dataset:
        dataset.nodata = CONFIDENCE_NODATA
        dataset.set_band_description(1, band)
        dataset.update_tags(**(tags or {}))
    _publish(Path(tmp), target, {f"{target.stem}.qml": style}, "average")


def finalise_bands_cog(
    tmp: str | os.PathLike[str],
    final: str | os.PathLike[str],
    names: Sequence[str],
    nodata: int,
    tags: Mapping[str, str] | None = None,
    overviews: Literal["average", "mode"] = "mode",
) -> None:
    """Turn a finished raster of several bands into a COG whose bands have names.

    Args:
        tmp: As StripWriter writes it; it is opened for update (nodata, names, tags) and stays where it is.
        final: Path of the result, in an existing folder.
        names: Of the bands, in order.
        nodata: Value of pixels without data.
        tags: Written into the file's metadata.
        overviews: How they are made: ``mode`` of classes, ``average`` of quantities.

    Raises:
        OutputError: A file cannot be written.
    """
    target = Path(final)
    with as_output_error(target), rasterio.open(tmp, "r+") as dataset:
        dataset.nodata = nodata
        dataset.descriptions = tuple(names)
        dataset.update_tags(**(tags or {}))
    _publish(Path(tmp), target, {}, overviews)


def _publish(tmp: Path, final: Path, texts: Mapping[str, str], overviews: str) -> None:
    """Write COG and sidecars into a hidden folder, then move them: sidecars first, the raster last."""
    with staging_folder(final) as folder, as_output_error(final):
        rasterio.shutil.copy(
            str(tmp),
            str(folder / final.name),
            driver="COG",
            compress="DEFLATE",
            blocksize=512,
            overviews="AUTO",
            overview_resampling=overviews.upper(),
            bigtiff="IF_SAFER",
            num_threads="ALL_CPUS",
        )
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
        place_raster(folder / final.name, final)


def place_raster(finished: Path, final: Path) -> None:
    """Move a finished raster from another folder of the file system to its final place, its sidecars first.

    Both have one file name. What an older raster of that name left beside it, and would be taken for the new
    one's, is removed.

    Raises:
        OutputError: A file cannot be moved.
    """
    sidecars = (*(f"{final.name}{suffix}" for suffix in _SIDECARS), f"{final.stem}.qml")
    beside = [name for name in sidecars if finished.with_name(name).exists()]
    placed: list[Path] = []
    try:
        with as_output_error(final):
            for name in sidecars:
                final.with_name(name).unlink(missing_ok=True)
        for name in (*beside, final.name):
            move_into_place(finished.with_name(name), final.with_name(name))
            placed.append(final.with_name(name))
    except BaseException:
        for path in placed:
            path.unlink(missing_ok=True)
        raise
