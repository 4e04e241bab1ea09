"""What the name of a product says of it: day, processing level and baseline."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from ..errors import RasterError
from .acquisition import names_around

#: A product's folder counts, too: S2A_MSIL2A_....SAFE lies five folders above its bands.
_FOLDERS = 6


@dataclass(frozen=True)
class ProductName:
    """What a name says.

    Attributes:
        day: Day of acquisition, None where the name leaves it out.
        level: Processing level (``L2A``).
        baseline: Processing baseline (``05.09``).
    """

    day: date | None = None
    level: str | None = None
    baseline: str | None = None


def read_product_name(path: str, patterns: Sequence[re.Pattern[str]]) -> ProductName | None:
    """Read the name of a file, or of the nearest folder around it, that is that of a product.

    Args:
        path: The file.
        patterns: With groups ``date`` (YYYYMMDD), ``day_of_year`` (YYYYDDD), ``level`` and ``baseline``; see
            :class:`hierars_geo.scenes.sensors.Sensor`.

    Returns:
        None where no name fits.

    Raises:
        RasterError: A name fits, but its date is none.

    Examples:
        >>> gf2 = re.compile(r"GF2_PMS[12]_.*_(?P<date>[0-9]{8})_")
        >>> read_product_name("GF2_PMS1_E118.4_N31.2_20150703_L1A0000898840-MSS1.tif", [gf2]).day
        datetime.date(2015, 7, 3)
    """
    if not patterns:
        return None
    for name in names_around(path, _FOLDERS):
        for match in (pattern.search(name) for pattern in patterns):
            if match is not None:
                return _read(match.groupdict(), name, path)
    return None


def baseline_text(text: str | None) -> str | None:
    """Return a baseline (``N0509``, ``0509``, ``5.9`` or ``05.09``) as ``05.09``, None for anything else."""
    match = re.fullmatch(r"N?(?:(\d{2})(\d{2})|(\d{1,2})\.(\d{1,2}))", (text or "").strip())
    if match is None:
        return None
    major, minor = (match[1], match[2]) if match[1] else (match[3], match[4])
    return f"{int(major):02d}.{int(minor):02d}"


def _read(groups: dict[str, str | None], name: str, path: str) -> ProductName:
    text, layout = groups.get("date"), "%Y%m%d"
    if text is None:
        text, layout = groups.get("day_of_year"), "%Y%j"
    try:
        day = datetime.strptime(text, layout).date() if text else None
    except ValueError as error:
        raise RasterError(
            f"Expected the date in the product name {name} to be one, but got '{text}' (in {path}). "
            "Correct the name, or write the tag ACQUISITION_DATE."
        ) from error
    level = groups.get("level")
    return ProductName(day, f"L{level}" if level else None, baseline_text(groups.get("baseline")))


__all__ = ("ProductName", "baseline_text", "read_product_name")
