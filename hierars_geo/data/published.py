"""Data modules of published data sets: name the folder, and the catalog knows the rest."""

from typing import Any, Literal, cast

from ..errors import OptionError
from .catalog.records import read_record
from .chip_plane import place_pairs
from .data_options import SensorName
from .datamodule import SceneDataModule
from .layouts import deal, find_pairs, source_of


class PublishedDataModule(SceneDataModule):
    """One source of a data set of the catalog, or of a record of one's own.

    Where the folders or lists of the data set make no split of a name, it is dealt from the other pairs by
    ``val_fraction``, ``test_fraction`` and ``seed``, image by image. Images without a CRS are read as chips:
    :func:`hierars_geo.data.chip_plane.place_pairs`.

    Args:
        dataset: Name in ``data_catalog/datasets``, or the path of such a YAML file.
        root: Folder of the data set.
        source: Source of the record (default: the only one).
        **kwargs: As :class:`SceneDataModule`.

    Raises:
        MissingFileError: The folder or the images do not exist.
        DataError: Images have no label, or nothing is left to train on.
        OptionError: There is no such source, or its labels are not those of its tree.
    """

    def __init__(self, dataset: str, root: str, source: str | None = None, **kwargs: Any) -> None:  # noqa: ANN401
        record, found = read_record(dataset), source_of(dataset, source)
        if record.taxonomy is None or record.label_scheme is not None:
            raise OptionError(
                f"Expected labels of {record.name} to be leaves of a tree, but they are in a scheme of "
                "their own. Rewrite them first: hierars-geo catalog assemble."
            )
        pairs, are_chips = place_pairs(find_pairs(dataset, root, source), found.gsd_m)
        parts = deal(
            pairs, kwargs.get("val_fraction", 0.2), kwargs.get("test_fraction", 0.2), kwargs.get("seed", 0)
        )
        val, test = parts["val"], parts["test"]
        super().__init__(
            images=[pair.image for pair in parts["train"]],
            labels=[pair.label for pair in parts["train"]],
            taxonomy=record.taxonomy,
            sensor=cast(SensorName, found.sensor),
            val_images=[pair.image for pair in val] or None,
            val_labels=[pair.label for pair in val] or None,
            test_images=[pair.image for pair in test] or None,
            test_labels=[pair.label for pair in test] or None,
            **kwargs,
        )
        if are_chips:
            self.scenes.gsd_m = found.gsd_m  # nothing else can tell it


class MM5BDataModule(PublishedDataModule):
    """MM-5B (Ai et al. 2026), one of its three sources.

    Not released at the time of writing. The folders expected are ``GF2``, ``S2`` and ``Google``, with
    ``images/{train,val,test}`` and ``labels/{train,val,test}`` in each, as ``hierars-geo catalog show mm5b``
    lists them.

    Args:
        root: Folder of the data set.
        source: ``gaofen2``, ``sentinel2`` or ``google_earth``.
        **kwargs: As :class:`SceneDataModule`.
    """

    def __init__(
        self,
        root: str,
        source: Literal["gaofen2", "sentinel2", "google_earth"] = "gaofen2",
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(dataset="mm5b", root=root, source=source, **kwargs)


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
