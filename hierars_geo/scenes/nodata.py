"""What is no data: values, NaN, masks and alpha bands, known before anything is resampled."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.io import DatasetReader
from rasterio.windows import Window as RasterioWindow

from ..types import NodataRule

Pixels = NDArray[Any]
Mask = NDArray[np.bool_]

#: Fill values that no sensor measures: from here down, and of floats beyond this size.
_FILL_BELOW = -9999.0
FILL_BEYOND = 1e30
#: An alpha band is a mask where at least this share of its pixels is either 0 or its greatest value.
_MASK_SHARE = 0.9
_ALPHA_TOPS = (1, 255, 65535)
_PROBES, _PROBE_PX = 4, 64


def empty_pixels(
    data: Pixels, nodata: Sequence[float | None], rule: NodataRule
) -> tuple[Mask | None, Mask | None]:
    """Find the pixels that hold a nodata value.

    Args:
        data: (C, H, W) as stored.
        nodata: Per band; None for none.
        rule: ``all``: a value counts where all bands that have one hold it, for in one band alone it may be a
            measurement (dark water, a bright roof); ``any``: where one does. A fill value that no sensor
            measures, and NaN, counts in any band.

    Returns:
        (H, W) pixels that are no data whatever other bands hold, and those that are by the rule; None for
        none.
    """
    filled: Mask | None = None
    empty: Mask | None = None
    anywhere = True
    for channel, value in zip(data, nodata, strict=True):
        if value is None or (not anywhere and rule == "all" and not is_fill(value)):
            continue
        held = _held(channel, value)
        if held is None:
            continue
        if is_fill(value) or rule == "any":
            filled = held if filled is None else np.asarray(filled | held)
        else:
            empty = held if empty is None else np.asarray(empty & held)
            anywhere = bool(empty.any())
    if data.dtype.kind == "f" and not (finite := np.isfinite(data)).all():
        broken = np.asarray(~finite.all(axis=0))
        filled = broken if filled is None else np.asarray(filled | broken)
    return filled, empty if anywhere else None


def is_fill(value: float) -> bool:
    """Tell whether a nodata value is one that no sensor measures."""
    return math.isnan(value) or value <= _FILL_BELOW or abs(value) >= FILL_BEYOND


def has_numeric(nodata: Sequence[float | None], rule: NodataRule) -> bool:
    """Tell whether any band has a nodata value of which other bands decide, too."""
    return rule == "all" and any(value is not None and not is_fill(value) for value in nodata)


def _held(channel: Pixels, value: float) -> Mask | None:
    """Return where a band holds a value, None where no pixel can."""
    if channel.dtype.kind == "f" and FILL_BEYOND <= abs(value) < math.inf:
        # -3.4e38 is written for -3.4028235e38: whatever is as large is meant
        return channel <= -FILL_BEYOND if value < 0 else channel >= FILL_BEYOND
    stored = _stored(value, channel.dtype)
    return None if stored is None else np.asarray(channel == stored)


@lru_cache(maxsize=256)
def _stored(value: float, dtype: np.dtype[Any]) -> np.generic | None:
    """Return a nodata value as pixels hold it; None for NaN, and where no pixel can (-9999 is no uint16)."""
    if not math.isfinite(value):
        return None
    if dtype.kind == "f":
        return dtype.type(value) if abs(value) <= np.finfo(dtype).max else None
    info = np.iinfo(dtype)
    return dtype.type(value) if value.is_integer() and info.min <= value <= info.max else None


def has_mask(dataset: DatasetReader, indexes: Sequence[int]) -> bool:
    """Tell whether a mask lies beside the bands (an alpha band is none)."""
    flags = {flag for index in indexes for flag in dataset.mask_flag_enums[index - 1]}
    return MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags


def split_alpha(dataset: DatasetReader) -> tuple[tuple[int, ...], int | None, int | None]:
    """Tell the bands that hold data from the one that says where.

    Software tags the fourth band of any picture as alpha, the near infrared of an aerial photograph, too.

    Returns:
        1-based data bands; the alpha band; and a data band that is tagged alpha but is no mask.
    """
    kinds = list(dataset.colorinterp)
    if ColorInterp.alpha not in kinds:
        return tuple(range(1, dataset.count + 1)), None, None
    alpha = kinds.index(ColorInterp.alpha) + 1
    others = tuple(i for i, kind in enumerate(kinds, 1) if kind != ColorInterp.alpha)
    if not others or _is_mask(dataset, alpha):
        return others, alpha, None
    return tuple(sorted((*others, alpha))), None, alpha


def _is_mask(dataset: DatasetReader, index: int) -> bool:
    """Look at a few places of an alpha band: a mask holds 0 and one great value, edges aside."""
    values = []
    for row in np.linspace(0, max(dataset.height - _PROBE_PX, 0), _PROBES).astype(int).tolist():
        for col in np.linspace(0, max(dataset.width - _PROBE_PX, 0), _PROBES).astype(int).tolist():
            window = RasterioWindow(col, row, min(_PROBE_PX, dataset.width), min(_PROBE_PX, dataset.height))
            values.append(dataset.read(index, window=window).ravel())
    found = np.concatenate(values)
    top = found.max()
    if top == 0:  # nothing but transparent where we looked
        return True
    return bool(float(top) in _ALPHA_TOPS and ((found == 0) | (found == top)).mean() >= _MASK_SHARE)
