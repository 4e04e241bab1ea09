"""Options of a prediction in groups, checked once at the door; the command line is built from them."""

import math
from dataclasses import asdict, dataclass, fields, replace
from datetime import date
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, get_args

from ..errors import OptionError, check_choice, unknown_name
from ..types import Blend, MaskRule, ReadRecipe

#: Inside the model: bfloat16 keeps float32's range; float16 is finer, for GPUs before Ampere.
Precision: TypeAlias = Literal["float32", "bf16", "fp16", "int8"]
#: Who may run the network.
RuntimeName: TypeAlias = Literal["auto", "torch", "onnx", "openvino"]
#: ``flips``: mirror images and half turn; ``turns``: quarter turns; ``scales``: ``augment.SCALES``.
Augmentation: TypeAlias = Literal["flips", "turns", "scales"]
#: Windows per forward pass; None for 4, or on a CPU for as many as it takes.
BatchSize: TypeAlias = int | Literal["auto"] | None

#: Far more than any model sees at once.
_MAX_WINDOW_PX: Final = 65_536
#: Less, and every block would be decoded for each window anew.
_LEAST_MEMORY_MB: Final = 16


@dataclass(frozen=True)
class ReadingOptions:
    """What of a scene is read, and how: as in training, but for what is said here.

    Attributes:
        mosaic: The rasters are tiles of one scene.
        until: Last day of a season that counts, such as 2020-06-30, for maps before its end (default: all).
        region: Part to predict: LEFT,BOTTOM,RIGHT,TOP or a polygon file (default: everything).
        region_crs: CRS of LEFT,BOTTOM,RIGHT,TOP (default: EPSG:4326).
        sensor: Read as this sensor of the catalog (default: as in training).
        bands: Numbers of the model's bands in the rasters, from 1, in its order (default: by their names).
        nodata: Value without data of rasters that declare none, nan for none (default: as in training).
        harmonize: Read Sentinel-2 values of baseline 04.00 and later as older ones (default: as in training).
            Where nobody says it, that is noted for newer scenes.
        mask: Pixels to leave out by the product's own quality bands, cloud,shadow for example; none for
            nothing (default: as in training).
        mask_dilation_m: Metres around these that are left out, too (default: as in training).
        leave_out: Polygons, in any CRS, of ground that counts as no data, a watermark for example.
    """

    mosaic: bool = False
    until: str | None = None
    region: str | None = None
    region_crs: str | None = None
    sensor: str | None = None
    bands: tuple[int, ...] | None = None
    nodata: float | None = None
    harmonize: bool | None = None
    mask: tuple[str, ...] | None = None
    mask_dilation_m: float | None = None
    leave_out: str | None = None

    def __post_init__(self) -> None:
        if self.mask is not None:
            names = tuple(name.strip() for name in ",".join(self.mask).split(","))
            object.__setattr__(self, "mask", names)

    def overruled(self, recipe: ReadRecipe) -> ReadRecipe:
        """Return how scenes are read: as a recipe says, but for what is asked for here."""
        return replace(
            recipe,
            sensor=self.sensor or recipe.sensor,
            numbers=recipe.numbers if self.bands is None else self.bands,
            nodata=recipe.nodata if self.nodata is None else self.nodata,
            harmonize=recipe.harmonize if self.harmonize is None else self.harmonize,
            mask=self._mask(recipe.mask),
            leave_out=self.leave_out,
            sources={n: replace(own, leave_out=self.leave_out) for n, own in recipe.sources.items()},
        )

    def refuse_for_sources(self) -> None:
        """Refuse what says how one source is read where there are several.

        Raises:
            OptionError: Any of it is said.
        """
        for name in ("sensor", "bands", "nodata", "harmonize", "mask", "mask_dilation_m"):
            if getattr(self, name) is not None:
                raise OptionError(
                    f"Expected no {name} with several sources, each of which is read as in training. "
                    "Leave it out."
                )

    def _mask(self, rule: MaskRule | None) -> MaskRule | None:
        """Return what is left out: what a recipe says, but for what is asked for here."""
        if self.mask is not None:
            classes = tuple(name for name in self.mask if name != "none")
            rule = replace(rule or MaskRule(self.mask), classes=classes) if classes else None
        if self.mask_dilation_m is None or self.mask == ("none",):
            return rule
        if rule is None:
            raise OptionError("Expected mask with mask_dilation_m, but got none. Name classes to leave out.")
        return replace(rule, dilation_m=self.mask_dilation_m)


