"""Option groups of a data module: splits, chips, normalisation, augmentation and loader."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from ..datasets.label_opening import LabelEntry
from ..errors import OptionError, check_choice, require_with
from ..samplers.chips import ChipRules
from ..transforms.augmentation import ChipAugmentation, check_radiometry, read_px
from .source_options import LabelOptions, Labels, PairingOptions, SourceOptions

#: Ground: [left, bottom, right, top], or a file of polygons.
Region = list[float] | str


Dealt = Literal["blocks", "scenes", "clusters"]
Drawn = Literal["random", "balanced"]
Normalization = Literal["statistics", "percentile", "scene", "weights", "scale", "none"]


@dataclass(frozen=True)
class SplitOptions:
    """How the ground is divided into train, val and test.

    Attributes:
        val_fraction: Share of the ground for validation, unless it has scenes or a region of its own.
        test_fraction: Share of the ground for testing, likewise.
        by: What is dealt: ``blocks`` of ground, whole ``scenes`` (those that overlap stay together), or
            ``clusters`` of labelled points and lines (of polygons, where there are neither).
        block_m: Side of a block in metres (default: two chips).
        cluster_m: Metres within which features are of one cluster (default: the side of a chip).
        buffer_m: Ground left out of training around val and test, in metres.
        file: In place of dealing: polygons in any CRS whose column ``split`` says train, val or test.
        train_region: [left, bottom, right, top] in the CRS of the images, or a file of polygons in any CRS
            (default: what val and test leave).
        val_region: Ground of validation. Where any region is given, nothing is dealt at random.
        test_region: Ground of testing.
        val_images: Scenes of their own for validation, with ``val_labels``.
        val_labels: Labels of ``val_images``.
        test_images: Scenes of their own for testing, with ``test_labels``.
        test_labels: Labels of ``test_images``.
        leak_check: Refuse splits that share ground. Turn off only for scenes whose coordinates mean nothing.
    """

    val_fraction: float = 0.2
    test_fraction: float = 0.2
    by: Dealt = "blocks"
    block_m: float | None = None
    cluster_m: float | None = None
    buffer_m: float = 0.0
    file: str | None = None
    train_region: Region | None = None
    val_region: Region | None = None
    test_region: Region | None = None
    val_images: list[str] | None = None
    val_labels: Labels | None = None
    test_images: list[str] | None = None
    test_labels: Labels | None = None
    leak_check: bool = True

    def __post_init__(self) -> None:
        check_choice("splits.by", self.by, get_args(Dealt))
        for option, of in (("block_m", "blocks"), ("cluster_m", "clusters")):
            said = getattr(self, option) is not None
            require_with(f"splits.{option}", said, f"splits.by {of}", self.by == of)
        if self.file is not None and any(region is not None for region in self.regions):
            raise OptionError("Expected splits.file or regions of train, val and test, but got both.")
        for name in ("val", "test"):
            if getattr(self, f"{name}_labels") and getattr(self, f"{name}_region") is not None:
                raise OptionError(f"Expected {name}_images or {name}_region, but got both.")

    @property
    def regions(self) -> tuple[Region | None, Region | None, Region | None]:
        """Named ground of train, val and test."""
        return self.train_region, self.val_region, self.test_region

    @property
    def fractions(self) -> tuple[float, float, float]:
        """Shares of train, val and test; 0 where a split has scenes of its own."""
        val = 0.0 if self.val_labels else self.val_fraction
        test = 0.0 if self.test_labels else self.test_fraction
        return 1 - val - test, val, test


@dataclass(frozen=True)
class ChipOptions:
    """Which training chips are read.

    Attributes:
        size: Side of a chip in pixels, of every split.
        per_epoch: Training chips per epoch.
        sampler: ``random`` chips by area, or ``balanced``: some of them aimed at classes, by an index of all
            labels.
        balance: With ``balanced``, share of the chips aimed at classes, dealt evenly to those that occur; or
            a share per class name. An aimed chip shows its class (as read, before scaling).
        max_class_share: Largest share of one class in a chip, 0.75 in the paper's recipe; of ten places the
            first that keeps it is read, else the least dominated one. Null for any.
        min_valid_share: Smallest share of pixels with data in a chip, likewise.
    """

    size: int = 256
    per_epoch: int = 800
    sampler: Drawn = "random"
    balance: float | dict[str, float] = 0.5
    max_class_share: float | None = None
    min_valid_share: float = 0.0

    def __post_init__(self) -> None:
        for name in ("size", "per_epoch"):
            if getattr(self, name) < 1:
                raise OptionError(f"Expected chips.{name} to be >= 1, but got {getattr(self, name)}.")
        check_choice("chips.sampler", self.sampler, get_args(Drawn))
        shares = list(self.balance.values()) if isinstance(self.balance, Mapping) else [self.balance]
        if not shares or min(shares) < 0 or sum(shares) > 1 + 1e-9:
            raise OptionError(
                "Expected balance to be 0..1, or shares per class that add up to at most 1, but got "
                f"{self.balance}."
            )
        balanced = self.sampler == "balanced"
        require_with("chips.balance", self.balance != 0.5, "chips.sampler balanced", balanced)
        _ = self.rules  # checks the other two

    @property
    def rules(self) -> ChipRules:
        """What a training chip has to show."""
        return ChipRules(self.max_class_share, self.min_valid_share)


@dataclass(frozen=True)
class NormalizationOptions:
    """Where the numbers come from by which the model normalises: (x - mean) / std.

    Attributes:
        method: ``statistics`` of the training ground (mean 0, std 1); ``percentile``, which takes the 2nd and
            98th percentile to -1 and 1; ``scene``, median and spread of the valid pixels of each scene, in
            training and in prediction; ``weights``, by what the pretrained weights were trained with;
            ``scale``, a division; or ``none``.
        mean: Per band, in place of computed ones (with ``std``).
        std: Per band, in place of computed ones (with ``mean``).
        scale: Divisor of ``method: scale`` (default: the sensor's).
        max_windows: Take statistics of at most this many windows of 512 pixels per split, evenly spread.
    """

    method: Normalization = "statistics"
    mean: list[float] | None = None
    std: list[float] | None = None
    scale: float | None = None
    max_windows: int = 1024

    def __post_init__(self) -> None:
        check_choice("normalization.method", self.method, get_args(Normalization))
        if (self.mean is None) != (self.std is None):
            raise OptionError("Expected mean and std together, but got one of them.")
        if self.method in ("scene", "weights") and self.mean is not None:
            raise OptionError(
                f"Expected mean and std, or normalization.method {self.method}, which brings both, but got "
                "all of them."
            )
        divided = self.method == "scale"
        require_with("normalization.scale", self.scale is not None, "normalization.method scale", divided)
        if self.scale is not None and self.scale <= 0:
            raise OptionError(f"Expected normalization.scale to be > 0, but got {self.scale}.")
        if self.max_windows < 1:
            raise OptionError(f"Expected normalization.max_windows to be >= 1, but got {self.max_windows}.")


@dataclass(frozen=True)
class AugmentationOptions:
    """How training batches are augmented; nothing is done by default.

    Attributes:
        flips: Flips and quarter turns.
        scale_range: [low, high] of a random scale. Below 1 training chips are read larger, and cropped after
            scaling.
        gain: Largest relative change of a band's values, 0 <= gain < 1.
        brightness: Largest shift of a band in standard deviations.
        contrast: Largest relative change of a band's contrast, 0 <= contrast < 1.
        noise: Standard deviation of noise in standard deviations of the band.
        band_drop: Probability that a band is missing.
        date_drop: Probability that a date of a series is hidden.
        day_shift: Days that a series is moved by, at most: a season that is early or late.
    """

    flips: bool = False
    scale_range: tuple[float, float] | None = None
    gain: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    noise: float = 0.0
    band_drop: float = 0.0
    date_drop: float = 0.0
    day_shift: int = 0

    def __post_init__(self) -> None:
        if self.scale_range is not None and len(self.scale_range) != 2:
            raise OptionError(f"Expected scale_range to be [low, high], but got {self.scale_range}.")
        check_radiometry(self.brightness, self.contrast, self.noise, self.band_drop)
        ChipAugmentation(self.scale_range, self.gain, date_drop=self.date_drop, day_shift=self.day_shift)

    @property
    def radiometric(self) -> bool:
        """Whether values change in units of their standard deviation."""
        return max(self.brightness, self.contrast, self.noise, self.band_drop) > 0


@dataclass(frozen=True)
class LoaderOptions:
    """How chips come to the model.

    Attributes:
        batch_size: Chips per batch.
        num_workers: Processes that read; the chips do not depend on it.
        cache_dir: Folder in which statistics and label index are kept and used again as long as files and
            options stay the same (default: computed at every start).
    """

    batch_size: int = 8
    num_workers: int = 0
    cache_dir: str | None = None

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.num_workers < 0:
            raise OptionError(
                "Expected batch_size >= 1 and num_workers >= 0, but got "
                f"{self.batch_size} and {self.num_workers}."
            )


@dataclass(frozen=True)
class DataOptions:
    """All that a data module was asked for; attributes as its arguments.

    Attributes:
        sources: Images, of one sensor or several.
        labels: Files, folders or patterns, or sources with options of their own.
        taxonomy: Name in the catalog or path.
        label_options: How labels are opened.
        pairing: How images and labels are combined.
        splits: How the ground is divided.
        chips: Which training chips are read.
        normalization: Where mean and std come from.
        augmentation: How training batches are augmented.
        loader: How chips come to the model.
        seed: Decides everything random.
    """

    sources: tuple[SourceOptions, ...]
    labels: Labels
    taxonomy: str
    label_options: LabelOptions
    pairing: PairingOptions
    splits: SplitOptions
    chips: ChipOptions
    normalization: NormalizationOptions
    augmentation: AugmentationOptions
    loader: LoaderOptions
    seed: int

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise OptionError(f"Expected seed to be >= 0, but got {self.seed}.")
        for entry in (*self.labels, *(self.splits.val_labels or ()), *(self.splits.test_labels or ())):
            LabelEntry.of(entry)
        if self.chips.per_epoch < self.loader.batch_size:
            raise OptionError(
                f"Expected chips.per_epoch to fill a batch of {self.loader.batch_size}, but got "
                f"{self.chips.per_epoch}."
            )
        of_dates = self.augmentation.date_drop or self.augmentation.day_shift
        if of_dates and all(source.series is None for source in self.sources):
            raise OptionError(
                "Expected a series with augmentation.date_drop or day_shift, but got single images. Leave "
                "both out, or give series."
            )
        if self.normalization.method == "scene" and len(self.sources) > 1:
            raise OptionError(
                f"Expected one source with normalization.method scene, but got {len(self.sources)}: the "
                "stack that is predicted is no scene of any of them. Use statistics."
            )
        for split in ("val", "test"):
            images = [getattr(source, f"{split}_images") for source in self.sources]
            labels = getattr(self.splits, f"{split}_labels")
            if (labels or any(images)) and not (labels and all(images)):
                of_all = " of every source" if len(images) > 1 else ""
                raise OptionError(
                    f"Expected {split}_images{of_all} and {split}_labels together, but got one of them."
                )

    @property
    def read_px(self) -> int:
        """Side of the training chips as read: larger than a chip where a scale below 1 shows more ground."""
        return read_px(self.chips.size, self.augmentation.scale_range)
