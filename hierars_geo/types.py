"""Types that cross package borders: the batch, and the one ignore index."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    Literal,
    NamedTuple,
    NotRequired,
    TypeAlias,
    TypedDict,
    TypeVar,
    get_args,
)

from .errors import OptionError, check_choice

if TYPE_CHECKING:
    from torch import Tensor

#: Label of a pixel without a label. PyTorch's own default: it can never be a class, however large the tree.
IGNORE_INDEX: Final = -100

#: (left, bottom, right, top) in units of the CRS.
Bounds: TypeAlias = tuple[float, float, float, float]


#: Called with (what is done, what there is in all).
Progress: TypeAlias = Callable[[int, int], None]

#: How overlapping windows are blended.
Blend: TypeAlias = Literal["none", "hann", "linear", "trim"]

#: When a numeric nodata value makes a pixel empty: where all bands hold it, or where any does.
NodataRule: TypeAlias = Literal["all", "any"]


#: What becomes of the dates of one step: the one nearest to its middle, the one with most valid pixels, or
#: the median of the valid values at every pixel.
Composite: TypeAlias = Literal["none", "best", "median"]

Group = TypeVar("Group")

_MONTH_AND_DAY = re.compile(r"\d\d-\d\d")


@dataclass(frozen=True)
class SeriesRule:
    """Which images of a place make one sample, date by date.

    Attributes:
        start: First day of a season, ``2020-03-01``; or ``03-01``, every year's, with ``end`` likewise. None
            for the first of January of the first year there is.
        end: Its last day, of the next year where it lies before ``start`` in the calendar (``09-01`` to
            ``07-31``). None for the last day there is.
        dates: ``all``, or a list of the days that count.
        step_days: Days from one step to the next, counted from ``start``; each step is one date. None for
            every date by itself.
        composite: What becomes of the dates of a step.
        max_dates: Most dates of a sample, evenly spread over those that there are; None for all.

    Raises:
        OptionError: A day is none, a number is out of range, or options contradict each other.
    """

    start: str | None = None
    end: str | None = None
    dates: Literal["all"] | list[str] = "all"
    step_days: int | None = None
    composite: Composite = "none"
    max_dates: int | None = None

    def __post_init__(self) -> None:
        for name in ("start", "end"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, str(getattr(self, name)))
        if self.dates != "all":
            listed = [str(day) for day in self.dates]
            object.__setattr__(self, "dates", [as_day(day, "dates").isoformat() for day in listed])
        check_choice("composite", self.composite, get_args(Composite))
        if self.composite != "none" and self.step_days is None:
            raise OptionError(f"Expected step_days with composite {self.composite}, but got none.")
        for name in ("step_days", "max_dates"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise OptionError(f"Expected {name} to be >= 1, but got {getattr(self, name)}.")
        given = [text for text in (self.start, self.end) if text is not None]
        if any(_MONTH_AND_DAY.fullmatch(text) for text in given):
            if len(given) < 2 or not all(_MONTH_AND_DAY.fullmatch(text) for text in given):
                raise OptionError(
                    f"Expected start and end of a season both as MM-DD, or both with a year, but got "
                    f"{self.start} and {self.end}."
                )
            given = [f"2001-{text}" for text in given]
        days = [as_day(text, "start and end of a season") for text in given]
        if len(days) == 2 and not self.every_year and days[1] < days[0]:
            raise OptionError(
                f"Expected a season that ends after its start {self.start}, but got {self.end}."
            )

    @property
    def every_year(self) -> bool:
        """Whether start and end are days of every year."""
        return self.start is not None and _MONTH_AND_DAY.fullmatch(self.start) is not None


def as_group(kind: type[Group], given: Group | Mapping[str, Any]) -> Group:
    """Build a group of options from a mapping, as YAML gives it; a group stays as it is.

    Raises:
        OptionError: It is neither, or holds a key that there is not.
    """
    if isinstance(given, kind):
        return given
    known = sorted(entry.name for entry in fields(kind))  # type: ignore[arg-type]  # all are dataclasses
    unknown = sorted(set(given) - set(known)) if isinstance(given, Mapping) else [repr(given)]
    if unknown:
        raise OptionError(
            f"Expected {kind.__name__} to be of {', '.join(known)}, but got {', '.join(unknown)}."
        )
    return kind(**given)  # type: ignore[arg-type]


def as_day(text: str, name: str) -> date:
    """Read a day as ISO 8601 writes it.

    Raises:
        OptionError: It is none.
    """
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise OptionError(f"Expected {name} to be days such as 2020-03-01, but got '{text}'.") from error


@dataclass(frozen=True)
class MaskRule:
    """Which pixels are left out by the quality bands of a product, or by a mask of one's own.

    Attributes:
        classes: Names of the catalog's table of the sensor, ``cloud``, ``shadow``; ``NAME=NUMBER`` where a
            class has a least value. With ``values``, names of these, none for all.
        dilation_m: Pixels nearer than this, in metres, to one that is left out are left out, too.
        file: Mask of one's own: its path from the folder of an image, with ``{name}`` for the image's name
            without suffix and ``*`` for anything; None for what the product ships.
        values: Of that mask, the values of every class; without them it is one of the sensor's quality bands.
    """

    classes: tuple[str, ...] = ()
    dilation_m: float = 0.0
    file: str | None = None
    values: dict[str, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", tuple(self.classes))
        plain = {str(name): [int(value) for value in numbers] for name, numbers in self.values.items()}
        object.__setattr__(self, "values", plain)
        if self.dilation_m < 0:
            raise OptionError(f"Expected mask_dilation_m to be >= 0 m, but got {self.dilation_m}.")
        if self.values and self.file is None:
            raise OptionError("Expected mask_file with mask_values, but got none.")
        if not self.classes and not self.values:
            raise OptionError("Expected mask to name classes to leave out, but got none.")


@dataclass(frozen=True)
class ReadRecipe:
    """How the scenes of a training were read; a checkpoint carries it, so that a prediction reads alike.

    Attributes:
        bands: Names of the bands, in the order of the model's channels.
        sensor: Entry of the sensor catalog; None where the scenes' own names were taken.
        nodata: Value without data that the training was told; None for what files and catalog say.
        nodata_rule: ``"all"``: a pixel is empty where every band of one grid holds its value; ``"any"``:
            where one does. Masks, alpha, NaN and fill values that no sensor measures (-9999 and below,
            beyond 1e30) count in any band under both.
        harmonize: Whether the offset of Sentinel-2 baselines from 04.00 on is taken off.
        resampling: How bands and tiles on another grid are resampled.
        numbers: 1-based numbers of the bands in every file, where the training was told; empty for what
            names, colours and the catalog say.
        series: Which dates make one sample; None for single images.
        standardize: Whether every band is read as (value - median) / spread of the valid pixels of its scene,
            the spread being that of the middle half in standard deviations of a normal distribution.
        mask: Which pixels are left out, clouds for example; None for none.
        leave_out: Polygons of ground that counts as no data; None for none. It is of these scenes alone: no
            checkpoint keeps it.
        sources: Of several sources the recipe of each by its name, in the order of their channels, whose
            ``bands`` above are ``NAME:BAND``; empty for one source.
        grid: Name of the source whose pixels all of them are read on; None for the first.
    """

    bands: tuple[str, ...]
    sensor: str | None = None
    nodata: float | None = None
    nodata_rule: NodataRule = "all"
    harmonize: bool = False
    resampling: str = "bilinear"
    numbers: tuple[int, ...] = ()
    series: SeriesRule | None = None
    standardize: bool = False
    mask: MaskRule | None = None
    leave_out: str | None = None
    sources: "dict[str, ReadRecipe]" = field(default_factory=dict)
    grid: str | None = None


class SpectralBand(NamedTuple):
    """What is known of a band.

    Attributes:
        name: As the data or the weights call it.
        common: Common name of STAC's electro-optical extension, ``nir08``; None where nobody says.
        center_nm: Centre wavelength in nanometres; None where nobody says.
        width_nm: Full width at half maximum in nanometres; None where nobody says.
    """

    name: str
    common: str | None = None
    center_nm: float | None = None
    width_nm: float | None = None


#: Looks names of bands up: (sensor of the catalog, or None; names) to what is known of them.
Spectra: TypeAlias = Callable[[str | None, Sequence[str]], tuple[SpectralBand, ...]]


class Batch(TypedDict):
    """What data hands to tasks.

    Attributes:
        image: (B, C, H, W) float32, values as stored in the raster (not normalised), 0 where not valid.
        mask: (B, H, W) int64, leaf index, ``IGNORE_INDEX`` where there is no label or no data.
        valid: (B, H, W) bool, True where every band holds data.
        doy: (B, D) int64, day of the year 1..366 of every date; there only for series, of which ``image`` is
            (B, D, C, H, W) and ``valid`` (B, D, H, W), dates ascending. Series that are shorter than the
            longest of the batch end in dates without data, whose ``doy`` and ``year`` are 0.
        year: (B, D) int64, with ``doy``.
        label_set: (B, H, W) int64, row of ``label_table`` or ``IGNORE_INDEX``; there only where labels may be
            no leaves (coarser classes, or those of another legend). ``mask`` is then ``IGNORE_INDEX``.
        label_table: (B, S, T) bool, the legal paths that each label allows for, the same for every sample.
        label_weight: (B, S) float32, weight of each label; there only where weights differ.
        bounds: One (left, bottom, right, top) per sample.
        crs: One CRS per sample.
        files: Names of the images of each sample, in one text.
    """

    image: "Tensor"
    mask: "Tensor"
    valid: "Tensor"
    doy: NotRequired["Tensor"]
    year: NotRequired["Tensor"]
    label_set: NotRequired["Tensor"]
    label_table: NotRequired["Tensor"]
    label_weight: NotRequired["Tensor"]
    bounds: NotRequired[list[object]]
    crs: NotRequired[list[object]]
    files: NotRequired[list[str]]


__all__ = (
    "IGNORE_INDEX",
    "Batch",
    "Blend",
    "Bounds",
    "Composite",
    "MaskRule",
    "NodataRule",
    "Progress",
    "ReadRecipe",
    "SeriesRule",
    "Spectra",
    "SpectralBand",
    "as_day",
    "as_group",
)
