"""DataOptions: what a SceneDataModule was asked for, checked before any file is opened."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from ..errors import OptionError
from ..samplers.chosen_chips import ChipRules
from ..scenes.sensors import find_sensor
from ..transforms.augmentation import ChipAugmentation, read_px
from ..transforms.radiometry import check_radiometry

Normalization = Literal["statistics", "percentile", "scale", "none"]
#: Ground: [left, bottom, right, top], or a file of polygons.
Region = list[float] | str
#: Sensors of the catalog, and any raster.
SensorName = Literal[
    "gaofen2",
    "generic",
    "google_earth",
    "landsat5",
    "landsat7",
    "landsat8",
    "landsat9",
    "naip",
    "rgb",
    "sentinel1",
    "sentinel2",
    "sentinel2_l1c",
    "sentinel2_l2a",
]


@dataclass(frozen=True)
class SourceOptions:
    """Images of one sensor: an entry of ``sources`` of :class:`SceneDataModule`.

    Attributes:
        images: Files, folders or patterns.
        sensor: Name of the sensor.
        name: What it is called in ``pairing`` and before its bands (``NAME:red``), None for the sensor.
        bands: Bands, None for the sensor's.
        nodata: Of files that declare none.
        image_options: Further options of the images.
        val_images: Scenes of their own for validation.
        test_images: Scenes of their own for testing.
    """

    images: Sequence[str]
    sensor: SensorName
    name: str | None = None
    bands: Sequence[str] | None = None
    nodata: float | None = None
    image_options: Mapping[str, Any] = field(default_factory=dict)
    val_images: Sequence[str] | None = None
    test_images: Sequence[str] | None = None

    def __post_init__(self) -> None:
        find_sensor(self.sensor)

    @classmethod
    def each_of(
        cls, sources: Sequence[Mapping[str, Any]] | None, alone: Mapping[str, Any]
    ) -> tuple["SourceOptions", ...]:
        """Build all sources: those listed, or the one that stands alone.

        Args:
            sources: What YAML lists; None where ``alone`` counts.
            alone: The same keys from the arguments of the data module.

        Raises:
            OptionError: Neither or both are given, a key is unknown or missing, or two sources have one name.
        """
        if sources is None:
            if not alone["images"]:
                raise OptionError("Expected images or sources to read, but got neither.")
            return (cls(**alone),)
        known = [entry.name for entry in fields(cls)]
        given = sorted(key for key, value in alone.items() if value and key != "sensor")
        if given:
            raise OptionError(
                f"Expected sources or {', '.join(given)}, but got both. Write {', '.join(given)} into each "
                "of the sources."
            )
        for entry in sources:
            if not {"images", "sensor"} <= set(entry) <= set(known):
                raise OptionError(
                    f"Expected sources with images, sensor and any of {', '.join(known[2:])}, but got one "
                    f"with {', '.join(map(str, entry)) or 'nothing'}."
                )
        found = tuple(cls(**entry) for entry in sources)
        names = [source.name or source.sensor for source in found]
        if not names or len(set(names)) < len(names):
            raise OptionError(
                f"Expected sources with a name each, but got {', '.join(names) or 'none'}. Give each a name "
                "of its own."
            )
        return found


@dataclass(frozen=True)
class SeparateScenes:
    """Scenes of their own for one split.

    Attributes:
        images: Files, folders or patterns of each source.
        labels: Files, folders or patterns.
    """

    images: tuple[tuple[str, ...], ...]
    labels: tuple[str, ...]

    @classmethod
    def of(
        cls, images: Sequence[Sequence[str] | None], labels: Sequence[str] | None, split: str
    ) -> "SeparateScenes | None":
        """Build them where they were given.

        Raises:
            OptionError: Labels or the images of a source are missing.
        """
        if labels is None and not any(images):
            return None
        if not labels or not all(images):
            of_all = " of every source" if len(images) > 1 else ""
            raise OptionError(
                f"Expected {split}_images{of_all} and {split}_labels together, but got one of them."
            )
        return cls(tuple(tuple(paths or ()) for paths in images), tuple(labels))


@dataclass(frozen=True)
class SplitOptions:
    """How the ground is divided; attributes as the arguments of :class:`SceneDataModule`.

    Attributes:
        val_fraction: Share of the ground for validation.
        test_fraction: Share of the ground for testing.
        block_m: Side of a block, None for two chips.
        buffer_m: Ground left out around val and test.
        by: What is dealt to the splits.
        file: Polygons with a column ``split``.
        regions: Boxes or files of train, val and test.
        val_scenes: Scenes of their own for validation.
        test_scenes: Scenes of their own for testing.
        leak_check: Whether splits that share ground are refused.
    """

    val_fraction: float = 0.2
    test_fraction: float = 0.2
    block_m: float | None = None
    buffer_m: float = 0.0
    by: Literal["blocks", "scenes"] = "blocks"
    file: str | None = None
    regions: tuple[Region | None, Region | None, Region | None] = (None, None, None)
    val_scenes: SeparateScenes | None = None
    test_scenes: SeparateScenes | None = None
    leak_check: bool = True

    def __post_init__(self) -> None:
        if self.by not in ("blocks", "scenes"):
            raise OptionError(f"Expected split_by to be blocks or scenes, but got '{self.by}'.")
        if self.file is not None and any(region is not None for region in self.regions):
            raise OptionError("Expected split_file or regions of train, val and test, but got both.")
        for name, scenes, region in (
            ("val", self.val_scenes, self.regions[1]),
            ("test", self.test_scenes, self.regions[2]),
        ):
            if scenes is not None and region is not None:
                raise OptionError(f"Expected {name}_images or {name}_region, but got both.")

    @property
    def fractions(self) -> tuple[float, float, float]:
        """Shares of train, val and test; 0 where a split has scenes of its own."""
        val = 0.0 if self.val_scenes is not None else self.val_fraction
        test = 0.0 if self.test_scenes is not None else self.test_fraction
        return 1 - val - test, val, test


@dataclass(frozen=True)
class ChipOptions:
    """Which training chips are read; attributes as the arguments of :class:`SceneDataModule`.

    Attributes:
        sampler: Random chips, or some of them aimed at classes.
        balance: Share of the chips aimed at classes, or a share per class.
        rules: What a chip has to show.
    """

    sampler: Literal["random", "balanced"] = "random"
    balance: float | Mapping[str, float] = 0.5
    rules: ChipRules = field(default_factory=ChipRules)

    def __post_init__(self) -> None:
        if self.sampler not in ("random", "balanced"):
            raise OptionError(f"Expected sampler to be random or balanced, but got '{self.sampler}'.")
        shares = list(self.balance.values()) if isinstance(self.balance, Mapping) else [self.balance]
        if not shares or min(shares) < 0 or sum(shares) > 1 + 1e-9:
            raise OptionError(
                "Expected balance to be 0..1, or shares per class that add up to at most 1, but got "
                f"{self.balance}."
            )


@dataclass(frozen=True)
class AugmentOptions:
    """How training batches are augmented; attributes as the arguments of :class:`SceneDataModule`.

    Attributes:
        augment: Whether at all.
        scale_range: Smallest and largest scale.
        gain: Largest relative change of a band.
        brightness: Largest shift of a band in standard deviations.
        contrast: Largest relative change of a band's contrast.
        noise: Of every pixel, in standard deviations.
        band_drop: Probability that a band is missing.
    """

    augment: bool = False
    scale_range: tuple[float, float] | None = None
    gain: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    noise: float = 0.0
    band_drop: float = 0.0

    @classmethod
    def of(cls, scale_range: list[float] | None, **options: Any) -> "AugmentOptions":  # noqa: ANN401
        """Build them from what YAML gives.

        Raises:
            OptionError: An option is out of range, or given without ``augment``.
        """
        if scale_range is not None and (len(scale_range) != 2 or not options.get("augment")):
            raise OptionError(
                f"Expected scale_range to be [low, high] and augment true, but got {scale_range}, "
                f"{options.get('augment')}."
            )
        return cls(scale_range=None if scale_range is None else (scale_range[0], scale_range[1]), **options)

    def __post_init__(self) -> None:
        check_radiometry(self.brightness, self.contrast, self.noise, self.band_drop)
        ChipAugmentation(self.scale_range, self.gain)  # checks the other two
        if not self.augment:
            for name in ("gain", "brightness", "contrast", "noise", "band_drop"):
                if getattr(self, name):
                    raise OptionError(
                        f"Expected {name} to come with augment true, but got {name} {getattr(self, name)} "
                        "without."
                    )

    @property
    def radiometric(self) -> bool:
        """Whether values change in units of their standard deviation."""
        return max(self.brightness, self.contrast, self.noise, self.band_drop) > 0


@dataclass(frozen=True)
class DataOptions:
    """Everything else; attributes as the arguments of :class:`SceneDataModule`.

    Attributes:
        sources: Images, of one sensor or several.
        labels: Files, folders or patterns.
        taxonomy: Name in the catalog or path.
        chip_size: Pixels.
        batch_size: Chips.
        chips_per_epoch: Random chips.
        num_workers: Processes.
        normalization: Where mean and std come from.
        mean: Given numbers.
        std: Given numbers.
        scale: Divisor.
        statistics_windows: Most windows to take statistics of.
        seed: Decides everything random.
        split: How the ground is divided.
        chips: Which training chips are read.
        augmentation: How training batches are augmented.
        label_options: Further options of the labels.
        pairing: How images and labels are combined.
        cache_dir: Folder of results that are used again.
    """

    sources: tuple[SourceOptions, ...]
    labels: list[str]
    taxonomy: str
    chip_size: int
    batch_size: int
    chips_per_epoch: int
    num_workers: int
    normalization: Normalization
    mean: list[float] | None
    std: list[float] | None
    scale: float | None
    statistics_windows: int
    seed: int
    split: SplitOptions = field(default_factory=SplitOptions)
    chips: ChipOptions = field(default_factory=ChipOptions)
    augmentation: AugmentOptions = field(default_factory=AugmentOptions)
    label_options: Mapping[str, Any] = field(default_factory=dict)
    pairing: Mapping[str, Any] = field(default_factory=dict)
    cache_dir: str | None = None

    @property
    def read_px(self) -> int:
        """Side of the training chips as read: larger than a chip where a scale below 1 shows more ground."""
        return read_px(self.chip_size, self.augmentation.scale_range)

    def __post_init__(self) -> None:
        for name in ("chip_size", "batch_size", "chips_per_epoch", "statistics_windows"):
            if getattr(self, name) < 1:
                raise OptionError(f"Expected {name} to be >= 1, but got {getattr(self, name)}.")
        if self.num_workers < 0 or self.seed < 0:
            raise OptionError(
                f"Expected num_workers and seed to be >= 0, but got {self.num_workers}, {self.seed}."
            )
        if self.chips_per_epoch < self.batch_size:
            raise OptionError(
                f"Expected chips_per_epoch to fill a batch of {self.batch_size}, but got "
                f"{self.chips_per_epoch}."
            )
        if self.normalization not in ("statistics", "percentile", "scale", "none"):
            raise OptionError(
                "Expected normalization to be statistics, percentile, scale or none, but got "
                f"'{self.normalization}'."
            )
        if (self.mean is None) != (self.std is None):
            raise OptionError("Expected mean and std together, but got one of them.")
        if self.scale is not None and self.scale <= 0:
            raise OptionError(f"Expected scale to be > 0, but got {self.scale}.")


__all__ = (
    "AugmentOptions",
    "ChipOptions",
    "DataOptions",
    "Normalization",
    "Region",
    "SensorName",
    "SeparateScenes",
    "SourceOptions",
    "SplitOptions",
)
