"""Compare the files of a STAC collection, or of a published data set, with what is said of them."""

import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import numpy as np
import pystac
import shapely
import shapely.geometry
from affine import Affine
from pyproj import CRS
from pyproj.exceptions import CRSError
from pystac.errors import STACError, STACTypeError
from shapely.errors import GEOSException

from ..errors import DataError, MissingFileError, RasterError
from ..grid.longitudes import within_a_turn
from ..grid.reprojection import same_crs
from ..maps.styles.stac import METRES_PER_DEGREE, joint_bbox, path_of
from ..output import sha256_of
from ..scenes.bad_files import sort_out
from ..scenes.bands import canonical_band
from ..taxonomy import Taxonomy
from ..taxonomy.dataset_records import DatasetRecord, SourceRecord
from ..types import Progress
from .headers import Header, footprint, pixel_m, raster_outline, read_header
from .problems import Problem, damage, twins, unknown_values
from .stac import sha256_in

#: Of a pixel: how far a corner may lie off the recorded one.
_TOLERANCE_PX = 1e-3
#: Of the extent: how much of the data an outline may miss, and how far it may reach beyond its raster.
_OUTLINE_SHARE = 0.02
#: Pixels that an outline may lie off without being wrong.
_NEAR_PX = 2


def validate_catalog(folder: Path, progress: Progress | None = None) -> list[Problem]:
    """Compare files with the ``collection.json`` of their folder: all that is wrong, sorted by file.

    Raises:
        MissingFileError: There is no collection.
        DataError: It is no valid JSON or no STAC.
    """
    items = read_items(folder)
    problems: list[Problem] = []
    paths: set[Path] = set()
    places: dict[tuple[Any, ...], list[str]] = defaultdict(list)
    for done, item in enumerate(items, start=1):
        for asset in item.assets.values():
            path = asset_path(asset)
            if path in paths:  # labels that several images share
                continue
            problems += _check_asset(item, asset, path)
            if path.is_file():
                paths.add(path)
        problems += _check_outline(item)
        key = (json.dumps(item.geometry), item.datetime, tuple(sorted(_bands_of(item))))
        if item.geometry is not None and item.datetime is not None:
            places[key].append(item.id)
        if progress is not None:
            progress(done, len(items))
    problems += twins(sorted(paths))
    problems += [
        Problem(name, "duplicate", f"expected another place or time than {names[0]}, but got the same")
        for names in places.values()
        for name in names[1:]
    ]
    return sorted(problems)


def read_items(folder: Path) -> list[pystac.Item]:
    """Read the items of a collection, sorted by id, with absolute hrefs.

    Raises:
        MissingFileError: There is no collection.
        DataError: It is no valid JSON or no STAC.
    """
    path = folder / "collection.json"
    if not path.is_file():
        raise MissingFileError(
            f"Expected {folder} to hold a collection.json, but it does not. "
            "Build it: hierars-geo catalog build DIR -o CATALOG_DIR."
        )
    try:
        collection = pystac.Collection.from_file(path.resolve().as_posix())
        items = sorted(collection.get_items(recursive=True), key=lambda item: item.id)
    except (STACError, STACTypeError, ValueError, KeyError, OSError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"Expected {path} to be a STAC collection, but got: {reason}. Build it again."
        ) from error
    return items


def asset_path(asset: pystac.Asset) -> Path:
    """Return the file that an asset stands for."""
    href = asset.get_absolute_href() or asset.href
    if href.startswith("file:"):
        return Path(path_of(urlparse(href).path))
    plain = Path(href)  # as others write it
    return plain if plain.exists() else Path(path_of(href))


def _is_image(asset: pystac.Asset) -> bool:
    return not {"labels", "data-mask", "metadata"} & set(asset.roles or [])


def _bands_of(item: pystac.Item) -> list[str]:
    images = [asset for asset in item.assets.values() if _is_image(asset)]
    return [band["name"] for asset in images for band in asset.extra_fields.get("bands", [])]


def _check_asset(item: pystac.Item, asset: pystac.Asset, path: Path) -> list[Problem]:
    if not path.is_file():
        return [Problem(str(path), "missing", f"expected the file of item {item.id}, but there is none")]
    recorded = asset.extra_fields
    try:
        header = read_header(path, georeferenced="proj:transform" in recorded)
    except RasterError as error:
        return [Problem(str(path), "unreadable", str(error))]
    problems = list(_check_header(header, recorded))
    problems += _check_bytes(header, recorded)
    if _is_image(asset):
        return problems + damage(header) + _check_time(header, item, recorded)
    classes = recorded.get("classification:classes")
    if not classes:
        return problems + damage(header)
    name = item.properties.get("hierars:taxonomy", "")
    return problems + unknown_values(header, _values(classes, name), name or "the recorded classes")