@dataclass(frozen=True)
class WindowOptions:
    """How windows are laid, batched and blended.

    Attributes:
        window: Side of a window in pixels (default: 512, or that of larger training chips; that of the
            chips where layers of the model see all of a window).
        overlap: Share of the window that neighbours share, 0 <= overlap < 1.
        blend: How overlapping windows are blended: none, hann, linear or trim.
        batch_size: Windows per forward pass, or auto for what the device takes (default: as many as make
            256 x 256 px on a CPU, 4 elsewhere).
        chunk_px: Most columns predicted at once (default: 16384, or what memory_mb allows).
        memory_mb: MB for what grows with a raster: rows that windows share, GDAL's blocks, what is read ahead
            (default: 192, less on machines below 24 GB).
    """

    window: int | None = None
    overlap: float = 0.25
    blend: Blend = "hann"
    batch_size: BatchSize = None
    chunk_px: int | None = None
    memory_mb: int | None = None

    def __post_init__(self) -> None:
        if self.window is not None and self.window < 1:
            raise OptionError(f"Expected window to be >= 1 px, but got {self.window}.")
        if self.window is not None and self.window > _MAX_WINDOW_PX:
            raise OptionError(f"Expected window to be <= {_MAX_WINDOW_PX} px, but got {self.window}.")
        if not 0 <= self.overlap < 1:
            raise OptionError(
                f"Expected overlap to be a share of the window, 0 <= overlap < 1, but got {self.overlap}."
            )
        if isinstance(self.batch_size, int) and self.batch_size < 1:
            raise OptionError(f"Expected batch_size to be >= 1 or auto, but got {self.batch_size}.")
        if self.chunk_px is not None and self.chunk_px < 1:
            raise OptionError(f"Expected chunk_px to be >= 1 px, but got {self.chunk_px}.")
        if self.memory_mb is not None and self.memory_mb < _LEAST_MEMORY_MB:
            raise OptionError(f"Expected memory_mb to be >= {_LEAST_MEMORY_MB} MB, but got {self.memory_mb}.")
        check_choice("blend", self.blend, get_args(Blend))


@dataclass(frozen=True)
class OutputOptions:
    """Which layers are written.

    Attributes:
        levels: Levels to write, from 1 (default: all).
        confidence: Write the confidence of every level, too.
        depth_threshold: Write the finest level whose confidence reaches this (0..1), too.
        risk: The same, as sure as a calibrated checkpoint asks for this share (0..1) of what is shown wrong;
            it says the depth_threshold.
        sets: Show the smallest set of sibling classes, two or three, where only their parent is sure enough
            (with risk or depth_threshold).
        entropy: Write the entropy of the paths, too: per cent of the largest possible.
        probabilities: Write every path's probability, too: one band each, per cent.
        applicability: Write where a calibrated checkpoint knows the ground, and how unlike it the rest is.
        stack: Write the class maps of all levels as bands of one file, not one file each.
    """

    levels: tuple[int, ...] | None = None
    confidence: bool = False
    depth_threshold: float | None = None
    risk: float | None = None
    sets: bool = False
    entropy: bool = False
    probabilities: bool = False
    applicability: bool = False
    stack: bool = False

    def __post_init__(self) -> None:
        if self.depth_threshold is not None and not 0 <= self.depth_threshold <= 1:
            raise OptionError(
                f"Expected depth_threshold to be a probability 0..1, but got {self.depth_threshold}."
            )
        if self.sets and self.risk is None and self.depth_threshold is None:
            raise OptionError(
                "Expected risk or depth_threshold with sets, but got neither. Say how sure to be."
            )

    def resolved_levels(self, num_levels: int) -> tuple[int, ...]:
        """Return the levels to write, ascending.

        Raises:
            OptionError: The taxonomy has no such level.
        """
        levels = tuple(range(1, num_levels + 1)) if self.levels is None else tuple(sorted(set(self.levels)))
        if not levels or levels[0] < 1 or levels[-1] > num_levels:
            raise OptionError(f"Expected levels to be within 1..{num_levels}, but got {list(levels)}.")
        return levels


