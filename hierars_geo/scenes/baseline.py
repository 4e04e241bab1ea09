"""Processing baselines of Sentinel-2: from 04.00 on values are stored 1000 higher than before."""

import re
from collections.abc import Mapping
from typing import Any

#: What is added to values of newer baselines to make them comparable with those of older ones.
BASELINE_OFFSET = -1000.0

_FIRST_WITH_OFFSET = (4, 0)
_IN_NAME = re.compile(r"(?:^|[_/\\])N(\d{2})(\d{2})_")
_WRITTEN = re.compile(r"N?(\d{1,2})\.?(\d{2})")
#: Where an archive has taken the offset off already, its values are those of an older baseline.
_HARMONISED = "earthsearch:boa_offset_applied"


def baseline_of(
    path: str, tags: Mapping[str, str] | None = None, properties: Mapping[str, Any] | None = None
) -> str | None:
    """Find the processing baseline that values are stored by.

    Args:
        path: Of a file or product; ``_N0509_`` in it is the baseline.
        tags: Of the file; ``PROCESSING_BASELINE`` counts before the path.
        properties: Of the STAC item; ``s2:processing_baseline`` counts before all.

    Returns:
        Such as ``05.09``; None where nothing says it.

    Examples:
        >>> baseline_of("S2A_MSIL2A_20220601T030541_N0400_R075_T50SKJ_20220601T071256.SAFE")
        '04.00'
    """
    properties = properties or {}
    if properties.get(_HARMONISED) is True:
        return "00.01"
    for text in (properties.get("s2:processing_baseline"), (tags or {}).get("PROCESSING_BASELINE")):
        if text and (written := _WRITTEN.fullmatch(str(text).strip())):
            return f"{int(written[1]):02d}.{written[2]}"
    found = _IN_NAME.findall(path)
    return ".".join(found[-1]) if found else None


def has_offset(baseline: str) -> bool:
    """Tell whether values of a baseline are 1000 higher than those of the first ones."""
    major, minor = baseline.split(".")
    return (int(major), int(minor)) >= _FIRST_WITH_OFFSET


__all__ = ("BASELINE_OFFSET", "baseline_of", "has_offset")