def _check_outline(item: pystac.Item) -> list[Problem]:
    """Hold geometry and bbox to where the images lie, and the labels where there are none."""
    listed = list(item.assets.values())
    images = [asset for asset in listed if _is_image(asset)] or listed
    there = [path for asset in images if (path := asset_path(asset)).is_file()]
    headers, _ = sort_out(partial(read_header, georeferenced=False), there)
    placed = [header for header in headers if header.grid is not None]
    if item.geometry is None or len(placed) < len(images):  # said of the file already
        return []
    try:
        recorded = within_a_turn(shapely.make_valid(shapely.geometry.shape(item.geometry)))
        valid = shapely.intersection_all([footprint(header) for header in placed])  # data in every one
        whole = shapely.union_all([raster_outline(header) for header in placed])
    except (ValueError, TypeError, KeyError, AttributeError, GEOSException, RasterError) as error:
        return [Problem(item.id, "outline", f"expected an outline, but: {' '.join(str(error).split())}")]
    nearly = _NEAR_PX * max(pixel_m(header.grid) for header in placed if header.grid) / METRES_PER_DEGREE
    missed = shapely.difference(valid, shapely.buffer(recorded, nearly)).area / (valid.area or 1)
    beyond = shapely.difference(recorded, shapely.buffer(whole, nearly)).area / whole.area
    problems = []
    if max(missed, beyond) > _OUTLINE_SHARE:
        found = (
            f"{missed:.0%} of its data lie outside, and {beyond:.0%} of its extent lie in the outline alone"
        )
        problems.append(Problem(item.id, "outline", f"expected the outline of its raster, but {found}"))
    west, south, east, north = joint_bbox([part.bounds for part in shapely.get_parts(recorded)])
    if item.bbox is not None and len(item.bbox) == 4:
        off = np.abs(np.subtract(item.bbox, (west, south, east, north)))
        if float(np.minimum(off, 360 - off).max()) > nearly + _OUTLINE_SHARE * (north - south):
            wanted = [west, south, east, north]
            problems.append(Problem(item.id, "bbox", f"expected {wanted} around it, but got {item.bbox}"))
    return problems


def _values(classes: list[dict[str, Any]], taxonomy: str) -> set[int]:
    values = {int(entry["value"]) for entry in classes}
    try:
        tree = Taxonomy.from_yaml(taxonomy)
    except MissingFileError:  # a tree that this machine lacks: the listed classes must do
        return values | {0}
    return values | {tree.nodata_value, *tree.ignore_values}


def _differ(header: Header, kind: str, expected: str, found: str) -> Problem:
    return Problem(str(header.path), kind, f"expected {expected}, but got {found}")


def _check_header(header: Header, recorded: dict[str, Any]) -> Iterator[Problem]:
    if header.grid is not None and "proj:transform" in recorded:
        if not _same_crs(header.grid.crs, recorded):
            yield _differ(
                header, "crs", recorded.get("proj:code") or "the recorded WKT", header.grid.crs.name
            )
        there = Affine(*recorded["proj:transform"])
        corners = [(0, 0), (header.shape[1], header.shape[0])]
        off = max(abs(v) for c in corners for v in np.subtract(~there @ (header.grid.transform @ c), c))
        if off > _TOLERANCE_PX:
            yield _differ(header, "grid", "the recorded corners", f"{off:.3g} px off")
    if list(header.shape) != recorded.get("proj:shape", list(header.shape)):
        yield _differ(header, "grid", f"{recorded['proj:shape']} rows and columns", str(list(header.shape)))
    bands = recorded.get("bands", [])
    names, found = [band["name"] for band in bands], [band.name for band in header.bands]
    if names != found:
        yield _differ(header, "bands", ", ".join(names), ", ".join(found))
    types = sorted({band["data_type"] for band in bands})
    if types != sorted(header.dtypes):
        yield _differ(header, "dtype", ", ".join(types), ", ".join(sorted(header.dtypes)))


def _same_crs(found: CRS, recorded: dict[str, Any]) -> bool:
    try:
        return same_crs(found, CRS.from_user_input(recorded.get("proj:code") or recorded.get("proj:wkt2")))
    except CRSError:
        return False


def _check_bytes(header: Header, recorded: dict[str, Any]) -> list[Problem]:
    file, size = str(header.path), recorded.get("file:size")
    if size is not None and size != header.size_bytes:
        return [Problem(file, "size", f"expected {size} bytes, but got {header.size_bytes}")]
    wanted = sha256_in(recorded.get("file:checksum", ""))
    if wanted is not None and sha256_of(header.path) != wanted:
        return [Problem(file, "checksum", f"expected SHA-256 {wanted[:12]}..., but got another")]
    return []


def _check_time(header: Header, item: pystac.Item, recorded: dict[str, Any]) -> list[Problem]:
    if header.acquired is None:
        return []
    text = recorded.get("datetime")
    wanted = datetime.fromisoformat(text) if text else item.datetime
    if wanted is None or wanted == header.acquired:
        return []
    return [
        Problem(str(header.path), "time", f"expected {wanted:%Y-%m-%d}, but got {header.acquired:%Y-%m-%d}")
    ]


