"""Data modules of published data sets: name the folder, and the catalog knows the rest."""

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

from affine import Affine
from rasterio.io import DatasetReader

from ..errors import OptionError, RasterError, notice
from ..samplers.splits import SplitName
from ..scenes.bad_files import map_all
from ..scenes.dataset import open_dataset, opening_env
from ..taxonomy.dataset_records import RECORD_FILE, read_record
from ..types import as_group
from .datamodule import SceneDataModule
from .layouts import ScenePair, deal, find_pairs, source_of
from .options import SplitOptions
from .source_options import ReadingOptions, SensorName, SourceOptions

MM5BSource: TypeAlias = Literal["gaofen2", "sentinel2", "google_earth"]
#: An engineering CRS: metres, but of no place on the Earth.
_PLANE = 'LOCAL_CS["chips without a place on the ground",UNIT["metre",1],AXIS["x",EAST],AXIS["y",NORTH]]'
#: Where the images of a split stand among the options.
_KEYS: dict[SplitName, str] = {"train": "images", "val": "val_images", "test": "test_images"}


class PublishedDataModule(SceneDataModule):
    """One source of a data set of the catalog, or of a record of one's own; or several, stacked.

    Where the folders or lists of the data set make no split of a name, it is dealt from the other pairs by
    ``splits.val_fraction``, ``splits.test_fraction`` and ``seed``, image by image. Images without a CRS are
    read as chips: :func:`~hierars_geo.datamodules.published.place_pairs`. Of several sources, the first gives
    labels and splits; the images of the others are read wherever they show that ground.

    Args:
        dataset: Name in ``data_catalog/datasets``, or the path of such a YAML file.
        root: Folder of the data set.
        source: Source of the record, or a list of them (default: the only one).
        reading: How images are read.
        splits: How the pairs without a split are dealt.
        seed: Decides splits, chips and augmentation.
        **kwargs: As :class:`SceneDataModule`.

    Raises:
        MissingFileError: The folder or the images do not exist.
        DataError: Images have no label, or nothing is left to train on.
        RasterError: Images of several sources have no CRS.
        OptionError: There is no such source, or its labels are not those of its tree.
    """

    def __init__(
        self,
        dataset: str,
        root: str,
        source: str | list[str] | None = None,
        reading: ReadingOptions = ReadingOptions(),
        splits: SplitOptions = SplitOptions(),
        seed: int = 0,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        sources = source if isinstance(source, list) else [source]
        first, others = (sources or [None])[0], [str(name) for name in sources[1:]]
        record, found = read_record(dataset), source_of(dataset, first)
        if record.taxonomy is None or record.label_scheme is not None:
            raise OptionError(
                f"Expected labels of {record.name} to be leaves of a tree, but they are in a scheme of "
                "their own. Rewrite them first: hierars-geo catalog assemble."
            )
        pairs, are_chips = place_pairs(find_pairs(dataset, root, first), found.gsd_m)
        if are_chips and others:
            raise RasterError(
                f"Expected images of several sources to have a CRS, but those of {first} have none (in "
                f"{root}). Name one source, or assign the CRS."
            )
        splits = as_group(SplitOptions, splits)
        parts = deal(pairs, splits.val_fraction, splits.test_fraction, seed)
        own: dict[str, Any] = {
            _KEYS[name]: [pair.image for pair in chosen] for name, chosen in parts.items() if chosen
        }
        labels = {name: [pair.label for pair in chosen] for name, chosen in parts.items()}
        sensor = cast(SensorName, found.sensor)
        stacked = None
        if others:
            stacked = [
                SourceOptions(sensor=sensor, name=first, reading=reading, **own),
                *(_elsewhere(dataset, root, name, own, reading) for name in others),
            ]
            own, reading = {}, ReadingOptions()
        super().__init__(
            images=own.get("images"),
            labels=labels["train"],
            taxonomy=record.taxonomy,
            sensor=sensor,
            sources=stacked,
            reading=reading,
            splits=replace(
                splits,
                val_images=own.get("val_images"),
                val_labels=labels["val"] or None,
                test_images=own.get("test_images"),
                test_labels=labels["test"] or None,
            ),
            seed=seed,
            **kwargs,
        )
        if are_chips:
            self.scenes.gsd_m = found.gsd_m  # nothing else can tell it


def _elsewhere(
    dataset: str, root: str, source: str, keys: Iterable[str], reading: ReadingOptions
) -> SourceOptions:
    """Return the images of a further source: all of them for each split, since labels confine the ground."""
    images = [pair.image for pair in find_pairs(dataset, root, source)]
    sensor = cast(SensorName, source_of(dataset, source).sensor)
    own: dict[str, Any] = dict.fromkeys(keys, images)
    return SourceOptions(sensor=sensor, name=source, reading=reading, **own)


class MM5BDataModule(PublishedDataModule):
    """MM-5B (Ai et al. 2026): one of its three sources, or several stacked.

    Not released at the time of writing. The folders expected are ``GF2``, ``S2`` and ``Google``, with
    ``images/{train,val,test}`` and ``labels/{train,val,test}`` in each, as ``hierars-geo catalog show mm5b``
    lists them; or what ``hierars-geo catalog assemble`` writes, whose ``dataset.yaml`` tells its folders.

    Args:
        root: Folder of the data set.
        source: ``gaofen2``, ``sentinel2`` or ``google_earth``; or a list of them, the one with labels first.
        **kwargs: As :class:`SceneDataModule`.
    """

    def __init__(
        self,
        root: str,
        source: MM5BSource | list[MM5BSource] = "gaofen2",
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        own = Path(root) / RECORD_FILE
        dataset = str(own) if own.is_file() else "mm5b"
        super().__init__(dataset=dataset, root=root, source=cast(str | list[str], source), **kwargs)


class Crop10mDataModule(PublishedDataModule):
    """Crop10m (Ai et al. 2026): Sentinel-2 and labels of five paths, 0 a class and 255 unlabelled.

    Not released at the time of writing. The folders expected are ``images/{train,val,test}`` and
    ``labels/{train,val,test}``.

    Args:
        root: Folder of the data set.
        **kwargs: As :class:`SceneDataModule`.
    """

    def __init__(self, root: str, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(dataset="crop10m", root=root, **kwargs)


class WHDLDDataModule(PublishedDataModule):
    """WHDLD (Shao et al. 2018): chips of 256 x 256 at 2 m in ``Images/*.jpg``, labels in ``ImagesPNG/*.png``.

    The chips have no place on the ground and the data set has no splits: they are dealt by the seed.

    Args:
        root: Folder of the data set.
        **kwargs: As :class:`SceneDataModule`.
    """

    def __init__(self, root: str, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(dataset="whdld", root=root, **kwargs)


@dataclass(frozen=True)
class _Frame:
    """Where an image and its label say they lie."""

    shape: tuple[int, int]
    srs: str | None
    transform: Affine
    label_placed: bool


def place_pairs(pairs: Sequence[ScenePair], gsd_m: float) -> tuple[list[ScenePair], bool]:
    """Give every image and label a place; say whether they are chips.

    A label without a CRS takes that of its image. Images without one are chips: they are laid on a plane, in
    rows and columns, with at least a chip's side between any two, so that no window shows two of them. Their
    coordinates tell them apart and mean nothing else.

    Args:
        pairs: All pairs of a data set; the place of a chip depends on all of them, in their order.
        gsd_m: Pixel size of chips in metres.

    Raises:
        RasterError: A file cannot be read, a label has another size than its image, or only some of the
            images have a CRS; all such files are named.
    """
    with opening_env():
        frames = map_all(_frame, pairs)
    loose = [frame.srs is None for frame in frames]
    if any(loose) and not all(loose):
        raise RasterError(
            f"Expected all images with a CRS or none, but {sum(loose)} of {len(pairs)} have none (first: "
            f"{pairs[loose.index(True)].image}). Assign it, or move them away."
        )
    if not any(loose):
        return [_placed_label(pair, frame) for pair, frame in zip(pairs, frames, strict=True)], False
    notice(
        f"{pairs[0].image} and {len(pairs) - 1} more have no CRS: they are read as chips of {gsd_m:g} m "
        "pixels without a place on the ground."
    )
    step_m = 2 * gsd_m * max(max(frame.shape) for frame in frames)
    columns = math.ceil(math.sqrt(len(pairs)))
    placed = []
    for i, pair in enumerate(pairs):
        row, column = divmod(i, columns)
        transform = Affine(gsd_m, 0, column * step_m, 0, -gsd_m, -row * step_m)
        image, label = (_at(path, _PLANE, transform) for path in (pair.image, pair.label))
        placed.append(replace(pair, image=image, label=label))
    return placed, True


def _frame(pair: ScenePair) -> _Frame:
    with open_dataset(pair.image) as image, open_dataset(pair.label) as label:
        placed = _srs(image) is not None and _srs(label) is not None  # then each has pixels of its own
        if not placed and image.shape != label.shape:
            raise RasterError(
                f"Expected a label of its image's size {image.shape}, but "
                f"got {label.shape} (in {pair.label}). "
                "Take the label of this image, uncut and not resampled."
            )
        return _Frame(image.shape, _srs(image), image.transform, placed)


def _srs(dataset: DatasetReader) -> str | None:
    if not dataset.crs or dataset.transform == Affine.identity():
        return None
    code = dataset.crs.to_epsg()
    return f"EPSG:{code}" if code else str(dataset.crs.to_wkt())


def _placed_label(pair: ScenePair, frame: _Frame) -> ScenePair:
    if frame.label_placed or frame.srs is None:
        return pair
    return replace(pair, label=_at(pair.label, frame.srs, frame.transform))


def _at(path: str, srs: str, transform: Affine) -> str:
    numbers = ",".join(repr(float(number)) for number in transform.to_gdal())
    return f"vrt://{os.path.abspath(path)}?a_srs={srs}&a_gt={numbers}"
