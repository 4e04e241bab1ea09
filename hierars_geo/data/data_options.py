"""DataOptions: what a SceneDataModule was asked for, checked before any file is opened."""

from dataclasses import dataclass, field
from typing import Literal

from ..errors import OptionError
from .sensors import find_sensor

Normalization = Literal["statistics", "scale", "none"]
SensorName = Literal["gaofen2", "generic", "google_earth", "sentinel2"]


@dataclass(frozen=True)
class SeparateScenes:
    """Scenes of their own for one split.

    Attributes:
        images: Files, folders or patterns.
        labels: Files, folders or patterns.
    """

    images: tuple[str, ...]
    labels: tuple[str, ...]

    @classmethod
    def of(cls, images: list[str] | None, labels: list[str] | None, split: str) -> "SeparateScenes | None":
        """Build them where they were given.

        Raises:
            OptionError: Only one of the two was given.
        """
        if images is None and labels is None:
            return None
        if not images or not labels:
            raise OptionError(f"Expected {split}_images and {split}_labels together, but got one of them.")
        return cls(tuple(images), tuple(labels))


@dataclass(frozen=True)
class SplitOptions:
    """How the ground is divided; attributes as the arguments of :class:`SceneDataModule`.

    Attributes:
        val_fraction: Share of the ground for validation.
        test_fraction: Share of the ground for testing.
        block_m: Side of a block, None for two chips.
        buffer_m: Ground left out around val and test.
        regions: Boxes of train, val and test.
        val_scenes: Scenes of their own for validation.
        test_scenes: Scenes of their own for testing.
        leak_check: Whether splits that share ground are refused.
    """

    val_fraction: float = 0.2
    test_fraction: float = 0.2
    block_m: float | None = None
    buffer_m: float = 0.0
    regions: tuple[list[float] | None, list[float] | None, list[float] | None] = (None, None, None)
    val_scenes: SeparateScenes | None = None
    test_scenes: SeparateScenes | None = None
    leak_check: bool = True

    def __post_init__(self) -> None:
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
class DataOptions:
    """Everything else; attributes as the arguments of :class:`SceneDataModule`.

    Attributes:
        images: Files, folders or patterns.
        labels: Files, folders or patterns.
        taxonomy: Name in the catalog or path.
        sensor: Name of the sensor.
        bands: Bands, None for the sensor's.
        chip_size: Pixels.
        batch_size: Chips.
        chips_per_epoch: Random chips.
        num_workers: Processes.
        normalization: Where mean and std come from.
        mean: Given numbers.
        std: Given numbers.
        scale: Divisor.
        statistics_windows: Most windows to take statistics of.
        nodata: Of files that declare none.
        seed: Decides everything random.
        split: How the ground is divided.
    """

    images: list[str]
    labels: list[str]
    taxonomy: str
    sensor: SensorName
    bands: list[str] | None
    chip_size: int
    batch_size: int
    chips_per_epoch: int
    num_workers: int
    normalization: Normalization
    mean: list[float] | None
    std: list[float] | None
    scale: float | None
    statistics_windows: int
    nodata: float | None
    seed: int
    split: SplitOptions = field(default_factory=SplitOptions)

    def __post_init__(self) -> None:
        find_sensor(self.sensor)
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
        if self.normalization not in ("statistics", "scale", "none"):
            raise OptionError(
                f"Expected normalization to be statistics, scale or none, but got '{self.normalization}'."
            )
        if (self.mean is None) != (self.std is None):
            raise OptionError("Expected mean and std together, but got one of them.")
        if self.scale is not None and self.scale <= 0:
            raise OptionError(f"Expected scale to be > 0, but got {self.scale}.")


__all__ = ("DataOptions", "Normalization", "SensorName", "SeparateScenes", "SplitOptions")
