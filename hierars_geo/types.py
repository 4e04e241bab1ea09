"""Types that cross package borders: the batch, and the one ignore index."""

from typing import TYPE_CHECKING, Final, NotRequired, TypeAlias, TypedDict

if TYPE_CHECKING:
    from torch import Tensor

#: Label of a pixel without a label. PyTorch's own default: it can never be a class, however large the tree.
IGNORE_INDEX: Final = -100

#: (left, bottom, right, top) in units of the CRS.
Bounds: TypeAlias = tuple[float, float, float, float]


class Batch(TypedDict):
    """What data hands to tasks.

    Attributes:
        image: (B, C, H, W) float32, values as stored in the raster (not normalised), 0 where not valid.
        mask: (B, H, W) int64, leaf index, ``IGNORE_INDEX`` where there is no label or no data.
        valid: (B, H, W) bool, True where every band holds data.
        level_masks: (B, N, H, W) int64, class index per level, coarsest first; there only where labels may be
            known at coarse levels alone. Finer levels are then ``IGNORE_INDEX``, and so is ``mask``.
        bounds: One (left, bottom, right, top) per sample.
        crs: One CRS per sample.
        files: Names of the images of each sample, in one text.
    """

    image: "Tensor"
    mask: "Tensor"
    valid: "Tensor"
    level_masks: NotRequired["Tensor"]
    bounds: NotRequired[list[object]]
    crs: NotRequired[list[object]]
    files: NotRequired[list[str]]


__all__ = ("IGNORE_INDEX", "Batch", "Bounds")
