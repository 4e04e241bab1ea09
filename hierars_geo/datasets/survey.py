"""Survey: bands and classes of a piece of ground in one reading."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torchgeo.datasets import GeoDataset

from ..taxonomy import Taxonomy
from .ground_walk import GroundWalk
from .statistics import BandAccumulator, BandStatistics, level_labels


@dataclass(frozen=True)
class Survey:
    """What a piece of ground holds.

    Attributes:
        bands: Statistics per band; None where they were not asked for.
        classes: Labelled pixels per level and class, coarsest level first.
        windows: Windows that were read.
        windows_in_all: Windows there are; more than ``windows`` where a sample was taken.
    """

    bands: BandStatistics | None
    classes: list[list[int]]
    windows: int
    windows_in_all: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, fit for JSON."""
        return {
            "bands": None if self.bands is None else self.bands.to_dict(),
            "classes": self.classes,
            "windows": self.windows,
            "windows_in_all": self.windows_in_all,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Survey":
        """Read what :meth:`to_dict` gave."""
        bands = None if content["bands"] is None else BandStatistics.from_dict(content["bands"])
        return cls(bands, content["classes"], content["windows"], content["windows_in_all"])


def survey(
    dataset: GeoDataset,
    taxonomy: Taxonomy,
    with_bands: bool = True,
    window_px: int = 512,
    max_windows: int | None = None,
    description: str | None = None,
) -> Survey:
    """Read a piece of ground once.

    Args:
        dataset: Samples with ``image``, ``valid`` and ``mask``.
        taxonomy: Tree of the labels.
        with_bands: Whether statistics of the bands are wanted.
        window_px: Side of a window.
        max_windows: Read at most this many windows, evenly spread; None for all.
        description: Shows a progress bar of that name on a terminal; None for no bar.

    Raises:
        DataError: There is no ground, or bands are wanted and no pixel is valid.
    """
    walk = GroundWalk(dataset, None, window_px, max_windows)
    bands = BandAccumulator()
    classes = [np.zeros(count, dtype=np.int64) for count in taxonomy.num_classes]
    for stop in walk.stops(description):
        if with_bands:
            bands.add(np.asarray(stop.sample["image"])[:, np.asarray(stop.sample["valid"])])
        for counts, labels in zip(classes, level_labels(stop.sample, taxonomy), strict=True):
            counts += np.bincount(labels[labels >= 0], minlength=len(counts))
    return Survey(
        bands.result(tuple(getattr(dataset, "bands", ()))) if with_bands else None,
        [counts.tolist() for counts in classes],
        len(walk),
        walk.windows_in_all,
    )


__all__ = ("Survey", "survey")
