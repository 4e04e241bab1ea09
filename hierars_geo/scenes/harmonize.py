"""Sentinel-2 values of old and new processing baselines made comparable."""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from .notices import notice
from .raster_file import ALWAYS, RasterFile
from .scene_index import Scene
from .sensors import BaselineOffset


def harmonize(scenes: Sequence[Scene], rule: BaselineOffset) -> list[Scene]:
    """Have files of new baselines read as those of old ones.

    The metadata of a product state its offset. Else a file's baseline is taken from its product's name or its
    tag ``PROCESSING_BASELINE``; where none says it, a day of acquisition from ``rule.since`` on means a new
    one. A notice names files of which that is not certain: by their day alone, or by nothing, in which case
    nothing is added. A product of an earlier day may have been processed again since.

    Args:
        scenes: The scenes.
        rule: The step.

    Returns:
        The scenes, with ``add`` of their files set.
    """
    by_day: list[str] = []
    unknown: list[str] = []

    def read_as_old(file: RasterFile) -> RasterFile:
        if file.offset is not None:
            return replace(file, add=file.offset)
        recent = file.interval != ALWAYS and file.interval[0] >= pd.Timestamp(rule.since).as_unit("ns").value
        if file.baseline is None:
            (by_day if recent else unknown).append(file.path)
        new = recent if file.baseline is None else file.baseline >= rule.baseline
        return replace(file, add=rule.offset) if new else file

    harmonized = [scene.with_files(read_as_old) for scene in scenes]
    if by_day:
        notice(
            f"Took {_first(by_day)} for baseline {rule.baseline} or later, by the day alone: {rule.offset:g} "
            "is added to the values. Read them without harmonize if that was done before."
        )
    if unknown:
        notice(
            f"Nothing says the processing baseline of {_first(unknown)}: the values are read as stored. "
            "Write it into the tag PROCESSING_BASELINE, or keep the product's name."
        )
    return harmonized


def _first(paths: Sequence[str]) -> str:
    return f"{paths[0]} and {len(paths) - 1} more" if len(paths) > 1 else paths[0]


__all__ = ("harmonize",)
