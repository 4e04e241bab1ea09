"""Data modules of published data sets: name the folder, and the catalog knows the rest."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

from ..errors import OptionError, RasterError
from ..samplers.splits import SplitName
from ..taxonomy.dataset_records import RECORD_FILE, read_record
from .chip_plane import place_pairs
from .data_options import SensorName
from .datamodule import SceneDataModule
from .layouts import deal, find_pairs, source_of

MM5BSource: TypeAlias = Literal["gaofen2", "sentinel2", "google_earth"]
#: Where the images of a split stand among the options.
_KEYS: dict[SplitName, str] = {"train": "images", "val": "val_images", "test": "test_images"}


class PublishedDataModule(SceneDataModule):
    """One source of a data set of the catalog, or of a record of one's own; or several, stacked.

    Where the folders or lists of the data set make no split of a name, it is dealt from the other pairs by
    ``val_fraction``, ``test_fraction`` and ``seed``, image by image. Images without a CRS are read as chips:
    :func:`~hierars_geo.datamodules.chip_plane.place_pairs`. Of several sources, the first gives labels and
    splits; the images of the others are read wherever they show that ground.

    Args:
        dataset: Name in ``data_catalog/datasets``, or the path of such a YAML file.
        root: Folder of the data set.
        source: Source of the record, or a list of them (default: the only one).
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
        parts = deal(
            pairs, kwargs.get("val_fraction", 0.2), kwargs.get("test_fraction", 0.2), kwargs.get("seed", 0)
        )
        own = {_KEYS[name]: [pair.image for pair in chosen] for name, chosen in parts.items() if chosen}
        stacked = None
        if others:
            options = kwargs.pop("image_options", None) or {}
            stacked = [
                {"name": first, "sensor": found.sensor, "image_options": options, **own},
                *(_elsewhere(dataset, root, name, own) | {"image_options": options} for name in others),
            ]
            own = {}
        super().__init__(
            images=own.get("images"),
            sensor=cast(SensorName, found.sensor),
            sources=stacked,
            val_images=own.get("val_images"),
            test_images=own.get("test_images"),
            labels=[pair.label for pair in parts["train"]],
            taxonomy=record.taxonomy,
            val_labels=[pair.label for pair in parts["val"]] or None,
            test_labels=[pair.label for pair in parts["test"]] or None,
            **kwargs,
        )
        if are_chips:
            self.scenes.gsd_m = found.gsd_m  # nothing else can tell it


def _elsewhere(dataset: str, root: str, source: str, keys: Iterable[str]) -> dict[str, Any]:
    """Return the images of a further source: all of them for each split, since labels confine the ground."""
    images = [pair.image for pair in find_pairs(dataset, root, source)]
    sensor = source_of(dataset, source).sensor
    return {"name": source, "sensor": sensor, **dict.fromkeys(keys, images)}


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


__all__ = ("Crop10mDataModule", "MM5BDataModule", "PublishedDataModule", "WHDLDDataModule")
