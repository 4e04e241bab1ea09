"""Accuracy over the season: maps of one place, each made of the dates until some day, against its labels."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from ..errors import DataError
from ..maps import Maps
from ..metrics import HierarchicalScores
from ..taxonomy import Taxonomy
from ..types import Bounds, Progress
from .evaluation import evaluate_maps
from .labels import ReferenceLabels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Scores by the last day whose images a map knows, ascending.
ScoresByDate: TypeAlias = dict[date, HierarchicalScores]


def maps_by_date(
    source: str | Path | Sequence[str | Path], taxonomy: Taxonomy | str | Path | None = None
) -> dict[date, Maps]:
    """Find the maps of a season by their day.

    Args:
        source: Folders of maps, each until another day; or a folder that they lie in, to any depth.
        taxonomy: The class tree; default what comes with the maps.

    Returns:
        Maps by the day that ``until`` named, else that of their last image, ascending.

    Raises:
        DataError: Maps are not of a season, or two are of one day.
        HieraRSError: There are none, or they cannot be read.
    """
    folders = source if not isinstance(source, str | Path) else _folders_in(Path(source))
    found: dict[date, Maps] = {}
    for folder in folders:
        maps = Maps.open(folder, taxonomy)
        day = _day(maps)
        if day in found:
            raise DataError(
                f"Expected maps of one scene until different days, but got two until {day} (in "
                f"{found[day].scene.folder} and {maps.scene.folder}). Take one of them away."
            )
        found[day] = maps
    return dict(sorted(found.items()))


def _folders_in(folder: Path) -> list[Path]:
    """List the folders of rasters within a folder; the folder itself where there are none."""
    rasters = [path.relative_to(folder).parent for path in folder.rglob("*.tif")]
    visible = {path for path in rasters if not any(part.startswith(".") for part in path.parts)}
    return [folder / path for path in sorted(visible)] or [folder]


def _day(maps: Maps) -> date:
    said = maps.scene.properties
    dates, options = said.get("hierars:dates"), said.get("hierars:options")
    if not isinstance(dates, list) or not dates:
        raise DataError(
            f"Expected maps of a season, whose item lists hierars:dates, but got none (in "
            f"{maps.scene.folder}). Predict a season: hierars-geo predict model.ckpt season -o early/DAY "
            "--until DAY."
        )
    until = options.get("until") if isinstance(options, dict) else None
    return date.fromisoformat(str(until or dates[-1]))


def evaluate_by_date(
    source: str | Path | Sequence[str | Path] | Mapping[date, Maps],
    labels: str | Path | ReferenceLabels,
    taxonomy: Taxonomy | str | Path | None = None,
    region: Bounds | None = None,
    progress: Progress | None = None,
) -> ScoresByDate:
    """Score maps of a season by their day, ascending, each made of the dates until it, against labels.

    Args:
        source: See :func:`maps_by_date`; or what it returned.
        labels: As of :func:`.evaluate_maps`.
        taxonomy: The class tree; default what comes with the maps.
        region: As of :func:`.evaluate_maps`.
        progress: Called with (maps done, maps in all).

    Raises:
        HieraRSError: As of :func:`maps_by_date` and :func:`.evaluate_maps`.

    Examples:
        .. code-block:: python

            scores = evaluate_by_date("early", "labels.tif")
            draw_by_date(scores, taxonomy.level_labels).savefig("early.png")
    """
    maps = source if isinstance(source, Mapping) else maps_by_date(source, taxonomy)
    scores: ScoresByDate = {}
    for number, (day, own) in enumerate(maps.items(), start=1):
        scores[day] = evaluate_maps(own, labels, region=region)
        if progress is not None:
            progress(number, len(maps))
    return scores


def draw_by_date(scores: Mapping[date, HierarchicalScores], level_names: Sequence[str]) -> "Figure":
    """Draw overall accuracy and mean IoU of every level over the last day of a map's images."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.5, 3.4), layout="constrained")
    days = list(scores)
    titles = {"oa": "overall accuracy, %", "miou": "mIoU, %"}
    for axes, (name, title) in zip(figure.subplots(1, 2, sharex=True), titles.items(), strict=True):
        for level, label in enumerate(level_names):
            values = [100 * getattr(each.levels[level], name) for each in scores.values()]
            wider = len(level_names) - 1 - level  # where levels are equal, a coarser one frames a finer one
            size = {"linewidth": 1.4 + 2.4 * wider, "markersize": 4 + 3.5 * wider}
            axes.plot(days, values, marker="o", label=label, **size)
        locator = AutoDateLocator()  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
        axes.set_title(title, fontsize="medium", parse_math=False)
        axes.set_xlabel("images until")
        axes.set_ylim(0, 102)
        axes.grid(color="0.9")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside right upper", fontsize="small")
    return figure
