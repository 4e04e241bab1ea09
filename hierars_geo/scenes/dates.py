"""When an image was taken, from what its file and its name say."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from ..errors import DataError, RasterError

#: 20190801T032541, 20190801_032541, 20190801; also with hyphens or underscores in the date. Not inside longer
#: numbers.
_STAMP = re.compile(
    r"(?<!\d)((?:19|20)\d{2})([-_]?)([01]\d)\2([0-3]\d)(?:[T_ ]([0-2]\d)[:-]?([0-5]\d)[:-]?([0-5]\d))?(?!\d)"
)
#: Year and day of it: HLS.S30.T10SGF.2020213T184921, LC81680732020213LGN00, MOD09GA.A2020213.
_DAY_OF_YEAR = re.compile(
    r"(?:(?<!\d)((?:19|20)\d{2})([0-3]\d{2})(?=T\d{6})"
    r"|L[COTEM]\d\d{6}((?:19|20)\d{2})([0-3]\d{2})(?=[A-Z]{3}\d\d)"
    r"|\.A((?:19|20)\d{2})([0-3]\d{2})(?=\.))"
)
#: A year by itself: cdl_2019, NLCD_2016_land.
_YEAR = re.compile(r"(?:^|[_\-. ])((?:19[5-9]|20[0-4])\d)(?=[_\-. ]|$)")
#: The tags that are read, best first. TIFF's own one is often the time of processing: it only adds the hour.
_DATE_TAGS = ("ACQUISITION_DATE", "ACQUISITIONDATETIME", "PRODUCT_START_TIME", "DATE_ACQUIRED")
_TIFF_TAG = "TIFFTAG_DATETIME"
#: The name of the folder that a file lies in counts, too.
_FOLDERS = 1
_DAY_NS = 86_400 * 10**9
#: Nanoseconds since 1970 of a file without a date: from the first to the last moment that TorchGeo's index
#: can hold.
ALWAYS = (-(2**63) + 1, 2**63 - 1)
#: Years that lie within it as a whole.
_YEARS = range(1678, 2262)


@dataclass(frozen=True)
class Acquisition:
    """When an image was taken.

    Attributes:
        moment: In UTC, midnight where only the day is known; None where nothing says it or only the year.
        interval: (first, last) nanosecond of the day, of the year where that alone is known, else ``ALWAYS``.
        by_year: True where it is known by a year in the name alone.
        problem: What is wrong with the date in its tags; None where nothing is.
    """

    moment: datetime | None = None
    interval: tuple[int, int] = ALWAYS
    by_year: bool = False
    problem: str | None = None

    @classmethod
    def of(cls, moment: datetime) -> "Acquisition":
        """Return that of a moment, whose day counts."""
        return cls(moment, interval_of(moment.date()))


def acquired(path: str | Path, tags: Mapping[str, str], product_day: date | None = None) -> Acquisition:
    """Find out when an image was taken.

    Args:
        path: The file; where its tags say nothing, the day of its product counts, then the first date in its
            name, then in that of its folder, then a year in its name.
        tags: Metadata of the file.
        product_day: What the name of its product says.

    Raises:
        RasterError: A tag is there but is no date.

    Examples:
        >>> acquired("GF2_PMS1__20150212_L1A0000647768-MSS1.tiff", {}).moment
        datetime.datetime(2015, 2, 12, 0, 0, tzinfo=datetime.timezone.utc)
        >>> acquired("cdl_2019.tif", {}).by_year
        True
    """
    moment = tagged_time(tags, path)
    if moment is None and product_day is not None:
        moment = datetime.combine(product_day, time(), UTC)
        moment = _with_hour(moment, tags.get(_TIFF_TAG, ""))
    moment = moment or time_in_name(path, _FOLDERS)
    if moment is not None:
        return Acquisition.of(moment)
    year = _YEAR.search(names_around(path, 0)[0].rpartition(".")[0])
    if year is None:
        return Acquisition()
    first, last = interval_of(date(int(year[1]), 1, 1)), interval_of(date(int(year[1]), 12, 31))
    return Acquisition(None, (first[0], last[1]), by_year=True)


def interval_of(day: date | None) -> tuple[int, int]:
    """Return the first and last nanosecond of a day, ``ALWAYS`` for None."""
    if day is None:
        return ALWAYS
    start = (day - date(1970, 1, 1)).days * _DAY_NS
    return start, start + _DAY_NS - 1


def moment_of(text: str) -> datetime:
    """Read a moment as ISO 8601 writes it, in UTC where it names no zone.

    Raises:
        ValueError: It is none, or of a year that no index can hold.
    """
    moment = datetime.fromisoformat(text)
    if moment.year not in _YEARS:
        raise ValueError(f"the year {moment.year} is not of {_YEARS[0]} to {_YEARS[-1]}")
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def tagged_time(tags: Mapping[str, str], path: str | Path) -> datetime | None:
    """Return what the tags of a file say, None where they say nothing.

    Raises:
        RasterError: A tag is there but is no date.
    """
    for tag in _DATE_TAGS:
        text = tags.get(tag, "").strip()
        if not text:
            continue
        try:
            return _with_hour(moment_of(text), tags.get(_TIFF_TAG, ""))
        except ValueError as error:
            raise RasterError(
                f"Expected tag {tag} to be an ISO date of {_YEARS[0]} to {_YEARS[-1]}, but got '{text}' (in "
                f"{path}). Correct the tag."
            ) from error
    return None


def day_of(acquired: datetime | None, path: str) -> date:
    """Return the day of an image of a season.

    Raises:
        DataError: Nothing says when it was taken.
    """
    if acquired is None:
        raise DataError(
            f"Expected a day for every image of a season, but got none (in {path}). Write the day into the "
            "file's name (20200501) or its tag ACQUISITION_DATE."
        )
    return acquired.date()


def time_in_name(path: str | Path, folders: int) -> datetime | None:
    """Return the first date in the name of a file, or in that of the nearest of some folders around it.

    Eight digits that are no date (a product number) do not count.
    """
    for name in names_around(path, folders):
        for match in _STAMP.finditer(name):
            if (moment := _moment(match)) is not None:
                return moment
        if (counted := _DAY_OF_YEAR.search(name)) is not None:
            year, day = (part for part in counted.groups() if part is not None)
            found = datetime(int(year), 1, 1, tzinfo=UTC) + timedelta(days=int(day) - 1)
            if found.year == int(year):  # not day 0, nor day 366 of most years
                return found
    return None


def names_around(path: str | Path, folders: int) -> list[str]:
    """Return the name of a file and those of the folders around it, the nearest first."""
    plain = Path(str(path).split("?", maxsplit=1)[0])  # vrt://FILE?options: coordinates look like dates
    return [plain.name, *(folder.name for folder in list(plain.parents)[:folders])]


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
