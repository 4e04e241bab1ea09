"""SceneSplits: the data sets of train, val and test that a set of options describes, without Lightning."""

import dataclasses
import logging
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

import shapely
from shapely.geometry.base import BaseGeometry
from torch.utils.data import Dataset, Sampler, SequentialSampler

from ..datasets.coverage import centre_gsd_m
from ..datasets.imagery import IMAGE_CLASSES, SceneRaster
from ..datasets.intersection import Operand, SceneIntersection
from ..datasets.label_index import LabelIndex
from ..datasets.label_opening import open_labels
from ..datasets.result_cache import ResultCache, data_key
from ..datasets.scene_source import SceneSource
from ..datasets.series import SceneSeries
from ..datasets.statistics import BandStatistics, DataStatistics, data_statistics
from ..datasets.vector_labels import vector_sources
from ..errors import DataError, OptionError, list_some, notice
from ..grid.reprojection import move
from ..samplers.balanced_sampler import BalancedChipSampler, class_rates
from ..samplers.chip_samplers import ChipSampler, GridChipSampler, RandomChipSampler
from ..samplers.chips import CandidateSampler, ChosenChips, CoveringChips
from ..samplers.label_clusters import ClusterSplit
from ..samplers.splits import (
    BlockSplit,
    RegionSplit,
    SceneSplit,
    SplitName,
    Splits,
    check_no_leak,
)
from ..taxonomy import Taxonomy
from ..types import Bounds, ReadRecipe
from .options import DataOptions, Region
from .source_options import Labels, SourceOptions

#: Side of the windows that are read to count; of series shorter, for they hold many dates.
_WINDOW_PX, _SERIES_WINDOW_PX = 512, 128

_LOG = logging.getLogger(__name__)


