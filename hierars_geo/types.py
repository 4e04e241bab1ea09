"""Types that cross package borders: the batch, and the one ignore index."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, NotRequired, TypeAlias, TypedDict

if TYPE_CHECKING:
    from torch import Tensor

#: Label of a pixel without a label. PyTorch's own default: it can never be a class, however large the tree.
IGNORE_INDEX: Final = -100

#: (left, bottom, right, top) in units of the CRS.
Bounds: TypeAlias = tuple[float, float, float, float]


#: When a numeric nodata value makes a pixel empty: where all bands hold it, or where any does.
NodataRule: TypeAlias = Literal["all", "any"]


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
    """

    bands: tuple[str, ...]
    sensor: str | None = None
    nodata: float | None = None
    nodata_rule: NodataRule = "all"
    harmonize: bool = False
    resampling: str = "bilinear"
    numbers: tuple[int, ...] = ()


class SpectralBand(NamedTuple):
    """What is known of a band.

    Attributes:
        name: As the data or the weights call it.
        common: Common name of STAC's electro-optical extension, ``nir08``; None where nobody says.
        center_nm: Centre wavelength in nanometres; None where nobody says.
    """

    name: str
    common: str | None = None
    center_nm: float | None = None


#: Looks names of bands up: (sensor of the catalog, or None; names) to what is known of them.
Spectra: TypeAlias = Callable[[str | None, Sequence[str]], tuple[SpectralBand, ...]]


class Batch(TypedDict):
    """What data hands to tasks.

    Attributes:
        image: (B, C, H, W) float32, values as stored in the raster (not normalised), 0 where not valid.
        mask: (B, H, W) int64, leaf index, ``IGNORE_INDEX`` where there is no label or no data.
        valid: (B, H, W) bool, True where every band holds data.
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
    label_set: NotRequired["Tensor"]
    label_table: NotRequired["Tensor"]
    label_weight: NotRequired["Tensor"]
    bounds: NotRequired[list[object]]
    crs: NotRequired[list[object]]
    files: NotRequired[list[str]]


__all__ = ("IGNORE_INDEX", "Batch", "Bounds", "NodataRule", "ReadRecipe", "Spectra", "SpectralBand")
