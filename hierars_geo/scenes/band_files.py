"""Which file holds which band, which files make one scene, and which bands of a file are read."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import MissingFileError, RasterError, RecipeError, list_some, notice
from .bands import canonical_band, match_bands
from .products import granule_of, safe_root
from .raster_file import RasterFile
from .raster_paths import RASTER_SUFFIXES
from .sensors import Sensor

_SEPARATORS = re.compile(r"[_\-. ]+")
#: The resolution that follows the band in the names of Sentinel-2 products: T32TQM_..._B02_10m.jp2; and what
#: the Copernicus Browser adds: ..._B02_(Raw).tiff
_AFTER_BAND = re.compile(r"\d+m|\([^()]*\)", re.IGNORECASE)
_KNOWN = re.compile(r"B\d\d|B\dA|blue|green|red|nir")
#: Landsat's files of one scene: LC08_..._SR_B4.TIF holds reflectance, LC08_..._ST_B10.TIF temperature.
_QUANTITY = re.compile(r"_(SR|ST)_$", re.IGNORECASE)


def band_of_file(path: Path) -> str:
    """Return the band that a file's name ends in, in canonical spelling.

    Examples:
        >>> band_of_file(Path("T48QUE_20190801_B2.tif")), band_of_file(Path("T48QUE_B8a_20m.jp2"))
        ('B02', 'B8A')
    """
    tokens = [token for token in _SEPARATORS.split(path.stem) if token]
    while len(tokens) > 1 and _AFTER_BAND.fullmatch(tokens[-1]):
        tokens.pop()
    return canonical_band(tokens[-1] if tokens else path.stem)


def list_rasters(folder: Path) -> list[Path]:
    """List the raster files of a folder (not of the folders in it), sorted by name.

    Raises:
        MissingFileError: There is none.
    """
    files = sorted(
        path for path in folder.iterdir() if path.is_file() and path.suffix.lower() in RASTER_SUFFIXES
    )
    if not files:
        raise MissingFileError(
            f"Expected {folder} to hold one raster per band ({' '.join(sorted(RASTER_SUFFIXES))}), but got "
            "none. Give the folder with the band files, or one raster with all bands."
        )
    return files


def safe_images(folder: Path) -> list[Path]:
    """List the images of a Sentinel-2 product, in all resolutions.

    Raises:
        MissingFileError: There is none.
        RasterError: The product holds several tiles.
    """
    images = sorted(folder.glob("GRANULE/*/IMG_DATA/**/*.jp2"))
    if not images:
        raise MissingFileError(
            f"Expected images GRANULE/*/IMG_DATA/**/*.jp2 in a Sentinel-2 product, but got none "
            f"(in {folder}). Unpack the whole product."
        )
    granules = sorted({path.relative_to(folder).parts[1] for path in images})
    if len(granules) > 1:
        raise RasterError(
            f"Expected a product with one tile, but got {', '.join(granules)} (in {folder}). "
            "Give the IMG_DATA folder of one of them."
        )
    return images


@dataclass(frozen=True)
class BandFiles:
    """Band files of one scene.

    Attributes:
        key: What their paths have in common.
        by_band: Files of every band, sorted; several where a product holds several resolutions.
        product: The folder ``*.SAFE`` that they lie in, if any.
    """

    key: str
    by_band: dict[str, list[str]]
    product: Path | None = None


def split_layouts(
    paths: Sequence[str], named: frozenset[str], sensor: Sensor
) -> tuple[list[str], list[BandFiles]]:
    """Tell stacks from band files, and band files of one scene from those of another.

    Args:
        paths: Raster files, sorted.
        named: Those that the user named; of the others, what lies beside band files and is none is left out
            with a notice.
        sensor: What bands there are.

    Returns:
        Stacks, and band files by scene. Masks, previews and derived layers inside of a product are left out.
    """
    if not sensor.file_per_band:
        return list(paths), []
    groups: dict[str, BandFiles] = {}
    others = []
    folders = set()
    for path in paths:
        band = sensor.canonical(band_of_file(Path(path.split("?", maxsplit=1)[0])))  # vrt://FILE?options
        root = safe_root(path)
        key = granule_of(path, root) if root else scene_key(path)
        if band in sensor.known_bands and key is not None:
            group = groups.setdefault(key, BandFiles(key, {}, root))
            group.by_band.setdefault(band, []).append(path)
            folders.add(Path(path).parent)
        elif root is None or path in named:
            others.append(path)
    left_out = [path for path in others if path not in named and Path(path).parent in folders]
    if left_out:
        notice(
            f"Left out {len(left_out)} files beside band files, since their names end in no band of "
            f"{sensor.title}: {list_some(left_out)}."
        )
    return [path for path in others if path not in set(left_out)], list(groups.values())


def scene_key(path: str) -> str:
    """Folder and what precedes the band in the name: the same for all band files of a scene."""
    name = Path(path.split("?", maxsplit=1)[0])
    band = band_of_file(name)
    stem = name.stem
    upper = stem.upper()
    at = max(upper.rfind(spelling.upper()) for spelling in (band, band.replace("B0", "B")))
    return str(name.parent / _QUANTITY.sub("_", stem[: max(at, 0)]))


def match_band_files(
    files: Iterable[Path], wanted: Sequence[str], sensor: Sensor, origin: str
) -> dict[str, list[str]]:
    """Find the files of every band; several where they differ in nothing but the resolution.

    Args:
        files: Candidates; those whose name ends in no wanted band are left out.
        wanted: Canonical names in reading order; empty for every file named after a band that is known, in
            the order of their names.
        sensor: What bands may be called.
        origin: Name of the folder, for the message.

    Raises:
        RasterError: A band has no file, or those of several scenes.
    """
    by_band: dict[str, list[Path]] = {}
    for path in files:
        by_band.setdefault(sensor.canonical(band_of_file(path)), []).append(path)
    named = list(wanted) or [name for name in by_band if name in sensor.known_bands or _KNOWN.fullmatch(name)]
    missing = [name for name in named if name not in by_band]
    if missing or not named:
        raise RecipeError(
            f"Expected one raster per band {', '.join(named) or '(B02.tif, B03.tif, ...)'}, but got "
            f"{', '.join(path.name for paths in by_band.values() for path in paths)} (in {origin})"
            f"{': ' + ', '.join(missing) + ' missing' if missing else ''}. "
            "Name each file by its band at the end (scene_B02.tif), or give one raster with all bands."
        )
    for name in named:
        paths = by_band[name]
        if len(paths) > 1 and len({Path(scene_key(str(path))).name for path in paths}) > 1:
            raise RasterError(
                f"Expected one file of band {name}, but got {', '.join(p.name for p in paths)} "
                f"(in {origin}). Move all but one away."
            )
    return {name: [str(path) for path in by_band[name]] for name in named}


_RGB = frozenset({"red", "green", "blue"})


def find_bands(
    file: RasterFile, sensor: Sensor, wanted: tuple[str, ...], numbers: tuple[int, ...] = ()
) -> tuple[tuple[str, ...], tuple[int, ...], str | None]:
    """Find bands in a file.

    The first that fits decides: numbers that were told; the bands' names, in any of the sensor's spellings;
    the colour interpretation, where the sensor trusts it or red, green and blue are all that is wanted; the
    catalog's order of a stack with as many bands; the wanted order, where there are as many bands.

    Args:
        file: The file.
        sensor: What its bands may be called.
        wanted: Canonical names in reading order; empty for all bands.
        numbers: 1-based bands of the file that the wanted ones are; empty where nobody says.

    Returns:
        Names, 1-based bands of the file, and a note where the file does not name them itself.

    Raises:
        RasterError: A band is missing or ambiguous, or nothing says which band is which.
    """
    if numbers:
        return wanted, _told(file, wanted, numbers), None
    names = tuple(name and sensor.canonical(name) for name in file.names)
    if not wanted:
        return (
            (*(name or f"band_{i}" for name, i in zip(names, file.indexes, strict=True)),),
            file.indexes,
            None,
        )
    note = None
    if not any(names):
        names, note = _unnamed(file, sensor, wanted)
    try:
        positions = match_bands(wanted, names, file.path)
    except RasterError as error:
        if file.alpha is None:
            raise
        raise RecipeError(f"{error} Band {file.alpha} is tagged alpha and was left out.") from error
    return wanted, tuple(file.indexes[position - 1] for position in positions), note


def _told(file: RasterFile, wanted: Sequence[str], numbers: Sequence[int]) -> tuple[int, ...]:
    wrong = [number for number in numbers if number not in file.indexes]
    if wrong or len(numbers) != len(wanted):
        raise RecipeError(
            f"Expected {', '.join(wanted)} to be bands {', '.join(map(str, numbers))}, but got the bands "
            f"{', '.join(map(str, file.indexes))} (in {file.path}). Correct the numbers, or leave them out."
        )
    return tuple(numbers)


def _unnamed(
    file: RasterFile, sensor: Sensor, wanted: tuple[str, ...]
) -> tuple[tuple[str | None, ...], str | None]:
    """Return what the bands of a file without names are taken for, and a note that says so."""
    count = len(file.indexes)
    colored = set(file.colors) == _RGB and count == 3
    if colored and (sensor.trust_colors or (not sensor.bands and set(wanted) == _RGB)):
        return file.colors, None
    names = sensor.stack_of(count)
    own = tuple(f"band_{i}" for i in file.indexes)
    if names is None and not sensor.bands and set(wanted) <= set(own):
        return own, None
    if names is None and count == len(wanted):
        names = wanted
    if names is None:
        of_sensor = [stack for stack in sensor.stacks if set(wanted) <= set(stack)]
        counts = " or ".join(str(n) for n in sorted({*map(len, of_sensor), len(wanted)}))
        left_out = "" if file.alpha is None else f" Band {file.alpha} is tagged alpha and was left out."
        raise RecipeError(
            f"Expected {counts} bands of {sensor.title} or bands with names ({', '.join(wanted)}), but got "
            f"{count} without names (in {file.path}). Write their names into the band "
            f"descriptions, or say which band is which (bands: {{{wanted[0]}: 1, ...}}).{left_out}"
        )
    listed = ", ".join(f"{i} is {name}" for i, name in zip(file.indexes, names, strict=True))
    return names, f"no bands are named, their order is taken as {listed}"


def numbered(
    bands: Sequence[str] | Mapping[str, int] | None,
) -> tuple[tuple[str, ...] | None, tuple[int, ...]]:
    """Split ``{B01: 1, B02: 2}`` into names and numbers; a list of names has no numbers."""
    if bands is None:
        return None, ()
    if isinstance(bands, Mapping):
        return tuple(map(canonical_band, bands)), tuple(int(number) for number in bands.values())
    return tuple(map(canonical_band, bands)), ()
