"""Compare a folder with the record of a published data set."""

from collections.abc import Callable
from pathlib import Path

from pyproj import CRS

from ..errors import MissingFileError, RasterError
from ..grid.reprojection import same_crs
from ..output.output import sha256_of
from ..scenes.bands import canonical_band
from ..taxonomy import Taxonomy
from ..taxonomy.dataset_records import DatasetRecord, SourceRecord
from .headers import Header, read_header
from .problems import Problem, damage, twins, unknown_values

#: Ratio of pixel sizes that still counts as the recorded one: products are resampled to round numbers.
_GSD_TOLERANCE = 0.1


def validate_dataset(
    record: DatasetRecord, folder: Path, progress: Callable[[int, int], None] | None = None
) -> list[Problem]:
    """Compare files with a record.

    Args:
        record: What the catalog knows.
        folder: Where the data set lies.
        progress: Called with (files done, files in all).

    Returns:
        Everything that is wrong, sorted by file.

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
    problems = _check_place(source, header, is_labels)
    if not is_labels:
        return problems + _check_image(source, header) + damage(header)
    if len(header.bands) != 1:
        return [
            *problems,
            Problem(str(path), "bands", f"expected one band of labels, but got {len(header.bands)}"),
        ]
    return problems + (damage(header) if known is None else unknown_values(header, known, where))


def _check_place(source: SourceRecord, header: Header, is_labels: bool) -> list[Problem]:
    """Compare CRS and pixel size; labels, which several sources may share, have pixels of their own size."""
    if header.grid is None:
        return []
    file, problems = str(header.path), []
    if source.crs is not None and not same_crs(header.grid.crs, CRS.from_user_input(source.crs)):
        problems.append(Problem(file, "crs", f"expected {source.crs}, but got {header.grid.crs.name}"))
    gsd_m = header.grid.gsd_m()
    if source.georeferenced and not is_labels and abs(gsd_m / source.gsd_m - 1) > _GSD_TOLERANCE:
        problems.append(Problem(file, "grid", f"expected {source.gsd_m:g} m, but got {gsd_m:.4g} m"))
    return problems


def _check_image(source: SourceRecord, header: Header) -> list[Problem]:
    file, problems = str(header.path), []
    names = [band.name for band in header.bands]
    wanted = [canonical_band(band) for band in source.bands]
    anonymous = all(name.startswith("band_") for name in names)
    if len(names) != len(wanted) or (not anonymous and names != wanted):
        problems.append(Problem(file, "bands", f"expected {', '.join(wanted)}, but got {', '.join(names)}"))
    if set(header.dtypes) != {source.dtype}:
        problems.append(
            Problem(file, "dtype", f"expected {source.dtype}, but got {', '.join(header.dtypes)}")
        )
    return problems


__all__ = ("validate_dataset",)
