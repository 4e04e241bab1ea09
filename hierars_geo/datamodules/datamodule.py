"""SceneDataModule: scenes, labels and a class tree as batches for Lightning."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import islice
from typing import Any, Literal, cast

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import BatchSampler, DataLoader, Subset

from ..datasets.intersection import SceneIntersection
from ..datasets.series import collate
from ..errors import OptionError
from ..samplers.chip_samplers import GridChipSampler
from ..samplers.chips import CoveringChips
from ..samplers.splits import SplitName
from ..taxonomy import Taxonomy
from ..transforms.augmentation import ChipAugmentation, Radiometry
from ..types import Batch, ReadRecipe, as_group
from .options import (
    AugmentationOptions,
    ChipOptions,
    DataOptions,
    LoaderOptions,
    NormalizationOptions,
    SplitOptions,
)
from .scene_splits import SceneSplits
from .source_options import (
    LabelOptions,
    Labels,
    PairingOptions,
    ReadingOptions,
    SensorName,
    SourceOptions,
)
from .split_files import write_split_ground, write_split_report


class SceneDataModule(LightningDataModule):
    """Batches of chips from georeferenced scenes, of one sensor or several, and their labels.

    Every argument is a plain value or a group of plain values, so that a YAML file can state it, and is given
    by its name; in Python, a mapping serves as a group, too. A batch holds ``image`` (B, C, H, W) float32 as
    stored, ``mask`` (B, H, W) int64 leaf index or -100, ``valid`` (B, H, W) bool, and the lists ``bounds``,
    ``crs`` and ``files``; of a series ``image`` (B, D, C, H, W), ``valid`` (B, D, H, W), ``doy`` and ``year``
    (B, D), see :class:`~hierars_geo.types.Batch`. Images are not normalised here: the model does that by
    (x - mean) / std, with the numbers of this class.

    Args:
        images: Files, folders or patterns of images.
        labels: Files, folders or patterns of label rasters, polygons, lines or points; or a list of sources
            with options of their own, ``{path: points.gpkg, attribute: class, weight: 2}``: see
            :class:`~hierars_geo.datasets.LabelEntry`.
        taxonomy: Class tree of the labels: name in the catalog or path of a YAML file.
        sensor: Sensor of the images.
        bands: Bands to read, in that order (default: the sensor's); or ``{NAME: number in the file}``.
        sources: In place of ``images``, ``sensor``, ``bands`` and ``reading``: a list of entries with these
            keys, one per sensor. Their channels are stacked on one grid, from the finest pixels to the
            coarsest, and called ``NAME:BAND`` (``gaofen2:red``). An entry may have a ``name`` of its own
            (default: the sensor), ``val_images`` and ``test_images``, whose labels stand in ``splits``.
        reading: How images are read: nodata, offset, resampling, grid, masks; and ``series``, the dates of a
            season as one sample.
        label_options: How labels are opened where they are no plain leaf rasters.
        pairing: How images and labels are combined: grid, dates.
        splits: How the ground is divided into train, val and test.
        chips: Which training chips are read: size, number, sampler.
        normalization: Where mean and standard deviation come from.
        augmentation: How training batches are augmented.
        loader: How chips come to the model: batches, processes, cache.
        seed: Decides blocks, chips and augmentation.

    Raises:
        OptionError: Options contradict each other.
    """

    def __init__(
        self,
        *,
        images: list[str] | None = None,
        labels: Labels,
        taxonomy: str,
        sensor: SensorName = "sentinel2",
        bands: list[str] | dict[str, int] | None = None,
        sources: list[SourceOptions] | None = None,
        reading: ReadingOptions = ReadingOptions(),
        label_options: LabelOptions = LabelOptions(),
        pairing: PairingOptions = PairingOptions(),
        splits: SplitOptions = SplitOptions(),
        chips: ChipOptions = ChipOptions(),
        normalization: NormalizationOptions = NormalizationOptions(),
        augmentation: AugmentationOptions = AugmentationOptions(),
        loader: LoaderOptions = LoaderOptions(),
        seed: int = 0,
    ) -> None:
        super().__init__()
        splits = as_group(SplitOptions, splits)
        alone = SourceOptions(
            images=images or [],
            sensor=sensor,
            bands=bands,
            reading=reading,
            val_images=splits.val_images,
            test_images=splits.test_images,
        )
        # not Lightning's hparams: those clash with arguments of the same names in a LightningModule
        self.options = DataOptions(
            sources=SourceOptions.each_of(sources, alone),
            labels=labels,
            taxonomy=taxonomy,
            label_options=as_group(LabelOptions, label_options),
            pairing=as_group(PairingOptions, pairing),
            splits=splits,
            chips=as_group(ChipOptions, chips),
            normalization=as_group(NormalizationOptions, normalization),
            augmentation=as_group(AugmentationOptions, augmentation),
            loader=as_group(LoaderOptions, loader),
            seed=seed,
        )
        self.scenes = SceneSplits(self.options)
        self._val_batches: int | float | None = None

    @cached_property
    def augmentation(self) -> ChipAugmentation | None:
        """What is done to training batches, None for nothing."""
        o = self.options.augmentation
        if o == AugmentationOptions():
            return None
        radiometry = None
        if o.radiometric:
            radiometry = Radiometry(self.mean, self.std, o.brightness, o.contrast, o.noise, o.band_drop)
        return ChipAugmentation(
            o.scale_range, o.gain, self.chip_size, radiometry, o.flips, o.date_drop, o.day_shift
        )

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
    def normalized_by_weights(self) -> bool:
        """Whether the model takes mean and std from its pretrained weights, and not from here."""
        return self.options.normalization.method == "weights"

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
        return self.options.chips.size

    @property
    def class_frequencies(self) -> list[list[int]]:
        """Labelled pixels of the training ground per level and class, coarsest level first.

        Of at most ``normalization.max_windows`` windows, of all ground with balanced chips.
        """
        return self.scenes.statistics_of("train").classes

    def setup(self, stage: str) -> None:
        """Open the scenes; what is wrong with them is said here, what they hold in the folder of the run."""
        _ = self.parts
        if stage != "fit" or self.trainer is None:
            return
        if "val" not in self.parts:  # an empty list would do, but Lightning warns of it
            self._val_batches, self.trainer.limit_val_batches = self.trainer.limit_val_batches, 0
        folder = self.trainer.log_dir if self.trainer.loggers else None
        if folder is not None and self.trainer.is_global_zero:
            write_split_ground(folder, {str(name): part for name, part in self.parts.items()})
            found = {str(name): self.scenes.statistics_of(name) for name in self.parts}
            write_split_report(folder, found, self.taxonomy)

    def train_dataloader(self) -> DataLoader[dict[str, Any]]:
        """Return random chips of the training ground; for a task that reads it once, a covering grid."""
        return self._loader("train", self._read_once)

    @property
    def _read_once(self) -> bool:
        """Whether the task takes one pass over the ground: every pixel counts once, and as it is."""
        task = None if self.trainer is None else self.trainer.lightning_module
        return bool(getattr(task, "closed_form", False))

    def val_dataloader(self) -> DataLoader[dict[str, Any]] | list[Any]:
        """Return a covering grid of the validation ground, an empty list where there is none.

        Raises:
            OptionError: There is none, and a trainer is to validate.
        """
        if "val" in self.parts:
            return self._loader("val")
        if self.trainer is not None and self.trainer.validating:
            raise OptionError(
                "Expected ground to validate on, but got none. Give splits a val_fraction, a val_region, or "
                "val_images and val_labels."
            )
        return []

    def test_dataloader(self) -> DataLoader[dict[str, Any]]:
        """Return a covering grid of the test ground.

        Raises:
            OptionError: There is no test ground.
        """
        if "test" not in self.parts:
            raise OptionError(
                "Expected ground to test on, but got none. Give splits a test_fraction, a test_region, or "
                "test_images and test_labels."
            )
        return self._loader("test")

    def predict_dataloader(self) -> DataLoader[dict[str, Any]]:
        """Return a covering grid of all ground of the training scenes, whatever its split."""
        return self._loader("all")

    def sample_dataloader(self, name: SplitName, chips: int) -> DataLoader[dict[str, Any]]:
        """Return some chips, evenly drawn, of a covering grid of one of :attr:`parts`, not augmented."""
        part = self.parts[name]
        grid = CoveringChips(part, GridChipSampler(part, self.chip_size))
        drawn = np.random.default_rng(self.options.seed).permutation(len(grid))[:chips]
        o = self.options.loader
        return DataLoader(Subset(grid, sorted(drawn.tolist())), o.batch_size, collate_fn=collate)

    def _loader(self, name: SplitName | Literal["all"], once: bool = False) -> DataLoader[dict[str, Any]]:
        o = self.options.loader
        chips, sampler = self.scenes.chips(name, once)
        options: dict[str, Any] = {
            "num_workers": o.num_workers,
            "persistent_workers": o.num_workers > 0,
            "collate_fn": collate,
            "pin_memory": torch.cuda.is_available(),
            "generator": torch.Generator().manual_seed(self.options.seed),
        }
        if name != "train" or once:
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
        if self.trainer is None or not self.trainer.training or self._read_once or self.augmentation is None:
            return batch
        # seed, process and number of the batch alone, so that a resumed run goes on as if it had not stopped
        number = self.trainer.fit_loop.total_batch_idx + 1  # that of the batch before, -1 at the start
        words = (self.options.seed, self.trainer.global_rank, number)
        seed = int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> np.uint64(1))
        generator = torch.Generator().manual_seed(seed)
        return self.augmentation(batch, generator)

    def teardown(self, stage: str) -> None:
        """Close the files that this process holds open."""
        self._let_validate()
        self.scenes.close()

    def on_exception(self, exception: BaseException) -> None:
        """Leave the trainer as a training that ends well does."""
        self._let_validate()

    def _let_validate(self) -> None:
        if self._val_batches is not None and self.trainer is not None:  # another data set may have some
            self.trainer.limit_val_batches, self._val_batches = self._val_batches, None


class ResumableBatches(BatchSampler):
    """Batches of indices, the first of which can be skipped once without anything being read.

    Arguments as those of PyTorch's sampler: Lightning builds it anew for several processes.
    """

    skip = 0

    def __iter__(self) -> Iterator[list[Any]]:
        """Yield the batches after the skipped ones; the next iteration yields all.

        Skipping counts as done when the first batch is asked for: with workers, PyTorch makes a second
        iterator before it takes anything from the first.
        """
        skip, self.skip = self.skip, 0
        yield from islice(super().__iter__(), skip, None)


class ResumableLoader(DataLoader[dict[str, Any]]):
    """A loader that knows how many batches of its epoch it has given.

    Lightning puts :meth:`state_dict` into a checkpoint and hands it back when the training is resumed. The
    batch sampler must be :class:`ResumableBatches`.
    """

    _given = 0

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401  # DataLoader's own
        super().__init__(*args, **options)
        # PyTorch gives a loader of batches a sampler that walks through the data set; Lightning shares the
        # loader's sampler out among processes, so it has to be the one that the batches come from
        object.__setattr__(self, "sampler", self._batches.sampler)

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]  # a generator serves as well
        """Yield batches, counting them."""
        self._given = self._batches.skip
        for batch in super().__iter__():
            self._given += 1
            yield batch

    @property
    def _batches(self) -> ResumableBatches:
        if not isinstance(self.batch_sampler, ResumableBatches):
            raise TypeError(f"Expected batch_sampler to be ResumableBatches, but got {self.batch_sampler!r}.")
        return self.batch_sampler

    def state_dict(self) -> dict[str, int]:
        """Return the number of batches given in this epoch, 0 at its end."""
        return {"batches": self._given % max(1, len(self))}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Start the next epoch after as many batches as :meth:`state_dict` counted."""
        self._batches.skip = state["batches"]
