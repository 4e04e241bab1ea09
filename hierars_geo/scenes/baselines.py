"""Processing baselines of Sentinel-2: from 04.00 on values are stored 1000 higher than before."""

import re

from .dates import ALWAYS, interval_of
from .sensors import BaselineOffset

_IN_NAME = re.compile(r"(?:^|[_/\\])N(\d{4})_")
#: Baseline of products that users made with Sen2Cor themselves: it says nothing of how values are stored.
OWN_PROCESSING = "99.99"
#: What stands for values of which an archive has taken the offset off already.
BEFORE_OFFSETS = "00.01"


def baseline_text(text: object) -> str | None:
    """Return a baseline as ``05.09``, None for anything else.

    Examples:
        >>> [baseline_text(text) for text in ("N0509", "0509", "5.09", "5.9", "400", "4.0", "new")]
        ['05.09', '05.09', '05.09', '05.09', '04.00', '04.00', None]
    """
    written = re.fullmatch(r"N?(?:(\d{1,2})(\d{2})|(\d{1,2})\.(\d{1,2}))", str(text or "").strip())
    if written is None:
        return None
    major, minor = (part for part in written.groups() if part is not None)
    found = f"{int(major):02d}.{int(minor):02d}"
    return None if found == OWN_PROCESSING else found


def baseline_in_name(path: str) -> str | None:
    """Return the baseline in a path (``..._N0509_...``), None where it has none.

    Examples:
        >>> baseline_in_name("S2A_MSIL2A_20220601T030541_N0400_R075_T50SKJ_20220601T071256.SAFE")
        '04.00'
    """
    found = _IN_NAME.findall(path)
    return baseline_text(found[-1]) if found else None


def has_offset(baseline: str, rule: BaselineOffset) -> bool:
    """Tell whether values of a baseline are stored higher than those of the first ones."""
    return baseline >= rule.baseline


def added_offset(
    stated: float | None, baseline: str | None, interval: tuple[int, int], rule: BaselineOffset
) -> tuple[float, str | None]:
    """Return what makes stored values comparable with those of old baselines.

    The metadata of a product state its offset. Else its baseline decides, as they, its name or a tag say it.
    Where none does, a day of acquisition from ``rule.since`` on means a new one; a product of an earlier day
    may have been processed again since.

    Args:
        stated: What the metadata of the product say to add.
        baseline: Processing baseline.
        interval: Day of acquisition, first and last nanosecond.
        rule: The step.

    Returns:
        What is added to stored values, and a note where that is not certain.
    """
    if stated is not None:
        return stated, None
    if baseline is not None:
        return (rule.offset if has_offset(baseline, rule) else 0.0), None
    if interval != ALWAYS and interval[0] >= interval_of(rule.since)[0]:
        return rule.offset, (
            f"taken for baseline {rule.baseline} or later by the day alone, {rule.offset:g} is added to the "
            "values; read them without harmonize if that was done before"
        )
    return 0.0, (
        "nothing says the processing baseline, values are read as stored; write it into the tag "
        "PROCESSING_BASELINE, or keep the product's name"
    )


__all__ = (
    "BEFORE_OFFSETS",
    "OWN_PROCESSING",
    "added_offset",
    "baseline_in_name",
    "baseline_text",
    "has_offset",
)
