"""What ``hierars-geo fit`` needs of an assembled data set: its record, and a configuration per source."""

import re
from collections.abc import Sequence
from pathlib import Path

import yaml

from ...taxonomy.dataset_records import RECORD_FILE, DatasetRecord, SourceRecord
from .chips import Chip
from .sources import SourceName

#: Side of a training chip in pixels: the paper's crop, or what the cut-out holds.
_CROP_PX: dict[SourceName, int] = {"gaofen2": 640, "sentinel2": 512, "google_earth": 896}


def write_training_files(folder: Path, final: Path, chips: Sequence[Chip], taxonomy: str) -> None:
    """Write ``fit_SOURCE.yaml`` for every source, ``dataset.yaml`` and ``README.md``.

    Args:
        folder: Where they are written now.
        final: Where the data set will lie: what the paths in them start with.
        chips: The finished chips.
        taxonomy: Name of the tree.
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


__all__ = ("write_training_files",)
