"""Assemble a data set of several sources as MM-5B was: pair, co-register, cut, split, describe."""

import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import yaml

from ...errors import DataError
from ...grid import Window, cover
from ...grid.lattice import Lattice
from ...scenes.dataset import HandlePool, bounded_block_cache
from ...scenes.raster_paths import Paths
from ...taxonomy import Taxonomy
from ...taxonomy.dataset_records import RECORD_FILE, DatasetRecord, SourceRecord
from ...types import Progress
from ..build import refuse_catalog_of, write_folder
from ..headers import read_header
from ..scenes import ItemPlan
from ..stac import make_collection, make_item, save_collection
from .chips import Chip, ChipWriter, Extent, chip_lattice, cut_extents, label_values
from .coregistration import Picture, Shift, measure_shift
from .figures import sheet_figure, time_figure, write_tables
from .pairing import Place, Unpaired, assign_splits, pair_scenes, unpaired
from .sources import AssembleOptions, SceneWindows, SourceName, open_labels, open_sources

#: Side of a training chip in pixels: the paper's crop, or what the cut-out holds.
_CROP_PX: dict[SourceName, int] = {"gaofen2": 640, "sentinel2": 512, "google_earth": 896}


def write_training_files(folder: Path, final: Path, chips: Sequence[Chip], taxonomy: str) -> None:
    """Write ``fit_SOURCE.yaml`` for every source, ``dataset.yaml`` and ``README.md`` into a folder.

    Paths in them start with where the data set will lie.
    """
    splits = [s for s in ("train", "val", "test") if any(chip.place.split == s for chip in chips)]
    sources = list(chips[0].images)
    for source in sources:
        text = yaml.safe_dump({"data": _data(source, final, chips, splits, taxonomy)}, sort_keys=False)
        (folder / f"fit_{source}.yaml").write_text(text, encoding="utf-8")
    record = _record(final, chips, taxonomy).model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    (folder / RECORD_FILE).write_text(yaml.safe_dump(record, sort_keys=False), encoding="utf-8")
    (folder / "README.md").write_text(_readme(final, chips, sources, splits), encoding="utf-8")


