"""Survey: bands and classes of a piece of ground in one reading."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torchgeo.datasets import GeoDataset

from ..taxonomy import Taxonomy
from .ground_walk import GroundWalk
from .statistics import BandAccumulator, BandStatistics, level_labels


@dataclass(frozen=True)
class Survey:
    """What a piece of ground holds.

    Attributes:
        bands: Statistics per band; None where they were not asked for.
        classes: Labelled pixels per level and class, coarsest level first, each by the weight of its label.
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
    classes = [np.zeros(count) for count in taxonomy.num_classes]
    for stop in walk.stops(description):
        if with_bands:
            bands.add(np.asarray(stop.sample["image"])[:, np.asarray(stop.sample["valid"])])
        weights = _weights(stop.sample)
        for counts, labels in zip(classes, level_labels(stop.sample, taxonomy), strict=True):
            known = labels >= 0
            share = None if weights is None else weights[known]
            counts += np.bincount(labels[known], share, minlength=len(counts))
    return Survey(
        bands.result(tuple(getattr(dataset, "bands", ()))) if with_bands else None,
        [np.rint(counts).astype(np.int64).tolist() for counts in classes],
        len(walk),
        walk.windows_in_all,
    )


def _weights(sample: Mapping[str, Any]) -> NDArray[np.float64] | None:
    """(H, W) weight of the label of each pixel, so that a doubtful one counts for less ground."""
    if "label_weight" not in sample:
        return None
    table = np.append(np.asarray(sample["label_weight"], dtype=np.float64), 0.0)
    weights: NDArray[np.float64] = table[np.maximum(np.asarray(sample["label_set"]), -1)]
    return weights


__all__ = ("Survey", "survey")