@dataclass(frozen=True)
class NetworkOptions:
    """How the network runs.

    Attributes:
        tta: Average over views of every window: any of flips (where none is named), turns, scales.
        precision: Inside the model; fp16 on GPUs only, int8 on CPUs by a graph (see docs).
        runtime: Who runs the network on a CPU; auto: the faster one that is installed, where a scene is large
            and classes stay the same.
        cache_dir: Folder of exported graphs (default: the user's cache).
        compile: Run the model through torch.compile.
    """

    tta: bool | tuple[Augmentation, ...] = False
    precision: Precision = "float32"
    runtime: RuntimeName = "auto"
    cache_dir: str | None = None
    compile: bool = False

    def __post_init__(self) -> None:
        for view in self.views:
            check_choice("tta", view, get_args(Augmentation))
        check_choice("runtime", self.runtime, get_args(RuntimeName))
        check_choice("precision", self.precision, get_args(Precision))

    @property
    def views(self) -> tuple[Augmentation, ...]:
        """What is averaged over."""
        if isinstance(self.tta, bool):
            return ("flips",) if self.tta else ()
        return self.tta


@dataclass(frozen=True, init=False)
class PredictOptions:
    """How to predict, in groups; any option of a group may be given by its own name, too.

    Args:
        reading: What of a scene is read, and how.
        windows: How windows are laid, batched and blended.
        output: Which layers are written.
        network: How the network runs.
        **options: Options of the groups; they count before what a group says.

    Raises:
        OptionError: An option does not exist, or is out of range.

    Examples:
        >>> options = PredictOptions(confidence=True, window=256)
        >>> options.output.confidence, options.windows.window
        (True, 256)
    """

    reading: ReadingOptions
    windows: WindowOptions
    output: OutputOptions
    network: NetworkOptions

    def __init__(
        self,
        reading: ReadingOptions = ReadingOptions(),
        windows: WindowOptions = WindowOptions(),
        output: OutputOptions = OutputOptions(),
        network: NetworkOptions = NetworkOptions(),
        **options: Any,  # noqa: ANN401
    ) -> None:
        groups: tuple[Any, ...] = (reading, windows, output, network)
        for name, group in zip(("reading", "windows", "output", "network"), groups, strict=True):
            own = {
                field.name: _as_written(field.name, options.pop(field.name))
                for field in fields(group)
                if field.name in options
            }
            object.__setattr__(self, name, replace(group, **own))
        if options:
            known = list(self.to_dict())
            raise OptionError(unknown_name("option of a prediction", next(iter(options)), known))

    def replaced(self, **options: Any) -> "PredictOptions":  # noqa: ANN401
        """Return the same with other values of some options."""
        return PredictOptions(self.reading, self.windows, self.output, self.network, **options)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values by the options' own names, for the provenance."""
        plain = {name: value for group in asdict(self).values() for name, value in group.items()}
        no_value = self.reading.nodata is not None and math.isnan(self.reading.nodata)
        return plain | {"cache_dir": None, "memory_mb": None} | ({"nodata": "nan"} if no_value else {})


def _as_written(name: str, value: object) -> object:
    """Return an option as the command line has it: paths, dates and the numbers of a box as text."""
    if name == "region" and isinstance(value, list | tuple):
        return ",".join(str(float(number)) for number in value)
    if isinstance(value, Path | date):
        return str(value)
    return tuple(value) if isinstance(value, list) else value
