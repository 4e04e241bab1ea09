"""Scan a folder of rasters into a STAC collection."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from ..errors import DataError, HieraRSError, MissingFileError, OptionError, OutputError, list_some
from ..output import as_output_error, check_writable_folder, staging_folder
from ..scenes.bad_files import OnError, sort_out
from ..scenes.raster_paths import RASTER_SUFFIXES
from ..taxonomy import Taxonomy
from ..taxonomy.dataset_records import DatasetRecord, read_record
from ..types import Progress
from .headers import read_header
from .scenes import ItemPlan, plan_items
from .stac import make_collection, make_item, save_collection

Result = TypeVar("Result")

#: Suffixes of chips without a place on the ground.
_PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
_MOST_LISTED = 20


@dataclass(frozen=True)
class BuildOptions:
    """How a folder becomes a collection.

    Attributes:
        dataset: Name of a record, or path of one: title, citation, taxonomy and time come from it.
        taxonomy: Tree of the labels, by name or path.
        time: ``2019-08-01`` or ``2019-08-01/2019-08-31``, for files that say no time.
        on_error: Whether files that cannot be used stop the work or are left out and listed.
        checksums: Whether the SHA-256 of every file is recorded.
        overwrite: Whether a collection that exists is replaced.
    """

    dataset: str | None = None
    taxonomy: str | None = None
    time: str | None = None
    on_error: OnError = "raise"
    checksums: bool = False
    overwrite: bool = False


@dataclass(frozen=True)
class BuildResult:
    """What was built.

    Attributes:
        path: The collection's file.
        items: Number of items.
        files: Number of files in them.
        skipped: File -> why it was left out.
    """

    path: Path
    items: int
    files: int
    skipped: dict[Path, str]


def build_catalog(
    folder: str | Path,
    out_dir: str | Path,
    options: BuildOptions | None = None,
    progress: Progress | None = None,
) -> BuildResult:
    """Scan real files into a STAC collection.

    Args:
        folder: Searched to any depth; hidden files and folders are not.
        out_dir: Folder of the collection; written beside and renamed when it is complete.
        options: How.
        progress: Called with (items done, items in all).

    Raises:
        MissingFileError: There is no such folder, or no raster in it.
        DataError: Files cannot be used or say no time; all of them are named.
        OutputError: The collection exists, or cannot be written.
        OptionError: An option is wrong.
    """
    options = options or BuildOptions()
    root, final = Path(folder), Path(out_dir)
    record = None if options.dataset is None else read_record(options.dataset)
    fallback = _fallback(options, record)
    refuse_catalog_of(final, final / "collection.json", options.overwrite)
    georeferenced = record is None or all(source.georeferenced for source in record.sources.values())
    look = partial(read_header, georeferenced=georeferenced)
    headers, bad = sort_out(look, find_files(root, final, georeferenced))
    skipped = {Path(file.path): str(file.error) for file in bad}
    if skipped and options.on_error == "raise":
        raise DataError(_listing(skipped))
    undated: set[Path] = set()
    if fallback is None:
        undated = {
            header.path for plan in plan_items(headers, root) if not plan.times for header in plan.headers
        }
    headers = [header for header in headers if header.path not in undated]
    if undated and options.on_error == "raise":
        raise DataError(
            f"Expected every image to say when it was taken, but got no date in tags or names of "
            f"{list_some(sorted(undated), _MOST_LISTED)}. Give --time DAY or DAY/DAY, or --on-error skip."
        )
    skipped |= dict.fromkeys(sorted(undated), "no date in its tags or its name")
    if not headers:
        raise DataError(f"Expected usable rasters in {root}, but all {len(skipped)} were skipped.")
    items, failed = [], {}
    plans = plan_items(headers, root)
    for done, plan in enumerate(plans, start=1):
        try:
            items.append(make_item(plan, fallback, _tree(plan, options, record), options.checksums))
        except (HieraRSError, OSError) as error:  # also what is taken away while its checksum is made
            failed[plan.headers[0].path] = str(error)
        if progress is not None:
            progress(done, len(plans))
    skipped |= failed
    if failed and (options.on_error == "raise" or not items):
        raise DataError(_listing(failed))
    extra = _extra(record, skipped, root)
    collection = make_collection(
        record.name if record else root.resolve().name or "catalog",
        f"{record.title}. {record.citation}" if record else f"Rasters found in {root.resolve().name}",
        items,
        title=record.title if record else None,
        extra=extra,
    )
    write_folder(lambda staging: save_collection(collection, final, staging), final)
    return BuildResult(final / "collection.json", len(items), sum(len(p.headers) for p in plans), skipped)


def find_files(root: Path, out_dir: Path, georeferenced: bool) -> list[Path]:
    """List the raster files below a folder, sorted; hidden ones and those of the output are left out.

    Raises:
        MissingFileError: There is no such folder, or no raster in it.
        DataError: It cannot be searched.
    """
    if not root.is_dir():
        raise MissingFileError(
            f"Expected {root} to be a folder with rasters, but there is none. Check the path."
        )
    suffixes = RASTER_SUFFIXES if georeferenced else (*RASTER_SUFFIXES, *_PICTURE_SUFFIXES)
    inside = out_dir.resolve()
    try:
        found = [
            path
            for path in root.rglob("*")
            if path.suffix.lower() in suffixes
            and path.is_file()
            and not any(part.startswith(".") for part in path.relative_to(root).parts)
            and not path.resolve().is_relative_to(inside)
            and "QI_DATA" not in path.parts  # quality masks of a Sentinel-2 product
        ]
    except OSError as error:  # a folder that goes while it is searched, or may not be read
        raise DataError(
            f"Expected {root} to be a folder that can be searched, but got: {error}. Leave it in place until "
            "the end, and check permissions."
        ) from error
    if not found:
        raise MissingFileError(f"Expected {root} to hold rasters ({', '.join(suffixes)}), but got none.")
    return sorted(found)


def refuse_catalog_of(final: Path, mark: Path, overwrite: bool) -> None:
    """Refuse a folder that exists, unless it holds the file ``mark`` of one written before and may go.

    Raises:
        OutputError: A collection exists and is not to be replaced, or something else is there.
    """
    if not final.exists() or (final.is_dir() and not any(final.iterdir())):
        return
    if not mark.is_file():
        raise OutputError(
            f"Expected {final} to be new or to hold {mark.name}, but got something else. Choose another."
        )
    if not overwrite:
        raise OutputError(
            f"Expected {final} not to exist, but it does. Remove it, choose another, or give --overwrite."
        )


def write_folder(write: Callable[[Path], Result], final: Path) -> Result:
    """Write into a hidden folder beside ``final``, then put it in its place; return what ``write`` returned.

    A folder that exists is replaced at the end. One that a killed run had moved out of the way, without
    putting its own there, is brought back first.

    Raises:
        OutputError: It cannot be written.
    """
    check_writable_folder(final.parent)
    old = final.with_name(f".{final.name}.old")  # not in the staging folder, which is thrown away
    with staging_folder(final) as staging, as_output_error(final):
        _settle(old, final)
        fresh = staging / "new"
        fresh.mkdir()
        result = write(fresh)
        if final.exists():
            final.rename(old)
        try:
            fresh.rename(final)
        finally:
            _settle(old, final)
    return result


def _settle(old: Path, final: Path) -> None:
    """Undo half of a replacement; after a whole one the old folder, if there is one, only has to go."""
    if final.exists():
        shutil.rmtree(old, ignore_errors=True)
    elif old.exists():
        old.rename(final)


def _fallback(options: BuildOptions, record: DatasetRecord | None) -> tuple[datetime, datetime] | None:
    if options.time is None:
        days = None if record is None else record.time
        return None if days is None else (_midnight(days[0].isoformat()), _last(days[1].isoformat()))
    first, _, last = options.time.partition("/")
    try:
        start = _midnight(first)
        end = _last(last) if last else start
    except ValueError as error:
        raise OptionError(
            f"Expected time to be YYYY-MM-DD or YYYY-MM-DD/YYYY-MM-DD, but got '{options.time}'."
        ) from error
    if start > end:
        raise OptionError(f"Expected time to run forward, but got '{options.time}'.")
    return start, end


def _midnight(day: str) -> datetime:
    return datetime.combine(datetime.fromisoformat(day).date(), time(), UTC)


def _last(day: str) -> datetime:
    return _midnight(day) + timedelta(days=1, seconds=-1)


def _tree(plan: ItemPlan, options: BuildOptions, record: DatasetRecord | None) -> Taxonomy | None:
    """Return the tree of a plan's labels: as asked for, as recorded, or as their tags say."""
    tags = [header.taxonomy for _, header in plan.labels if header.taxonomy]
    name = (
        options.taxonomy
        or (record.taxonomy if record and not record.label_scheme else None)
        or next(iter(tags), None)
    )
    return None if name is None or not plan.labels else Taxonomy.from_yaml(name)


def _extra(record: DatasetRecord | None, skipped: dict[Path, str], root: Path) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    if record is not None:
        extra |= {"hierars:dataset": record.name, "hierars:licence": record.licence}
    if skipped:
        extra["hierars:skipped"] = {
            path.relative_to(root).as_posix(): reason for path, reason in sorted(skipped.items())
        }
    return extra


def _listing(failures: dict[Path, str]) -> str:
    reasons = " | ".join(list(failures.values())[:_MOST_LISTED])
    more = f" | and {len(failures) - _MOST_LISTED} more" if len(failures) > _MOST_LISTED else ""
    return (
        f"Expected every raster to be usable, but {len(failures)} are not: {reasons}{more} "
        "Repair them, or give --on-error skip."
    )