#: Ratio of pixel sizes that still counts as the recorded one: products are resampled to round numbers.
_GSD_TOLERANCE = 0.1


def validate_dataset(record: DatasetRecord, folder: Path, progress: Progress | None = None) -> list[Problem]:
    """Compare the files of a folder with a record, and return all that is wrong, sorted by file.

    Raises:
        MissingFileError: There is no such folder.
    """
    if not folder.is_dir():
        raise MissingFileError(f"Expected {folder} to be the folder of {record.name}, but there is none.")
    pairs = [
        (
            source,
            sorted(folder.glob(source.images)),
            sorted(folder.glob(source.labels or "")) if source.labels else [],
        )
        for source in record.sources.values()
    ]
    total = sum(len(images) + len(labels) for _, images, labels in pairs)
    problems, done = _listed(record, folder), 0
    known, where = _known_values(record)
    seen: list[Path] = []
    for source, images, labels in pairs:
        problems += _holes(source, folder, images, labels)
        for path in (*images, *labels):
            is_labels = path in labels
            problems += _check_file(source, path, known if is_labels else None, where, is_labels)
            done += 1
            if progress is not None:
                progress(done, total)
        seen += images
    return sorted({*problems, *twins(sorted(set(seen)))})


def _listed(record: DatasetRecord, folder: Path) -> list[Problem]:
    """Compare the files whose checksum is recorded."""
    problems = []
    for name, wanted in record.checksums.items():
        path = folder / name
        if not path.is_file():
            problems.append(Problem(str(path), "missing", "expected a file of the record, but there is none"))
        elif sha256_of(path) != wanted:
            problems.append(
                Problem(str(path), "checksum", f"expected SHA-256 {wanted[:12]}..., but got another")
            )
    return problems


def _holes(source: SourceRecord, folder: Path, images: list[Path], labels: list[Path]) -> list[Problem]:
    """Name images without labels, labels without an image, and patterns that find nothing."""
    problems = []
    for kind, pattern, found in (("images", source.images, images), ("labels", source.labels, labels)):
        if pattern is not None and not found:
            problems.append(Problem(str(folder), "hole", f"expected {kind} {pattern}, but got none"))
    if not images or not labels or (len(images) == len(labels) == 1):
        return problems
    by_stem = {path.stem.removesuffix(source.label_suffix) for path in labels}
    problems += [
        Problem(str(path), "hole", "expected labels of this image, but there are none")
        for path in images
        if path.stem not in by_stem
    ]
    stems = {path.stem for path in images}
    problems += [
        Problem(str(path), "hole", "expected an image of these labels, but there is none")
        for path in labels
        if path.stem.removesuffix(source.label_suffix) not in stems
    ]
    return problems


def _known_values(record: DatasetRecord) -> tuple[set[int] | None, str]:
    if record.label_scheme is not None:
        return set(record.label_scheme.to_taxonomy), f"the label scheme of {record.name}"
    if record.taxonomy is None:
        return None, ""
    tree = Taxonomy.from_yaml(record.taxonomy)
    values = {*tree.class_values(tree.num_levels), tree.nodata_value, *tree.ignore_values}
    return values, f"taxonomy {tree.name}"


def _check_file(
    source: SourceRecord, path: Path, known: set[int] | None, where: str, is_labels: bool
) -> list[Problem]:
    try:
        header = read_header(path, source.georeferenced)
    except RasterError as error:
        return [Problem(str(path), "unreadable", str(error))]
    problems = list(_check_place(source, header, is_labels))
    if not is_labels:
        return [*problems, *_check_image(source, header), *damage(header)]
    if len(header.bands) != 1:
        return [
            *problems,
            Problem(str(path), "bands", f"expected one band of labels, but got {len(header.bands)}"),
        ]
    return problems + (damage(header) if known is None else unknown_values(header, known, where))


def _check_place(source: SourceRecord, header: Header, is_labels: bool) -> Iterator[Problem]:
    """Compare CRS and pixel size; labels, which several sources may share, have pixels of their own size."""
    if header.grid is None:
        return
    if source.crs is not None and not same_crs(header.grid.crs, CRS.from_user_input(source.crs)):
        yield _differ(header, "crs", source.crs, header.grid.crs.name)
    gsd_m = header.grid.gsd_m()
    if source.georeferenced and not is_labels and abs(gsd_m / source.gsd_m - 1) > _GSD_TOLERANCE:
        yield _differ(header, "grid", f"{source.gsd_m:g} m", f"{gsd_m:.4g} m")


def _check_image(source: SourceRecord, header: Header) -> Iterator[Problem]:
    names = [band.name for band in header.bands]
    wanted = [canonical_band(band) for band in source.bands]
    anonymous = all(name.startswith("band_") for name in names)
    if len(names) != len(wanted) or (not anonymous and names != wanted):
        yield _differ(header, "bands", ", ".join(wanted), ", ".join(names))
    if set(header.dtypes) != {source.dtype}:
        yield _differ(header, "dtype", source.dtype, ", ".join(header.dtypes))
