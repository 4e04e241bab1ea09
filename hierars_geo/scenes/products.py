"""Products as agencies deliver them: names, metadata of folders ``*.SAFE``, and baselines.

From processing baseline 04.00 on Sentinel-2 stores values 1000 higher than before.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from xml.etree import ElementTree

from ..errors import RasterError
from .dates import ALWAYS, interval_of, moment_of, names_around
from .sensors import BaselineOffset

#: A product's folder counts, too: S2A_MSIL2A_....SAFE lies five folders above its bands.
_FOLDERS = 6
_METADATA = ("MTD_MSIL1C.xml", "MTD_MSIL2A.xml")
#: Before 2016-12 the file was named after the product: S2A_OPER_MTD_SAFL1C_....xml
_OLD_METADATA = re.compile(r"S2[A-D]_(OPER|USER)_MTD_SAFL(1C|2A)_\w+\.xml")
#: SAFE/GRANULE/TILE/IMG_DATA/R10m/FILE
_DEPTH = 5
#: Far more than the largest; keeps a file given by mistake from being parsed.
_MAX_BYTES = 16 * 2**20
#: Position of a band in lists of the metadata.
_BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")


@dataclass(frozen=True)
class Processing:
    """How a product was processed, as its metadata, tags or name say.

    Attributes:
        baseline: Processing baseline, ``05.09``; None where nobody says it.
        level: Processing level, ``L2A``.
        offset: What its metadata say to add to stored values; None where they say nothing.
        by_user: A user's own processing (baseline 99.99), whose metadata state no offset.
    """

    baseline: str | None = None
    level: str | None = None
    offset: float | None = None
    by_user: bool = False


def read_product_name(
    path: str, patterns: Sequence[re.Pattern[str]]
) -> tuple[date | None, Processing] | None:
    """Read the name of a file, or of the nearest folder around it, that is that of a product.

    Args:
        path: The file.
        patterns: With groups ``date`` (YYYYMMDD), ``day_of_year`` (YYYYDDD), ``level`` and ``baseline``; see
            :class:`hierars_geo.scenes.sensors.Sensor`.

    Returns:
        Day of acquisition, None where the name leaves it out, level and baseline; None where no name fits.

    Raises:
        RasterError: A name fits, but its date is none.

    Examples:
        >>> gf2 = re.compile(r"GF2_PMS[12]_.*_(?P<date>[0-9]{8})_")
        >>> read_product_name("GF2_PMS1_E118.4_N31.2_20150703_L1A0000898840-MSS1.tif", [gf2])[0]
        datetime.date(2015, 7, 3)
    """
    if not patterns:
        return None
    for name in names_around(path, _FOLDERS):
        for match in (pattern.search(name) for pattern in patterns):
            if match is not None:
                return _read(match.groupdict(), name, path)
    return None


def _read(groups: dict[str, str | None], name: str, path: str) -> tuple[date | None, Processing]:
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
    return day, Processing(baseline_text(groups.get("baseline")), f"L{level}" if level else None)


@dataclass(frozen=True)
class SafeProduct:
    """What the metadata say.

    Attributes:
        root: The folder.
        level: ``L1C`` or ``L2A``.
        start: When it was taken, in UTC.
        baseline: Processing baseline, ``05.09``; None where none is stated, and for a user's own processing.
        nodata: Stored value without a measurement.
        offsets: What is added to stored values before they are divided, per band; empty where not stated.
        by_user: A user's own processing (baseline 99.99) that states no offset.
    """

    root: Path
    level: str
    start: datetime
    baseline: str | None
    nodata: float | None
    offsets: Mapping[str, float]
    by_user: bool = False

    def processing(self, band: str, named: str | None) -> Processing:
        """Say how a band was processed; ``named`` is the baseline that its name says."""
        return Processing(self.baseline or named, self.level, self.offsets.get(band), self.by_user)


def is_safe(folder: Path) -> bool:
    """Tell whether a folder is a Sentinel-2 product as ESA delivers it."""
    return folder.suffix.upper() == ".SAFE" or any((folder / name).is_file() for name in _METADATA)


def safe_root(path: str) -> Path | None:
    """Return the product folder that a file lies in, None for a file elsewhere."""
    return None if "://" in path else _root_of(Path(path).parent)


def granule_of(path: str, root: Path) -> str | None:
    """Return the tile's folder of an image of a product, None for its masks and previews."""
    parts = Path(path).relative_to(root).parts
    if len(parts) < 4 or parts[0] != "GRANULE" or parts[2] != "IMG_DATA":
        return None
    return str(root.joinpath(*parts[:2]))


@lru_cache(maxsize=4096)
def _root_of(folder: Path) -> Path | None:
    return next(filter(is_safe, (folder, *list(folder.parents)[: _DEPTH - 1])), None)


