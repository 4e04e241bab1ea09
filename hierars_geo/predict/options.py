"""Options of a prediction, checked once at the door."""

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, TypeAlias, get_args

from ..errors import OptionError
from ..grid import Blend
from ..types import ReadRecipe
from .augment import Augmentation, views
from .runtime import Precision, check_precision

#: Who may run the network.
RuntimeName: TypeAlias = Literal["auto", "torch", "onnx", "openvino"]

#: Far more than any model sees at once.
_MAX_WINDOW_PX = 65_536


@dataclass(frozen=True)
class PredictOptions:
    """How to predict.

    Attributes:
        window: Side of a window in pixels; None for 512 or the side of larger training
            chips; for that of the training chips where layers of the model see all of a window.
        overlap: Share of the window that neighbours share, 0 <= overlap < 1.
        batch_size: Windows per forward pass, or ``auto`` for what the device takes.
        blend: How overlapping windows are blended.
        levels: Levels to write, from 1; None for all.
        confidence: Write the confidence of every level, too.
        depth_threshold: Write the finest level whose confidence reaches it, 0..1; None for not.
        risk: Write it at the confidence at which a calibrated checkpoint promises that, of all pixels
            shown, at most this share is wrong; 0..1. It says the depth_threshold.
        tta: Views of every window to average over: any of ``flips``, ``turns``, ``scales``; True for flips.
        precision: Inside the model: ``float32``, ``bf16``, or ``fp16`` on a GPU.
        runtime: Who runs the network on a CPU: ``torch``, ``onnx`` (ONNX Runtime), ``openvino``, or ``auto``
            for the faster one that is installed where a scene is large and classes stay the same.
        cache_dir: Where exported graphs are kept; None for the user's cache folder.
        compile: Run the model through torch.compile.
        entropy: Write the entropy of the paths, too: per cent of the largest possible.
        probabilities: Write the probability of every path, too: one band each, per cent.
        stack: Write the class maps of all levels as bands of one file, not one file each.
        chunk_px: Most columns predicted at once; None for 16 384 or what memory allows.
        region: Part to predict: ``LEFT,BOTTOM,RIGHT,TOP`` or a polygon file; None for all.
        region_crs: CRS of a box; None for longitude and latitude.
        mosaic: Several rasters are tiles of one scene.
        harmonize: Read Sentinel-2 values of processing baseline 04.00 and later as those of earlier ones;
            None for what the checkpoint says. Where nobody says it, that is noted for newer scenes.
        sensor: Entry of the sensor catalog that scenes are read as; None for what the checkpoint says.
        bands: 1-based numbers of the model's bands in every raster; None for what names and catalog say.
        nodata: Value without data of rasters that declare none; None for what the checkpoint says.
    """

    window: int | None = None
    overlap: float = 0.25
    batch_size: int | Literal["auto"] = 4
    blend: Blend = "hann"
    levels: tuple[int, ...] | None = None
    confidence: bool = False
    depth_threshold: float | None = None
    risk: float | None = None
    tta: bool | tuple[Augmentation, ...] = False
    precision: Precision = "float32"
    runtime: RuntimeName = "auto"
    cache_dir: str | None = None
    compile: bool = False
    entropy: bool = False
    probabilities: bool = False
    stack: bool = False
    chunk_px: int | None = None
    region: str | None = None
    region_crs: str | None = None
    mosaic: bool = False
    harmonize: bool | None = None
    sensor: str | None = None
    bands: tuple[int, ...] | None = None
    nodata: float | None = None

    def overruled(self, recipe: ReadRecipe) -> ReadRecipe:
        """Return how scenes are read: as a recipe says, but for what is asked for here."""
        return replace(
            recipe,
            sensor=self.sensor or recipe.sensor,
            numbers=recipe.numbers if self.bands is None else tuple(self.bands),
            nodata=recipe.nodata if self.nodata is None else self.nodata,
            harmonize=recipe.harmonize if self.harmonize is None else self.harmonize,
        )

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            OptionError: A value is out of range.
        """
        if self.window is not None and self.window < 1:
            raise OptionError(f"Expected window to be >= 1 px, but got {self.window}.")
        if self.window is not None and self.window > _MAX_WINDOW_PX:
            raise OptionError(f"Expected window to be <= {_MAX_WINDOW_PX} px, but got {self.window}.")
        if not 0 <= self.overlap < 1:
            raise OptionError(
                f"Expected overlap to be a share of the window, 0 <= overlap < 1, but got {self.overlap}."
            )
        if self.batch_size != "auto" and self.batch_size < 1:
            raise OptionError(f"Expected batch_size to be >= 1 or auto, but got {self.batch_size}.")
        if self.chunk_px is not None and self.chunk_px < 1:
            raise OptionError(f"Expected chunk_px to be >= 1 px, but got {self.chunk_px}.")
        if self.blend not in get_args(Blend):
            raise OptionError(
                f"Expected blend to be one of {', '.join(get_args(Blend))}, but got '{self.blend}'."
            )
        if self.depth_threshold is not None and not 0 <= self.depth_threshold <= 1:
            raise OptionError(
                f"Expected depth_threshold to be a probability 0..1, but got {self.depth_threshold}."
            )
        views(self.views)
        if self.runtime not in get_args(RuntimeName):
            raise OptionError(
                f"Expected runtime to be one of {', '.join(get_args(RuntimeName))}, but got '{self.runtime}'."
            )
        check_precision(self.precision, ())

    @property
    def views(self) -> tuple[Augmentation, ...]:
        """What is averaged over."""
        if isinstance(self.tta, bool):
            return ("flips",) if self.tta else ()
        return tuple(self.tta)

    def resolved_levels(self, num_levels: int) -> tuple[int, ...]:
        """Return the levels to write, ascending.

        Raises:
            OptionError: The taxonomy has no such level.
        """
        levels = tuple(range(1, num_levels + 1)) if self.levels is None else tuple(sorted(set(self.levels)))
        if not levels or levels[0] < 1 or levels[-1] > num_levels:
            raise OptionError(f"Expected levels to be within 1..{num_levels}, but got {list(levels)}.")
        return levels

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for the provenance."""
        no_value = self.nodata is not None and math.isnan(self.nodata)
        return asdict(replace(self, cache_dir=None)) | ({"nodata": "nan"} if no_value else {})


__all__ = ("PredictOptions",)
