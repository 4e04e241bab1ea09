"""SceneDataModule: scenes, labels and a class tree as batches for Lightning."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal, cast

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader
from torchgeo.datasets import stack_samples

from ..datasets.intersection import SceneIntersection
from ..errors import OptionError
from ..samplers.chosen_chips import ChipRules
from ..samplers.resumable import ResumableBatches, ResumableLoader
from ..samplers.splits import SplitName
from ..taxonomy import Taxonomy
from ..transforms.augmentation import ChipAugmentation
from ..transforms.radiometry import Radiometry
from ..types import Batch, ReadRecipe
from .data_options import (
    AugmentOptions,
    ChipOptions,
    DataOptions,
    Normalization,
    SensorName,
    SeparateScenes,
    SourceOptions,
    SplitOptions,
)
from .scene_splits import SceneSplits
from .split_report import write_split_report


class SceneDataModule(LightningDataModule):
    """Batches of chips from georeferenced scenes, of one sensor or several, and their labels.

    Every argument is a plain value, so that a YAML file can state it, and is given by its name. A batch holds
    ``image`` (B, C, H, W) float32 as stored, ``mask`` (B, H, W) int64 leaf index or -100, ``valid`` (B, H, W)
    bool, and the lists ``bounds``, ``crs`` and ``files``. Images are not normalised here: the model does that
    by (x - mean) / std, with the numbers of this class.

    Args:
        images: Files, folders or patterns of images.
        labels: Files, folders or patterns of label rasters or polygons.
        taxonomy: Class tree of the labels: name in the catalog or path of a YAML file.
        sensor: Sensor of the images.
        bands: Bands to read, in that order (default: the sensor's).
        sources: In place of ``images``, ``sensor``, ``bands``, ``nodata`` and ``image_options``: a list of
            entries with such keys, one per sensor. Their channels are stacked on one grid, from the finest
            pixels to the coarsest, and called ``NAME:BAND`` (``gaofen2:red``). An entry may have a ``name``
            of its own (default: the sensor), and ``val_images`` and ``test_images``, with ``val_labels`` and
            ``test_labels`` beside ``sources``.
        chip_size: Side of a chip in pixels.
        batch_size: Chips per batch.
        chips_per_epoch: Random training chips per epoch.
        num_workers: Processes that read; the chips do not depend on it.
        val_fraction: Share of the ground for validation, unless ``val_images`` or a region is given.
        test_fraction: Share of the ground for testing, unless ``test_images`` or a region is given.
        block_m: Side of the blocks of ground dealt to the splits, in metres (default: two chips).
        buffer_m: Ground left out of training around val and test, in metres.
        split_by: What is dealt: ``blocks`` of ground, or whole ``scenes`` (those that overlap stay together).
        split_file: In place of dealing: polygons in any CRS whose column ``split`` says train, val or test.
        train_region: [left, bottom, right, top] in the CRS of the images, or a file of polygons in any CRS
            (default: what val and test leave).
        val_region: Ground of validation. Where any region is given, nothing is dealt at random.
        test_region: Ground of testing.
        val_images: Scenes of their own for validation, with ``val_labels``.
        val_labels: Labels of ``val_images``.
        test_images: Scenes of their own for testing, with ``test_labels``.
        test_labels: Labels of ``test_images``.
        normalization: ``statistics`` of the training ground (mean 0, std 1); ``percentile``, which takes the
            2nd and 98th percentile to -1 and 1; ``scale``, a division; or ``none``.
        mean: Per band, instead of computed ones (with ``std``).
        std: Per band, instead of computed ones (with ``mean``).
        scale: Divisor of ``normalization: scale`` (default: the sensor's).
        statistics_windows: Take statistics of at most this many windows of 512 pixels per split, evenly
            spread.
        nodata: Value without data in image files that declare none.
        sampler: ``random`` training chips by area, or ``balanced``: some of them aimed at classes, by an
            index of all labels.
        balance: With ``sampler: balanced``, share of the chips aimed at classes, dealt evenly to those that
            occur; or a share per class name. An aimed chip shows its class (as read, before scaling).
        max_class_share: Largest share of one class in a training chip, 0.75 in the paper's recipe; of ten
            places the first that keeps it is read, else the least dominated one. Null for any.
        min_valid_share: Smallest share of pixels with data in a training chip, likewise.
        augment: Flips and quarter turns of training batches.
        scale_range: [low, high] of a random scale, with ``augment``. Below 1 training chips are read larger,
            and cropped after scaling.
        gain: Largest relative change of a band's values, 0 <= gain < 1, with ``augment``.
        brightness: Largest shift of a band in standard deviations, with ``augment``.
        contrast: Largest relative change of a band's contrast, 0 <= contrast < 1, with ``augment``.
        noise: Standard deviation of noise in standard deviations of the band, with ``augment``.
        band_drop: Probability that a band is missing, with ``augment``.
        label_options: How labels are opened where they are no plain leaf rasters: arguments of
            :func:`open_labels`, for example ``{attribute: crop}`` for polygons.
        image_options: How images are opened: ``crs``, ``res``, ``resampling``, ``harmonize``, ``on_error``
            and ``max_open_files`` of :class:`SceneRaster`.
        pairing: How images and labels are combined: ``grid``, ``time``, ``days`` and ``min_valid`` of
            :class:`SceneIntersection`.
        cache_dir: Folder in which statistics and label index are kept and used again as long as files and
            options stay the same (default: computed at every start).
        leak_check: Refuse splits that share ground. Turn off only for scenes whose coordinates mean nothing.
        seed: Decides blocks, chips and augmentation.

    Raises:
        OptionError: Options contradict each other.
    """

    def __init__(
        self,
        *,
        images: list[str] | None = None,
        labels: list[str],
        taxonomy: str,
        sensor: SensorName = "sentinel2",
        bands: list[str] | None = None,
        sources: list[dict[str, Any]] | None = None,
        chip_size: int = 256,
        batch_size: int = 8,
        chips_per_epoch: int = 800,
        num_workers: int = 0,
        val_fraction: float = 0.2,
        test_fraction: float = 0.2,
        block_m: float | None = None,
        buffer_m: float = 0.0,
        split_by: Literal["blocks", "scenes"] = "blocks",
        split_file: str | None = None,
        train_region: list[float] | str | None = None,
        val_region: list[float] | str | None = None,
        test_region: list[float] | str | None = None,
        val_images: list[str] | None = None,
        val_labels: list[str] | None = None,
        test_images: list[str] | None = None,
        test_labels: list[str] | None = None,
        normalization: Normalization = "statistics",
        mean: list[float] | None = None,
        std: list[float] | None = None,
        scale: float | None = None,
        statistics_windows: int = 1024,
        nodata: float | None = None,
        sampler: Literal["random", "balanced"] = "random",
        balance: float | dict[str, float] = 0.5,
        max_class_share: float | None = None,
        min_valid_share: float = 0.0,
        augment: bool = False,
        scale_range: list[float] | None = None,
        gain: float = 0.0,
        brightness: float = 0.0,
        contrast: float = 0.0,
        noise: float = 0.0,
        band_drop: float = 0.0,
        label_options: dict[str, Any] | None = None,
        image_options: dict[str, Any] | None = None,
        pairing: dict[str, Any] | None = None,
        cache_dir: str | None = None,
        leak_check: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__()
        read = SourceOptions.each_of(
            sources,
            {
                "images": images,
                "sensor": sensor,
                "bands": bands,
                "nodata": nodata,
                "image_options": dict(image_options or {}),
                "val_images": val_images,
                "test_images": test_images,
            },
        )
        # not Lightning's hparams: those clash with arguments of the same names in a LightningModule
        self.options = DataOptions(
            sources=read,
            labels=labels,
            taxonomy=taxonomy,
            chip_size=chip_size,
            batch_size=batch_size,
            chips_per_epoch=chips_per_epoch,
            num_workers=num_workers,
            normalization=normalization,
            mean=mean,
            std=std,
            scale=scale,
            statistics_windows=statistics_windows,
            seed=seed,
            split=SplitOptions(
                val_fraction=val_fraction,
                test_fraction=test_fraction,
                block_m=block_m,
                buffer_m=buffer_m,
                by=split_by,
                file=split_file,
                regions=(train_region, val_region, test_region),
                val_scenes=SeparateScenes.of([s.val_images for s in read], val_labels, "val"),
                test_scenes=SeparateScenes.of([s.test_images for s in read], test_labels, "test"),
                leak_check=leak_check,
            ),
            chips=ChipOptions(sampler, balance, ChipRules(max_class_share, min_valid_share)),
            augmentation=AugmentOptions.of(
                scale_range,
                augment=augment,
                gain=gain,
                brightness=brightness,
                contrast=contrast,
                noise=noise,
                band_drop=band_drop,
            ),
            label_options=dict(label_options or {}),
            pairing=dict(pairing or {}),
            cache_dir=cache_dir,
        )
        self.scenes = SceneSplits(self.options)

    @cached_property
    def augmentation(self) -> ChipAugmentation | None:
        """What is done to training batches, None for nothing."""
        o = self.options.augmentation
        if not o.augment:
            return None
        radiometry = None
        if o.radiometric:
            radiometry = Radiometry(self.mean, self.std, o.brightness, o.contrast, o.noise, o.band_drop)
        return ChipAugmentation(o.scale_range, o.gain, self.options.chip_size, radiometry)

    @property
    def parts(self) -> dict[SplitName, SceneIntersection]:
        """The data set of each split."""
        return self.scenes.parts

    @property
    def taxonomy(self) -> Taxonomy:
        """Class tree of the labels."""
        return self.scenes.taxonomy

    @property
    def taxonomy_name(self) -> str:
        """Name in the catalog or path of the class tree, as it was given."""
        return self.options.taxonomy

    @property
    def bands(self) -> list[str]:
        """Canonical names of the channels, ``NAME:BAND`` where there are several sources."""
        return list(self.scenes.dataset.bands)

    @property
    def mean(self) -> list[float]:
        """What the model subtracts, per band, in stored values; statistics are computed when asked for."""
        return list(self.scenes.mean)

    @property
    def std(self) -> list[float]:
        """What the model divides by, per band, in stored values."""
        return list(self.scenes.std)

    @property
    def gsd_m(self) -> float:
        """Ground sampling distance in metres at the centre of the training scenes."""
        return self.scenes.gsd_m

    @property
    def read_recipe(self) -> ReadRecipe:
        """How the scenes are read, so that a prediction reads alike; of several sources what they share."""
        return self.scenes.read_recipe

    @property
    def chip_size(self) -> int:
        """Side of a chip in pixels."""
        return self.options.chip_size

    @property
    def class_frequencies(self) -> list[list[int]]:
        """Labelled pixels of the training ground per level and class, coarsest level first.

        Of at most ``statistics_windows`` windows, of all ground with ``sampler: balanced``.
        """
        return self.scenes.survey("train").classes

    def setup(self, stage: str) -> None:
        """Open the scenes; what is wrong with them is said here, what they hold in the folder of the run."""
        _ = self.parts
        if stage != "fit" or self.trainer is None or not self.trainer.loggers:
            return
        folder = self.trainer.log_dir
        if folder is not None and self.trainer.is_global_zero:
            write_split_report(folder, {name: self.scenes.survey(name) for name in self.parts}, self.taxonomy)

    def train_dataloader(self) -> DataLoader[dict[str, Any]]:
        """Return random chips of the training ground."""
        return self._loader("train")

    def val_dataloader(self) -> DataLoader[dict[str, Any]] | list[Any]:
        """Return a covering grid of the validation ground, an empty list where there is none."""
        return self._loader("val") if "val" in self.parts else []

    def test_dataloader(self) -> DataLoader[dict[str, Any]]:
        """Return a covering grid of the test ground.

        Raises:
            OptionError: There is no test ground.
        """
        if "test" not in self.parts:
            raise OptionError(
                "Expected ground to test on, but got none. Give test_images and test_labels, test_region or "
                "test_fraction."
            )
        return self._loader("test")

    def _loader(self, name: SplitName) -> DataLoader[dict[str, Any]]:
        o = self.options
        chips, sampler = self.scenes.chips(name)
        options: dict[str, Any] = {
            "num_workers": o.num_workers,
            "persistent_workers": o.num_workers > 0,
            "collate_fn": stack_samples,
            "pin_memory": torch.cuda.is_available(),
            "generator": torch.Generator().manual_seed(o.seed),
        }
        if name != "train":
            return DataLoader(chips, batch_size=o.batch_size, sampler=cast(Any, sampler), **options)
        batches = ResumableBatches(cast(Any, sampler), o.batch_size, drop_last=True)
        return ResumableLoader(chips, batch_sampler=batches, **options)

    def transfer_batch_to_device(
        self, batch: Mapping[str, Any], device: torch.device, dataloader_idx: int
    ) -> dict[str, Any]:
        """Move the tensors of a batch; bounds, CRS and names of files stay as they are."""
        return {
            key: value.to(device, non_blocking=True) if isinstance(value, torch.Tensor) else value
            for key, value in batch.items()
        }

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Augment training batches on the device they are on."""
        if self.augmentation is None or self.trainer is None or not self.trainer.training:
            return batch
        # seed, process and number of the batch alone, so that a resumed run goes on as if it had not stopped
        number = self.trainer.fit_loop.total_batch_idx + 1  # that of the batch before, -1 at the start
        words = (self.options.seed, self.trainer.global_rank, number)
        seed = int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> np.uint64(1))
        generator = torch.Generator().manual_seed(seed)
        return self.augmentation(batch, generator)

    def teardown(self, stage: str) -> None:
        """Close the files that this process holds open."""
        self.scenes.close()


__all__ = ("SceneDataModule",)
