"""SceneSplits: the data sets of train, val and test that a set of options describes, without Lightning."""

from collections.abc import Sequence
from functools import cached_property

import shapely
from shapely.geometry.base import BaseGeometry

from ..errors import DataError, OptionError
from ..taxonomy import Taxonomy
from ..types import Bounds
from .data_options import DataOptions, SeparateScenes
from .imagery import IMAGE_CLASSES
from .intersection import SceneIntersection
from .labels import HierarchicalLabels
from .reprojection import move
from .samplers import ChipSampler, GridChipSampler, RandomChipSampler
from .sensors import find_sensor
from .splits import BlockSplit, RegionSplit, SplitName, Splits, centre_gsd_m, check_no_leak
from .statistics import BandStatistics, band_statistics


class SceneSplits:
    """Opens what options describe, each thing when it is first asked for.

    Args:
        options: Checked options.
    """

    def __init__(self, options: DataOptions) -> None:
        self.options = options

    @cached_property
    def taxonomy(self) -> Taxonomy:
        """Class tree of the labels."""
        return Taxonomy.from_yaml(self.options.taxonomy)

    @cached_property
    def dataset(self) -> SceneIntersection:
        """Scenes of training, and of the splits taken from them, with their labels."""
        return self._open(self.options.images, self.options.labels)

    def _open(self, images: Sequence[str], labels: Sequence[str]) -> SceneIntersection:
        o = self.options
        scenes = IMAGE_CLASSES[o.sensor](images, bands=o.bands, nodata=o.nodata)
        return SceneIntersection(scenes, HierarchicalLabels(labels, self.taxonomy))

    @cached_property
    def gsd_m(self) -> float:
        """Ground sampling distance in metres at the centre of the training scenes."""
        return centre_gsd_m(self.dataset)

    @cached_property
    def ground(self) -> Splits:
        """Ground of each split within :attr:`dataset`."""
        split = self.options.split
        if any(region is not None for region in split.regions):
            train, val, test = (
                None if region is None else _as_bounds(region, name)
                for region, name in zip(split.regions, ("train", "val", "test"), strict=True)
            )
            return RegionSplit(train, val, test, split.buffer_m).split(self.dataset)
        if split.fractions[0] == 1:
            return Splits(shapely.union_all(list(self.dataset.index.geometry)), None, None)
        block_m = split.block_m or 2 * self.options.chip_size * self.gsd_m
        return BlockSplit(block_m, split.fractions, self.options.seed, split.buffer_m).split(self.dataset)

    @cached_property
    def parts(self) -> dict[SplitName, SceneIntersection]:
        """The data set of each split, confined to its ground.

        Raises:
            DataError: Two splits share ground, or separate scenes have other bands.
        """
        parts = {name: self.dataset.within(region) for name, region in self.ground.items()}
        seen: dict[str, BaseGeometry] = {
            name: shapely.intersection(self.sampler(parts[name], name).reach(), region)
            for name, region in self.ground.items()
        }
        separate: dict[SplitName, SeparateScenes | None] = {
            "val": self.options.split.val_scenes,
            "test": self.options.split.test_scenes,
        }
        for name, scenes in separate.items():
            if scenes is None:
                continue
            part = self._open(scenes.images, scenes.labels)
            if part.bands != self.dataset.bands:
                raise DataError(
                    f"Expected {name} scenes with bands {', '.join(self.dataset.bands)}, "
                    f"but got {', '.join(part.bands)}. Give scenes of one sensor."
                )
            parts[name] = part
            outline = shapely.union_all(list(part.index.geometry))
            seen[name] = move(outline, part.crs, self.dataset.crs)
        if self.options.split.leak_check:
            check_no_leak(seen)
        return parts

    def sampler(self, part: SceneIntersection, name: SplitName) -> ChipSampler:
        """Return the sampler of a split: random chips to train on, a covering grid otherwise."""
        o = self.options
        if name == "train":
            return RandomChipSampler(part, o.chip_size, o.chips_per_epoch, o.seed)
        return GridChipSampler(part, o.chip_size)

    @cached_property
    def statistics(self) -> BandStatistics:
        """Statistics of the training ground."""
        return band_statistics(self.parts["train"], max_windows=self.options.statistics_windows)

    @cached_property
    def mean(self) -> tuple[float, ...]:
        """What the model subtracts, per band, in stored values."""
        o = self.options
        if o.mean is not None:
            return self._per_band(o.mean, "mean")
        if o.normalization == "statistics":
            return tuple(float(value) for value in self.statistics.mean)
        return (0.0,) * len(self.dataset.bands)

    @cached_property
    def std(self) -> tuple[float, ...]:
        """What the model divides by, per band, in stored values; 1 for a constant band."""
        o = self.options
        if o.std is not None:
            return self._per_band(o.std, "std")
        if o.normalization == "statistics":
            return tuple(float(value) or 1.0 for value in self.statistics.std)
        divisor = 1.0 if o.normalization == "none" else o.scale or find_sensor(o.sensor).scale
        return (float(divisor),) * len(self.dataset.bands)

    def _per_band(self, values: Sequence[float], name: str) -> tuple[float, ...]:
        bands = self.dataset.bands
        if len(values) != len(bands) or (name == "std" and min(values) <= 0):
            raise OptionError(
                f"Expected {name} to hold {len(bands)} numbers (std > 0), one per band {', '.join(bands)}, "
                f"but got {list(values)}."
            )
        return tuple(float(value) for value in values)

    def close(self) -> None:
        """Close the files that this process holds open."""
        for part in self.__dict__.get("parts", {}).values():
            part.close()


def _as_bounds(region: Sequence[float], name: str) -> Bounds:
    if len(region) != 4:
        raise OptionError(f"Expected {name}_region to be [left, bottom, right, top], but got {list(region)}.")
    left, bottom, right, top = (float(edge) for edge in region)
    return left, bottom, right, top


__all__ = ("SceneSplits",)