def read_safe(root: Path) -> SafeProduct | None:
    """Read the metadata of a product, None where its folder lacks them.

    Raises:
        RasterError: They are no XML, or lack the level or the date.
    """
    path = _metadata_file(root)
    if path is None:
        return None
    fields, specials, offsets = _read_fields(path)
    level = re.search(r"(1C|2A)", fields.get("PROCESSING_LEVEL", "") or path.name)
    text = fields.get("PRODUCT_START_TIME", "")
    try:
        start = moment_of(text)
    except ValueError as error:
        raise RasterError(
            f"Expected PRODUCT_START_TIME to be an ISO date, but got '{text}' (in {path}). Get the "
            "product again."
        ) from error
    if level is None:
        raise RasterError(
            f"Expected PROCESSING_LEVEL to be Level-1C or Level-2A, but got "
            f"'{fields.get('PROCESSING_LEVEL', '')}' (in {path}). Take a product of one of these."
        )
    baseline = baseline_text(fields.get("PROCESSING_BASELINE"))
    by_user = fields.get("PROCESSING_BASELINE") == OWN_PROCESSING and not offsets
    return SafeProduct(root, f"L{level[1]}", start, baseline, specials.get("NODATA"), offsets, by_user)


def _metadata_file(root: Path) -> Path | None:
    found = [root / name for name in _METADATA if (root / name).is_file()]
    found = found or sorted(path for path in root.glob("*.xml") if _OLD_METADATA.fullmatch(path.name))
    return found[0] if found else None


class _PlainTree(ElementTree.TreeBuilder):
    """Refuses a document type, in which entities that multiply or reach for other files are declared."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise ElementTree.ParseError(f"document type '{name}' is not allowed")


def _read_fields(path: Path) -> tuple[dict[str, str], dict[str, float], dict[str, float]]:
    """Return single fields, special values by name, and offsets by band.

    Raises:
        RasterError: The file is no XML, too large, or a number is none.
    """
    fields: dict[str, str] = {}
    specials: dict[str, float] = {}
    offsets: dict[str, float] = {}
    special = ""
    try:
        for element in _parse(path).iter():
            tag, text = element.tag.rpartition("}")[2], (element.text or "").strip()
            if tag == "SPECIAL_VALUE_TEXT":
                special = text
            elif tag == "SPECIAL_VALUE_INDEX":
                specials[special] = float(text)
            elif tag in ("RADIO_ADD_OFFSET", "BOA_ADD_OFFSET"):
                offsets[_BANDS[int(element.get("band_id", ""))]] = float(text)
            elif text:
                fields.setdefault(tag, text)
    except (ElementTree.ParseError, OSError, ValueError, IndexError) as error:
        raise RasterError(
            f"Expected the metadata of a Sentinel-2 product, but {error} (in {path}). Get the product again."
        ) from error
    return fields, specials, offsets


def _parse(path: Path) -> ElementTree.Element:
    if path.stat().st_size > _MAX_BYTES:
        raise ValueError(f"it has more than {_MAX_BYTES} bytes")
    # entities are refused by the builder, so what is parsed cannot grow beyond the file
    parser = ElementTree.XMLParser(target=_PlainTree())
    parser.feed(path.read_bytes())
    root: ElementTree.Element = parser.close()
    return root


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


def added_offset(
    processing: Processing, interval: tuple[int, int], rule: BaselineOffset
) -> tuple[float, str | None]:
    """Return what makes stored values comparable with those of old baselines.

    The metadata of a product state its offset. Else its baseline decides, as they, its name or a tag say it.
    Where none does, a day of acquisition from ``rule.since`` on means a new one; a product of an earlier day
    may have been processed again since.

    Args:
        processing: Of the product.
        interval: Day of acquisition, first and last nanosecond.
        rule: The step.

    Returns:
        What is added to stored values, and a note where that is not certain.
    """
    if processing.offset is not None:
        return processing.offset, None
    if processing.by_user:
        return 0.0, (
            f"baseline {OWN_PROCESSING} does not say how values are stored and the metadata state no offset, "
            "values are read as stored"
        )
    if processing.baseline is not None:
        return (rule.offset if processing.baseline >= rule.baseline else 0.0), None
    if interval != ALWAYS and interval[0] >= interval_of(rule.since)[0]:
        return rule.offset, (
            f"taken for baseline {rule.baseline} or later by the day alone, {rule.offset:g} is added to the "
            "values; read them without harmonize if that was done before"
        )
    return 0.0, (
        "nothing says the processing baseline, values are read as stored; write it into the tag "
        "PROCESSING_BASELINE, or keep the product's name"
    )
