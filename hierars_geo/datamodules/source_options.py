"""Option groups of what a data module reads: images, labels, and how they are combined."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from ..datasets.pairing import Time
from ..datasets.vector_labels import Order
from ..errors import OptionError, require_with
from ..scenes.bad_files import OnError
from ..scenes.resampling import Interpolation
from ..scenes.sensors import find_sensor
from ..types import MaskRule, NodataRule, SeriesRule, as_group

#: Sensors of the catalog, and any raster.
SensorName = Literal[
    "alphaearth",
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
    "tessera",
]


#: Files, folders or patterns of labels, or sources with options of their own (keys of ``LabelEntry``).
Labels: TypeAlias = list[str] | list[str | dict[str, Any]]


@dataclass(frozen=True)
class ReadingOptions:
    """How images are read; see :class:`~hierars_geo.datasets.SceneRaster`.

    Attributes:
        nodata: Value without data in files that declare none (default: what the catalog states).
        nodata_rule: ``all``: a pixel is empty where all bands hold the value; ``any``: where one does.
        harmonize: Read Sentinel-2 images of baseline 04.00 and later as earlier ones: 1000 less.
        resampling: ``bilinear`` or ``cubic``, where pixels are read on a finer or shifted grid.
        crs: CRS of chips (default: that of the first file).
        res: Pixel size in units of the CRS (default: the finest).
        mask: Classes of pixels to leave out by the quality bands that the product ships: ``[cloud, shadow]``.
        mask_dilation_m: Pixels nearer than this to one that is left out are left out, too.
        mask_file: Mask of one's own, its path from the folder of an image, with ``{name}`` for its name.
        mask_values: Of that mask, the values of every class: ``{cloud: [1, 2]}``.
        leave_out: File of polygons, in any CRS, of ground that counts as no data, a watermark for example.
        series: Dates that make one sample: ``start``, ``end``, ``dates``, ``step_days``, ``composite``,
            ``max_dates``; see :class:`~hierars_geo.types.SeriesRule`. None: every image by itself.
        on_error: ``raise`` names all files that cannot be used, ``skip`` leaves them out with a notice.
        max_open_files: Files kept open per process.
    """

    nodata: float | None = None
    nodata_rule: NodataRule = "all"
    harmonize: bool = False
    resampling: Interpolation = "bilinear"
    crs: str | int | None = None
    res: float | tuple[float, float] | None = None
    mask: list[str] | None = None
    mask_dilation_m: float = 0.0
    mask_file: str | None = None
    mask_values: dict[str, list[int]] | None = None
    leave_out: str | None = None
    series: SeriesRule | None = None
    on_error: OnError = "raise"
    max_open_files: int = 64

    def __post_init__(self) -> None:
        if self.series is not None:
            object.__setattr__(self, "series", as_group(SeriesRule, self.series))

    @property
    def mask_rule(self) -> MaskRule | None:
        """What is left out; None for nothing.

        Raises:
            OptionError: The options of the mask contradict each other.
        """
        masked = bool(self.mask or self.mask_file or self.mask_values)
        require_with("mask_dilation_m", self.mask_dilation_m != 0, "mask or mask_file", masked)
        if not masked:
            return None
        return MaskRule(tuple(self.mask or ()), self.mask_dilation_m, self.mask_file, self.mask_values or {})

    @property
    def arguments(self) -> dict[str, Any]:
        """What a data set of images takes."""
        own = {name: value for name, value in vars(self).items() if not name.startswith(("mask", "series"))}
        return own | {"mask": self.mask_rule}


@dataclass(frozen=True)
class SourceOptions:
    """Images of one sensor: an entry of ``sources``.

    Attributes:
        images: Files, folders or patterns.
        sensor: Name of the sensor.
        name: What it is called in ``pairing`` and before its bands (``NAME:red``), None for the sensor.
        bands: Bands to read, in that order, None for the sensor's; or ``{NAME: 1-based number in the file}``.
        reading: How they are read.
        series: Short for that of ``reading``.
        val_images: Scenes of their own for validation, with ``splits.val_labels``.
        test_images: Scenes of their own for testing, with ``splits.test_labels``.
    """

    images: list[str]
    sensor: SensorName
    name: str | None = None
    bands: list[str] | dict[str, int] | None = None
    reading: ReadingOptions = field(default_factory=ReadingOptions)
    series: SeriesRule | None = None
    val_images: list[str] | None = None
    test_images: list[str] | None = None

    def __post_init__(self) -> None:
        find_sensor(self.sensor)
        object.__setattr__(self, "reading", as_group(ReadingOptions, self.reading))
        _ = self.reading.mask_rule  # checks it
        series = self.reading.series if self.series is None else as_group(SeriesRule, self.series)
        if self.reading.series not in (None, series):
            raise OptionError("Expected one series, but got another beside reading than in it. Say it once.")
        object.__setattr__(self, "series", series)

    @classmethod
    def each_of(
        cls, sources: "Sequence[SourceOptions | Mapping[str, Any]] | None", alone: "SourceOptions"
    ) -> "tuple[SourceOptions, ...]":
        """Return all sources: those listed, or the one that stands alone.

        Args:
            sources: What is listed; None where ``alone`` counts.
            alone: What the other arguments of the data module say.

        Raises:
            OptionError: Neither or both are given, a key is unknown or missing, or two sources have one name.
        """
        if sources is None:
            if not alone.images:
                raise OptionError("Expected images or sources to read, but got neither.")
            return (alone,)
        nothing = cls(images=[], sensor=alone.sensor)
        given = sorted(name for name, value in vars(alone).items() if value != getattr(nothing, name))
        if given:
            raise OptionError(
                f"Expected sources or {', '.join(given)}, but got both. Write {', '.join(given)} into each "
                "of the sources."
            )
        for entry in sources:
            if isinstance(entry, Mapping) and not {"images", "sensor"} <= set(entry):
                got = ", ".join(map(str, entry)) or "nothing"
                raise OptionError(f"Expected sources with images and sensor, but got one with {got}.")
        found = tuple(as_group(cls, entry) for entry in sources)
        names = [source.name or source.sensor for source in found]
        if not names or len(set(names)) < len(names):
            raise OptionError(
                f"Expected sources with a name each, but got {', '.join(names) or 'none'}. Give each a name "
                "of its own."
            )
        return found


@dataclass(frozen=True)
class LabelOptions:
    """How labels that are no plain leaf rasters are opened; see :func:`~hierars_geo.datasets.open_labels`.

    Attributes:
        level: Level 1..N that the values of rasters are classes of (default: the leaves); or one per path.
        attribute: Column of polygons whose values are classes of any level.
        attributes: Instead, one column per level, coarsest first; null where a level has none.
        classes: What the values of the columns stand for.
        rgb: Rasters are pictures in the colours of the tree.
        all_touched: Label every pixel that a polygon touches, not only those whose centre it holds.
        order: ``area`` burns large polygons first, ``file`` in the order of the file.
        crs: CRS of the labels' grid (default: that of the first file).
        res: Pixel size in units of the CRS (default: that of the first raster).
        on_error: ``raise`` refuses polygons with an unknown class, ``skip`` leaves them unlabelled.
    """

    level: int | list[int] | None = None
    attribute: str | None = None
    attributes: list[str | None] | None = None
    classes: dict[Any, Any] | None = None
    rgb: bool = False
    all_touched: bool = False
    order: Order = "area"
    crs: str | int | None = None
    res: float | tuple[float, float] | None = None
    on_error: OnError = "raise"


@dataclass(frozen=True)
class PairingOptions:
    """How images and labels are combined; see :class:`~hierars_geo.datasets.SceneIntersection`.

    Attributes:
        grid: Whose pixels chips have: the name of a source (default: the finest), or [CRS, pixel size].
        time: ``ignore``: whatever their dates; ``within`` ``days`` of each other; or the ``nearest`` date
            (default, where both carry dates).
        days: Most days between two dates.
        min_valid: Least share of pixels with data, 0..1.
    """

    grid: str | tuple[str | int, float] | None = None
    time: Time | None = None
    days: float | None = None
    min_valid: float | None = None

    def __post_init__(self) -> None:
        if self.grid is not None and not isinstance(self.grid, str):  # a list where a mapping gave it
            object.__setattr__(self, "grid", tuple(self.grid))