class SceneSplits:
    """Opens what options describe, each thing when it is first asked for."""

    def __init__(self, options: DataOptions) -> None:
        self.options = options

    @cached_property
    def taxonomy(self) -> Taxonomy:
        """Class tree of the labels."""
        return Taxonomy.from_yaml(self.options.taxonomy)

    @cached_property
    def dataset(self) -> SceneIntersection:
        """Scenes of training, and of the splits taken from them, with their labels."""
        return self._open([source.images for source in self.options.sources], self.options.labels)

    def _open(self, images: Sequence[Sequence[str]], labels: Labels) -> SceneIntersection:
        o = self.options
        per_scene = o.normalization.method == "scene"
        pairs = zip(o.sources, images, strict=True)
        scenes = [_open_images(source, paths, per_scene) for source, paths in pairs]
        truth = open_labels(labels, self.taxonomy, **vars(o.label_options))
        together: Operand = scenes[0]
        for others in scenes[1:]:
            together = SceneIntersection(together, others)
        found = SceneIntersection(together, truth, **vars(o.pairing), around_px=o.read_px)
        _note_points_outside(truth, found)
        return found

    @cached_property
    def gsd_m(self) -> float:
        """Ground sampling distance in metres at the centre of the training scenes."""
        return centre_gsd_m(self.dataset)

    @cached_property
    def read_recipe(self) -> ReadRecipe:
        """How the scenes are read; of several sources, how each of them is."""
        dataset = self.dataset
        rules = {source.name or source.sensor: source.series for source in self.options.sources}
        # polygons that are left out are of these scenes, and of no others that will be predicted
        recipes = {
            name: dataclasses.replace(raster.recipe, series=rules[name], leave_out=None)
            for name, raster in zip(dataset.names, map(_raster_of, dataset.images), strict=True)
            if raster is not None
        }
        if len(recipes) == 1:
            return next(iter(recipes.values()))
        series = next((rule for rule in rules.values() if rule is not None), None)
        return ReadRecipe(tuple(dataset.bands), series=series, sources=recipes, grid=dataset.leader)

    @cached_property
    def ground(self) -> Splits:
        """Ground of each split within :attr:`dataset`."""
        split = self.options.splits
        if split.file is not None:
            return RegionSplit(buffer_m=split.buffer_m, file=split.file).split(self.dataset)
        if any(region is not None for region in split.regions):
            train, val, test = (
                None if region is None else _as_region(region, name)
                for region, name in zip(split.regions, ("train", "val", "test"), strict=True)
            )
            return RegionSplit(train, val, test, split.buffer_m).split(self.dataset)
        if split.fractions[0] == 1:
            return Splits(shapely.union_all(list(self.dataset.index.geometry)), None, None)
        if split.by == "scenes":
            return SceneSplit(split.fractions, self.options.seed, split.buffer_m).split(self.dataset)
        if split.by == "clusters":
            cluster_m = self.options.chips.size * self.gsd_m if split.cluster_m is None else split.cluster_m
            return ClusterSplit(cluster_m, split.fractions, self.options.seed, split.buffer_m).split(
                self.dataset
            )
        block_m = 2 * self.options.chips.size * self.gsd_m if split.block_m is None else split.block_m
        return BlockSplit(block_m, split.fractions, self.options.seed, split.buffer_m).split(self.dataset)

    @cached_property
    def parts(self) -> dict[SplitName, SceneIntersection]:
        """The data set of each split, confined to its ground.

        Raises:
            DataError: Two splits share ground, or separate scenes have other bands.
        """
        parts = {name: self.dataset.within(region) for name, region in self.ground.items()}
        samplers = {name: self._plain_sampler(part, name) for name, part in parts.items()}
        self._check_size(samplers["train"])
        seen: dict[str, BaseGeometry] = {
            name: shapely.intersection(samplers[name].reach(), region) for name, region in self.ground.items()
        }
        splits, sources = self.options.splits, self.options.sources
        separate: dict[SplitName, tuple[list[list[str] | None], Labels | None]] = {
            "val": ([source.val_images for source in sources], splits.val_labels),
            "test": ([source.test_images for source in sources], splits.test_labels),
        }
        for name, (images, labels) in separate.items():
            if not labels:
                continue
            part = self._open([paths or [] for paths in images], labels)
            if part.bands != self.dataset.bands:
                raise DataError(
                    f"Expected {name} scenes with bands {', '.join(self.dataset.bands)}, "
                    f"but got {', '.join(part.bands)}. Give scenes of one sensor."
                )
            parts[name] = part
            outline = shapely.union_all(list(part.index.geometry))
            seen[name] = move(outline, part.crs, self.dataset.crs)
        if splits.leak_check:
            check_no_leak(seen)
        return parts

    def _check_size(self, train: ChipSampler) -> None:
        side = self.options.chips.size
        largest = max(min(part.pixels.extent.height, part.pixels.extent.width) for part in train.ground)
        if largest < side:
            notice(
                f"No piece of training ground is as large as a chip of {side} px (the largest is {largest} "
                "px wide): every chip is padded, which trains slowly. Choose smaller chips or larger "
                "blocks."
            )

    def _plain_sampler(self, part: SceneIntersection, name: SplitName) -> ChipSampler:
        o = self.options
        if name == "train":
            return RandomChipSampler(part, o.read_px, o.chips.per_epoch, o.seed)
        return GridChipSampler(part, o.chips.size)

    def sampler(self, part: SceneIntersection, name: SplitName) -> ChipSampler:
        """Return the sampler of a split: random chips to train on, a covering grid otherwise."""
        o = self.options
        if name != "train" or o.chips.sampler == "random":
            return self._plain_sampler(part, name)
        rates = class_rates(self.label_index, self.taxonomy, o.chips.balance)
        return BalancedChipSampler(part, o.read_px, o.chips.per_epoch, self.label_index, rates, o.seed)

    def chips(
        self, name: SplitName | Literal["all"], once: bool = False
    ) -> tuple[Dataset[dict[str, Any]], Sampler[Any]]:
        """Return what a loader reads chips from, and its sampler; ``once``: also of train a covering grid."""
        if name == "all":
            part: SceneIntersection = self.dataset
            sampler: ChipSampler = GridChipSampler(part, self.options.chips.size)
        else:
            part = self.parts[name]
            sampler = GridChipSampler(part, self.options.chips.size) if once else self.sampler(part, name)
        if isinstance(sampler, GridChipSampler):
            grid = CoveringChips(part, sampler)
            return grid, SequentialSampler(grid)
        if isinstance(sampler, RandomChipSampler):
            return ChosenChips(part, self.options.chips.rules), CandidateSampler(sampler)
        return part, sampler

    @cached_property
    def cache(self) -> ResultCache:
        """Where results are kept."""
        return ResultCache(self.options.loader.cache_dir)

    @cached_property
    def label_index(self) -> LabelIndex:
        """Where the classes lie in the training ground."""
        part = self.parts["train"]
        block_px = max(1, min(64, self.options.chips.size // 4))

        def build() -> dict[str, Any]:
            found = LabelIndex.build(
                part, self.taxonomy, block_px, window_px=_window_px(part), description="index the labels"
            )
            return found.to_arrays()

        key = self._key(part, block_px=block_px)
        return LabelIndex.from_arrays(self.cache.arrays("label-index", key, build))

    def statistics_of(self, name: SplitName) -> DataStatistics:
        """Return what a split holds; statistics of the bands of the training ground alone."""
        if name not in self._statistics:
            self._statistics[name] = self._take_statistics(name)
        return self._statistics[name]

    @cached_property
    def _statistics(self) -> dict[SplitName, DataStatistics]:
        return {}

    def _take_statistics(self, name: SplitName) -> DataStatistics:
        part, o = self.parts[name], self.options
        settings = {"with_bands": name == "train", "max_windows": o.normalization.max_windows}

        def read() -> dict[str, Any]:
            return data_statistics(
                part,
                self.taxonomy,
                with_bands=name == "train",
                window_px=_window_px(part),
                max_windows=o.normalization.max_windows,
                description=f"statistics of {name}",
            ).to_dict()

        found = DataStatistics.from_dict(self.cache.json("statistics", self._key(part, **settings), read))
        if name == "train" and o.chips.sampler == "balanced":  # counted in full for the sampler anyway
            return dataclasses.replace(found, classes=self.label_index.totals)
        return found

    def _key(self, part: SceneIntersection, **settings: object) -> dict[str, Any]:
        o = self.options
        own = {
            "sources": [[s.name, s.sensor, s.bands, vars(s.reading), s.series] for s in o.sources],
            "label_options": vars(o.label_options),
            "labels": [entry for entry in o.labels if not isinstance(entry, str)],
            "pairing": vars(o.pairing),
            "per_scene": o.normalization.method == "scene",
        }
        return data_key(part, **own, **settings)

    @property
    def statistics(self) -> BandStatistics:
        """Statistics of the training ground.

        Raises:
            DataError: There is no valid pixel.
        """
        bands = self.statistics_of("train").bands
        if bands is None:
            raise DataError("Expected statistics of the training bands, but got none.")
        return bands

    @cached_property
    def mean(self) -> tuple[float, ...]:
        """What the model subtracts, per band, in stored values."""
        o = self.options.normalization
        if o.mean is not None:
            return self._per_band(o.mean, "mean")
        if o.method in ("statistics", "weights"):  # by those of the weights the task goes, if by any
            return tuple(float(value) for value in self.statistics.mean)
        if o.method == "percentile":
            low, high = self.statistics.percentile(2.0), self.statistics.percentile(98.0)
            return tuple(float(value) for value in (low + high) / 2)
        return (0.0,) * len(self.dataset.bands)

    @cached_property
    def std(self) -> tuple[float, ...]:
        """What the model divides by, per band, in stored values; 1 for a constant band."""
        o = self.options.normalization
        if o.std is not None:
            return self._per_band(o.std, "std")
        if o.method in ("statistics", "weights"):
            return tuple(float(value) or 1.0 for value in self.statistics.std)
        if o.method == "percentile":
            low, high = self.statistics.percentile(2.0), self.statistics.percentile(98.0)
            return tuple(float(value) or 1.0 for value in (high - low) / 2)
        return tuple(
            1.0 if o.method in ("none", "scene") else float(o.scale or image.sensor.full_scale)
            for image in map(_raster_of, self.dataset.images)
            if image is not None
            for _ in image.bands
        )

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


def _note_points_outside(labels: SceneSource, dataset: SceneIntersection) -> None:
    """Say which files hold points that no image shows: they label nothing."""
    vectors = vector_sources(labels)
    if not vectors:
        return
    crs = dataset.crs
    ground = shapely.union_all([shapely.union_all(one.outlines(crs).polygons) for one in dataset.images])
    for one in vectors:
        outside, count = one.points_outside(ground, crs)
        if outside:
            notice(
                f"{outside} of {count} points and lines of {list_some(one.files, 3)} lie outside the images "
                "and label nothing. Check their CRS, or leave them out."
            )


def _open_images(source: SourceOptions, paths: Sequence[str], per_scene: bool) -> SceneRaster | SceneSeries:
    of_sensor = IMAGE_CLASSES[source.sensor]
    scenes = of_sensor(list(paths), bands=source.bands, standardize=per_scene, **source.reading.arguments)
    scenes.name = source.name or scenes.name
    return scenes if source.series is None else SceneSeries(scenes, source.series)


def _raster_of(images: SceneSource) -> SceneRaster | None:
    """Return the images of a sensor, whether they stand alone or are a series."""
    images = images.images if isinstance(images, SceneSeries) else images
    return images if isinstance(images, SceneRaster) else None


def _window_px(part: SceneIntersection) -> int:
    return _SERIES_WINDOW_PX if part.is_series else _WINDOW_PX


def _as_region(region: Region, name: str) -> Bounds | str:
    if isinstance(region, str):
        return region
    if len(region) != 4:
        raise OptionError(
            f"Expected {name}_region to be [left, bottom, right, top] or a file of polygons, but got "
            f"{list(region)}."
        )
    left, bottom, right, top = (float(edge) for edge in region)
    return left, bottom, right, top
