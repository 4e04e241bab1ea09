"""Assemble a data set of several sources as MM-5B was: pair, co-register, cut, split, describe."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from ...errors import DataError
from ...scenes.dataset import bounded_block_cache
from ...scenes.handles import HandlePool
from ...scenes.raster_paths import Paths
from ...taxonomy import Taxonomy
from ..build import refuse_catalog_of, write_folder
from ..headers import read_header
from ..scenes import ItemPlan
from ..stac import make_collection, make_item, save_collection
from .chips import Chip, ChipWriter, label_values
from .extents import Extent, cut_extents
from .figures import sheet_figure, time_figure
from .options import AssembleOptions
from .pairing import Place, Unpaired, assign_splits, pair_scenes
from .shifts import corrected, measure_place
from .sources import SourceName, open_labels, open_sources
from .tables import write_tables
from .training_files import write_training_files

Progress = Callable[[int, int], None]
_TAXONOMY = "mm5b"
_DPI = 130


@dataclass(frozen=True)
class AssembleResult:
    """What was assembled.

    Attributes:
        folder: The data set.
        places: Its places, with the shifts as measured.
        chips: Its chips.
        unpaired: Scenes and places that are not in it, and why.
    """

    folder: Path
    places: tuple[Place, ...]
    chips: tuple[Chip, ...]
    unpaired: tuple[Unpaired, ...]


def assemble(
    sources: Mapping[SourceName, Paths],
    labels: Paths,
    out_dir: str | Path,
    options: AssembleOptions | None = None,
    progress: Progress | None = None,
) -> AssembleResult:
    """Assemble a multi-source data set.

    Args:
        sources: Scenes of each source: files, folders or patterns. The first of GaoFen-2, Sentinel-2 and
            Google Earth that is given is the reference: the others are paired and compared with its scenes.
        labels: Label rasters.
        out_dir: Folder of the data set; written beside and renamed when it is complete.
        options: How.
        progress: Called with (steps done, steps in all).

    Raises:
        MissingFileError: Something named does not exist.
        RasterError: Files cannot be used; all of a source are named.
        DataError: No place has all sources and labels, or no chip holds enough data.
        OptionError: An option is wrong.
        OutputError: The data set exists, or cannot be written.
    """
    options, final = options or AssembleOptions(), Path(out_dir)
    refuse_catalog_of(final, final / "catalog" / "collection.json", options.overwrite)
    tree = Taxonomy.from_yaml(_TAXONOMY)
    found = open_sources(sources)
    places, unpaired = pair_scenes(found, open_labels(labels), options)
    places = assign_splits(places, options)
    result: list[AssembleResult] = []
    with bounded_block_cache(), closing(HandlePool()) as pool:
        measured = [measure_place(place, pool) for place in places]
        used = [corrected(place) for place in measured] if options.correct_shift else measured
        jobs = [(place, extent) for place in used for extent in cut_extents(place, options)]
        held = {place.name for place, _ in jobs}
        small = [
            Unpaired(p.reference, p.scenes[p.reference].path, "the common ground is smaller than a chip")
            for p in used
            if p.name not in held
        ]

        def write(folder: Path) -> None:
            chips = _write_chips(jobs, folder, tree, options, pool, progress)
            kept = [place for place in measured if any(chip.place.name == place.name for chip in chips)]
            _describe(folder, final, kept, chips, [*unpaired, *small], tree)
            result.append(AssembleResult(final, tuple(kept), tuple(chips), (*unpaired, *small)))

        write_folder(write, final)
    return result[0]


def _write_chips(
    jobs: Sequence[tuple[Place, Extent]],
    folder: Path,
    tree: Taxonomy,
    options: AssembleOptions,
    pool: HandlePool,
    progress: Progress | None,
) -> list[Chip]:
    values = label_values(options.label_scheme, tree)
    writers: dict[str, ChipWriter] = {}
    chips: list[Chip] = []
    for done, (place, extent) in enumerate(jobs, start=1):
        if place.name not in writers:
            writers[place.name] = ChipWriter(place, tree, values, pool)
        chip = writers[place.name].write(extent, folder)
        if min(chip.valid.values()) >= max(options.min_valid, 1e-9):
            chips.append(chip)
        else:
            for path in (*chip.images.values(), chip.labels):
                (folder / path).unlink()
        if progress is not None:
            progress(done, len(jobs))
    if not chips:
        raise DataError(
            f"Expected chips with data in {options.min_valid:.0%} of their pixels in every source and label, "
            f"but none of {len(jobs)} has that. Take smaller chips (--chip-m), or relax --min-valid."
        )
    return chips


def _describe(
    folder: Path,
    final: Path,
    places: Sequence[Place],
    chips: Sequence[Chip],
    unpaired: Sequence[Unpaired],
    tree: Taxonomy,
) -> None:
    write_tables(folder, places, chips, unpaired, tree)
    write_training_files(folder, final, chips, tree.name)
    time_figure(places).savefig(folder / "time_differences.png", dpi=_DPI, metadata={"Software": None})
    sheet_figure(chips, folder, tree).savefig(folder / "sheet.png", dpi=_DPI, metadata={"Software": None})
    items = []
    always = (datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
    for chip in chips:
        files = tuple((str(name), read_header(folder / path)) for name, path in chip.images.items())
        label = read_header(folder / chip.labels)
        item = make_item(
            ItemPlan(chip.extent.name, files, (("labels", replace(label, is_labels=True)),)),
            always,
            tree,
            True,
        )
        item.properties |= {"hierars:split": chip.place.split, "hierars:place": chip.place.name}
        items.append(item)
    collection = make_collection(
        final.resolve().name or "assembled", "Chips of one ground by several sources, with labels", items
    )
    # The data lie in the same folder, which is renamed as a whole: hrefs hold wherever it lies.
    save_collection(collection, folder / "catalog", folder / "catalog")


__all__ = ("AssembleResult", "assemble")
