"""When an image was taken, from what its file and its name say."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path

from ..errors import RasterError

#: 20190801T032541, 20190801_032541, 20190801; also with hyphens in the date. Not inside longer numbers.
_STAMP = re.compile(
    r"(?<!\d)((?:19|20)\d{2})(-?)([01]\d)\2([0-3]\d)(?:[T_ ]([0-2]\d)[:-]?([0-5]\d)[:-]?([0-5]\d))?(?!\d)"
)
#: The tags that are read, best first. TIFF's own one is often the time of processing: it only adds the hour.
_DATE_TAGS = ("ACQUISITION_DATE", "ACQUISITIONDATETIME", "PRODUCT_START_TIME", "DATE_ACQUIRED")
_TIFF_TAG = "TIFFTAG_DATETIME"
#: A product's folder counts, too: S2A_MSIL2A_20190801T032541_....SAFE lies four folders above its bands.
_FOLDERS = 5


def acquired(path: Path, tags: Mapping[str, str]) -> datetime | None:
    """Return when an image was taken.

    Args:
        path: The file; where its tags say nothing, the first date in its name counts, then the first in the
            name of a folder around it, from the nearest.
        tags: Metadata of the file.

    Returns:
        The time in UTC, midnight where only the day is known; None where nothing says it.

    Raises:
        RasterError: A tag is there but is no date.

    Examples:
        >>> acquired(Path("GF2_PMS1__20150212_L1A0000647768-MSS1.tiff"), {})
        datetime.datetime(2015, 2, 12, 0, 0, tzinfo=datetime.timezone.utc)
    """
    return tagged_time(tags, path) or time_in_name(path, _FOLDERS)


def tagged_time(tags: Mapping[str, str], path: str | Path) -> datetime | None:
    """Return what the tags of a file say, None where they say nothing.

    Raises:
        RasterError: A tag is there but is no date.
    """
    for tag in _DATE_TAGS:
        text = tags.get(tag, "").strip()
        if text:
            return _with_hour(_parse(text, tag, path), tags.get(_TIFF_TAG, ""))
    return None


def time_in_name(path: str | Path, folders: int) -> datetime | None:
    """Return the first date in the name of a file, or in that of the nearest of some folders around it.

    Eight digits that are no date (a product number) do not count.
    """
    for name in names_around(path, folders):
        for match in _STAMP.finditer(name):
            if (moment := _moment(match)) is not None:
                return moment
    return None


def names_around(path: str | Path, folders: int) -> list[str]:
    """Return the name of a file and those of the folders around it, the nearest first."""
    plain = Path(str(path).split("?", maxsplit=1)[0])  # vrt://FILE?options: coordinates look like dates
    return [plain.name, *(folder.name for folder in list(plain.parents)[:folders])]


def _parse(text: str, tag: str, path: str | Path) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise RasterError(
            f"Expected tag {tag} to be an ISO date, but got '{text}' (in {path}). Correct the tag."
        ) from error
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _with_hour(moment: datetime, tiff_text: str) -> datetime:
    """Take the hour from TIFF's tag where that is of the same day."""
    if moment.time() != time():
        return moment
    try:
        written = datetime.strptime(tiff_text.strip(), "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:  # absent, or in words of its own; the day is known from elsewhere
        return moment
    return written if written.date() == moment.date() else moment


def _moment(match: re.Match[str]) -> datetime | None:
    year, _, month, day, *clock = match.groups()
    try:
        found = date(int(year), int(month), int(day))
        hour = time.fromisoformat(":".join(clock)) if clock[0] else time()
    except ValueError:  # eight digits that are no date, such as a product number
        return None
    return datetime.combine(found, hour, UTC)


__all__ = ("acquired", "names_around", "tagged_time", "time_in_name")