def _data(
    source: SourceName, final: Path, chips: Sequence[Chip], splits: Sequence[str], taxonomy: str
) -> dict[str, object]:
    smallest = min(min(_shape(chip, source)) for chip in chips)
    options: dict[str, object] = {
        "sensor": source,
        "images": [(final / "train" / source).as_posix()],
        "labels": [(final / "train" / "labels").as_posix()],
        "taxonomy": taxonomy,
        "chips": {"size": max(32, min(_CROP_PX[source], smallest) // 32 * 32)},
    }
    own: dict[str, object] = {}
    for split in ("val", "test"):
        if split in splits:
            own[f"{split}_images"] = [(final / split / source).as_posix()]
            own[f"{split}_labels"] = [(final / split / "labels").as_posix()]
        elif split == "test":
            own["test_fraction"] = 0.0
    if own:
        options["splits"] = own
    return {"class_path": "hierars_geo.datamodules.SceneDataModule", "init_args": options}


def _record(final: Path, chips: Sequence[Chip], taxonomy: str) -> DatasetRecord:
    """Say where the files lie, as a record of the catalog does."""
    place = chips[0].place
    return DatasetRecord(
        name=re.sub(r"[^A-Za-z0-9_.-]", "_", final.resolve().name) or "assembled",
        title="Chips of one ground by several sources, with labels",
        citation="Assembled with hierars-geo catalog assemble; cite the sources of the scenes.",
        licence="as the scenes and labels it is made of",
        access="places.csv names the scenes.",
        area="see catalog/collection.json",
        taxonomy=taxonomy,
        sources={
            name: SourceRecord(
                sensor=name,
                bands=scene.bands,
                gsd_m=scene.res_in(place.crs),
                dtype=scene.dtype,
                images=f"*/{name}/*.tif",
                labels="*/labels/*.tif",
            )
            for name, scene in place.scenes.items()
        },
    )


def _shape(chip: Chip, source: SourceName) -> tuple[int, int]:
    left, bottom, right, top = chip.extent.bounds
    res_m = chip.place.scenes[source].res_in(chip.place.crs)
    return round((top - bottom) / res_m), round((right - left) / res_m)


def _readme(final: Path, chips: Sequence[Chip], sources: Sequence[str], splits: Sequence[str]) -> str:
    counts = ", ".join(f"{sum(c.place.split == s for c in chips)} {s}" for s in splits)
    places: set[str] = {chip.place.name for chip in chips}
    fits = "\n".join(
        f"    hierars-geo fit --config MODEL.yaml --config {(final / f'fit_{source}.yaml').as_posix()}"
        for source in sources
    )
    return (
        f"# {final.name}\n\n"
        f"{len(chips)} chips of {len(places)} places ({counts}); sources {', '.join(sources)}. "
        "Files of one name show one ground, each source at its own resolution.\n\n"
        "* `SPLIT/SOURCE/NAME.tif`, `SPLIT/labels/NAME.tif`\n"
        "* `dataset.yaml`: where everything lies, for `hierars_geo.datamodules.MM5BDataModule`\n"
        "* `catalog/collection.json`: STAC; check it with `hierars-geo catalog validate catalog`\n"
        "* `places.csv`: source files, dates and measured shifts; `chips.csv`; `unpaired.csv`\n"
        "* `classes.csv`: classes of every level per split\n"
        "* `time_differences.csv`, `time_differences.png`; `sheet.png`\n\n"
        "To train on one source (MODEL.yaml holds trainer and model, as in experiments/quickstart):\n\n"
        f"{fits}\n"
    )


#: Side of the windows that are compared, and how many of a place at most.
_SIDE_PX = 256
_MOST_WINDOWS = 9
#: Shifts below this are within what can be measured: moving by them would only cost a resampling.
_LEAST_PX = 0.1


def measure_place(place: Place, pool: HandlePool) -> Place:
    """Compare each source's red band with the reference's, on the coarser pixels: shifts in metres."""
    common = place.common_bounds
    if common is None:
        return place
    shifts: dict[SourceName, tuple[float, float]] = {}
    measured: dict[SourceName, Shift] = {}
    for name, scene in place.scenes.items():
        if name == place.reference:
            continue
        reference = place.scenes[place.reference]
        res_m = max(reference.res_in(place.crs), scene.res_in(place.crs))
        lattice, whole = chip_lattice(Extent(place.name, common), res_m, place.crs)
        one, other = SceneWindows(reference, pool), SceneWindows(scene, pool)
        windows = _windows(whole)
        pairs = [(_picture(one, lattice, window), _picture(other, lattice, window)) for window in windows]
        shift = measure_shift(pairs)
        measured[name] = shift
        shifts[name] = (shift.cols * lattice.res[0], -shift.rows * lattice.res[1])
    return replace(place, shifts=shifts, measured=measured)


def corrected(place: Place) -> Place:
    """Move every source whose shift is reliable, and at least 0.1 px, back onto the reference.

    The georeferencing is moved, not the pixels; in another CRS by the same metres, scaled to its units.
    """
    scenes = dict(place.scenes)
    for name, (dx, dy) in place.shifts.items():
        shift = place.measured[name]
        if shift.reliable and np.hypot(shift.rows, shift.cols) >= _LEAST_PX:
            grid = scenes[name].scene.grid
            units_per_m = grid.res[0] / scenes[name].res_in(place.crs)
            scenes[name] = scenes[name].moved(-dx * units_per_m, -dy * units_per_m)
    return replace(place, scenes=scenes)


def _windows(whole: Window) -> Sequence[Window]:
    """Spread windows of one size over the ground."""
    side = min(_SIDE_PX, whole.height, whole.width)
    every = list(cover((whole.height, whole.width), (side, side), (side, side)))
    if len(every) <= _MOST_WINDOWS:
        return every
    return [every[i] for i in np.linspace(0, len(every) - 1, _MOST_WINDOWS).round().astype(int)]


def _picture(reader: SceneWindows, lattice: Lattice, window: Window) -> Picture:
    picture: Picture = reader.read(lattice, window).filled(np.nan)[reader.scene.red].astype(np.float32)
    return picture


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
    places, left_out = pair_scenes(found, open_labels(labels), options)
    places = assign_splits(places, options)
    with bounded_block_cache(), closing(HandlePool()) as pool:
        measured = [measure_place(place, pool) for place in places]
        used = [corrected(place) for place in measured] if options.correct_shift else measured
        jobs = [(place, extent) for place in used for extent in cut_extents(place, options)]
        held = {place.name for place, _ in jobs}
        small = [
            unpaired(p.scenes[p.reference], "the common ground is smaller than a chip")
            for p in used
            if p.name not in held
        ]

        def write(folder: Path) -> AssembleResult:
            chips = _write_chips(jobs, folder, tree, options, pool, progress)
            kept = [place for place in measured if any(chip.place.name == place.name for chip in chips)]
            _describe(folder, final, kept, chips, [*left_out, *small], tree)
            return AssembleResult(final, tuple(kept), tuple(chips), (*left_out, *small))

        return write_folder(write, final)


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
