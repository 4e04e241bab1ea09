"""Series: which dates of a place make one sample, and how they are read."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..types import SeriesRule, as_day
from .patch import Patch, Pixels

#: First and last day.
Season = tuple[date, date]


@dataclass
class SeriesPatch(Patch):
    """What was read in a window at several dates.

    Attributes:
        data: (D, C, H, W) float32, dates ascending. Of no meaning where not valid.
        valid: (D, H, W) bool, True where every channel of the date holds data.
        files: Names of the files that it was read from.
        days: (D,) day of each date; with steps and a median, the middle of the step.
    """

    days: tuple[date, ...] = ()


def seasons(days: Iterable[date], rule: SeriesRule) -> dict[Season, tuple[date, ...]]:
    """Deal days to seasons.

    Args:
        days: Of all images, in any order.
        rule: Which of them count.

    Returns:
        The days of every season that has any, both ascending. Without a start in the rule, a season begins
        with the year of the first day; without an end, it ends with the last day.

    Examples:
        >>> rule = SeriesRule(start="09-01", end="07-31")
        >>> [str(first) for first, _ in seasons([date(2020, 5, 2), date(2020, 10, 3)], rule)]
        ['2019-09-01', '2020-09-01']
    """
    listed = None if rule.dates == "all" else {date.fromisoformat(day) for day in rule.dates}
    known = sorted({day for day in days if listed is None or day in listed})
    found: dict[Season, tuple[date, ...]] = {}
    for day in known:
        for season in _seasons_around(day, rule, (date(known[0].year, 1, 1), known[-1])):
            if season[0] <= day <= season[1]:
                found[season] = (*found.get(season, ()), day)
                break
    return found


def _seasons_around(day: date, rule: SeriesRule, whole: Season) -> Iterator[Season]:
    """Yield the seasons that a day may belong to."""
    if not rule.every_year:
        first = whole[0] if rule.start is None else as_day(rule.start, "start")
        yield first, whole[1] if rule.end is None else as_day(rule.end, "end")
        return
    for year in (day.year - 1, day.year):
        first, last = (as_day(f"{year}-{text}", "season") for text in (rule.start, rule.end))
        yield first, last if last >= first else as_day(f"{year + 1}-{rule.end}", "season")


def read_dates(
    days: Sequence[date],
    first: date,
    rule: SeriesRule,
    read_day: Callable[[date], Patch | None],
) -> SeriesPatch | None:
    """Read the dates of a window.

    Args:
        days: Days of a season with an image there, ascending; only those are read that the rule asks for.
        first: First day of the season, from which steps are counted.
        rule: How dates become steps.
        read_day: Reads the window at a day, tiles side by side; None where nothing lies there.

    Returns:
        The dates of which any pixel is valid, at least one; None where there is no image.
    """
    steps = steps_of(days, first, rule)
    data = valid = None
    kept: list[date] = []
    files: list[str] = []
    for middle, step in steps:
        read = read_step(middle, step, rule, read_day)
        if read is None:
            continue
        day, patch = read
        if data is None or valid is None:  # as long as it may become: a date is copied once, as it is read
            data = np.empty((len(steps), *patch.data.shape), dtype=patch.data.dtype)
            valid = np.empty((len(steps), *patch.valid.shape), dtype=np.bool_)
        elif not patch.valid.any():
            continue
        elif not valid[0].any():  # kept so that there is a date at all
            kept, files = [], []
        data[len(kept)], valid[len(kept)] = patch.data, patch.valid
        kept.append(day)
        files += patch.files
    if data is None or valid is None:
        return None
    return SeriesPatch(data[: len(kept)], valid[: len(kept)], tuple(files), tuple(kept))


def read_step(
    middle: date, step: Sequence[date], rule: SeriesRule, read_day: Callable[[date], Patch | None]
) -> tuple[date, Patch] | None:
    """Read the days of a step as one date, by its middle or the best of them; None without any."""
    dated = [(day, patch) for day in step if (patch := read_day(day)) is not None]
    if not dated:
        return None
    best = max(dated, key=lambda one: int(one[1].valid.sum()))  # the first of equals
    return (middle, _median([p for _, p in dated])) if rule.composite == "median" else best


def steps_of(days: Sequence[date], first: date, rule: SeriesRule) -> list[tuple[date, list[date]]]:
    """List the middle of every step that a rule asks for and has days, with those of them that are read.

    Args:
        days: Days of a season with an image at a place, ascending.
        first: First day of the season, from which steps are counted.
        rule: How dates become steps.
    """
    if rule.step_days is None:
        steps = [(day, [day]) for day in days]
    else:
        by_step: dict[int, list[date]] = {}
        for day in days:
            by_step.setdefault((day - first).days // rule.step_days, []).append(day)
        steps = []
        for number, found in by_step.items():
            middle = first + timedelta(days=number * rule.step_days + (rule.step_days - 1) // 2)
            nearest = min(found, key=lambda day, middle=middle: abs((day - middle).days))  # type: ignore[misc]
            steps.append((middle, [nearest] if rule.composite == "none" else found))
    if rule.max_dates is None or len(steps) <= rule.max_dates:
        return steps
    chosen = np.linspace(0, len(steps) - 1, rule.max_dates).round().astype(int)
    return [steps[number] for number in chosen]


def _median(patches: Sequence[Patch]) -> Patch:
    """Take the median of the valid values at every pixel: of an even number the mean of the middle two."""
    if len(patches) == 1:
        return patches[0]
    valid = np.stack([patch.valid for patch in patches])
    data: Pixels = np.stack([patch.data for patch in patches])
    data = np.sort(np.where(valid[:, None], data, np.float32(np.inf)), axis=0)
    count: NDArray[np.intp] = valid.sum(axis=0)
    lower, upper = np.maximum(count - 1, 0) // 2, np.minimum(count // 2, len(patches) - 1)
    low, high = (
        np.take_along_axis(data, np.broadcast_to(place, data.shape[1:])[None], axis=0)[0]
        for place in (lower, upper)
    )
    observed = count > 0
    median = np.where(observed, (np.where(observed, low, 0) + np.where(observed, high, 0)) / 2, 0)
    files = tuple(file for patch in patches for file in patch.files)
    return Patch(median.astype(np.float32), observed, files)


def check_shared_ground(
    outlines: Sequence[tuple[date, tuple[float, float, float, float]]], name: str
) -> None:
    """Refuse images of which no two of different days show the same place: they are no series.

    Raises:
        DataError: There are several days, each of another place.
    """
    days = sorted({day for day, _ in outlines})
    if len(days) < 2:
        return
    bounds = np.array([box for _, box in outlines])
    number = np.array([days.index(day) for day, _ in outlines])
    for left, bottom, right, top, own in zip(*bounds.T, number, strict=True):
        beside = (bounds[:, 0] >= right) | (bounds[:, 2] <= left)
        apart = beside | (bounds[:, 1] >= top) | (bounds[:, 3] <= bottom)
        if (number[~apart] != own).any():
            return
    raise DataError(
        f"Expected images of one place at several dates, but got {len(outlines)} images of {len(days)} dates "
        f"of which no two of different dates share ground ({name}, ...). Leave series out, or give the dates "
        "of one place."
    )
