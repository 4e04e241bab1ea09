"""One file per band: which file of a folder holds which band."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..errors import MissingFileError, RasterError
from .bands import canonical_band

_SUFFIXES = frozenset({".img", ".jp2", ".tif", ".tiff", ".vrt"})
_SEPARATORS = re.compile(r"[_\-. ]+")
#: The resolution that follows the band in the names of Sentinel-2 products: T32TQM_..._B02_10m.jp2
_RESOLUTION = re.compile(r"\d+m", re.IGNORECASE)
_KNOWN = re.compile(r"B\d\d|B\dA|blue|green|red|nir")


def band_of_file(path: Path) -> str:
    """Return the band that a file's name ends in, in canonical spelling.

    Examples:
        >>> band_of_file(Path("T48QUE_20190801_B2.tif")), band_of_file(Path("T48QUE_B8a_20m.jp2"))
        ('B02', 'B8A')
    """
    tokens = [token for token in _SEPARATORS.split(path.stem) if token]
    if len(tokens) > 1 and _RESOLUTION.fullmatch(tokens[-1]):
        tokens.pop()
    return canonical_band(tokens[-1] if tokens else path.stem)


def list_rasters(folder: Path) -> list[Path]:
    """List the raster files of a folder (not of the folders in it), sorted by name.

    Raises:
        MissingFileError: There is none.
    """
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.suffix.lower() in _SUFFIXES)
    if not files:
        raise MissingFileError(
            f"Expected {folder} to hold one raster per band ({' '.join(sorted(_SUFFIXES))}), but got none. "
            "Give the folder with the band files, or one raster with all bands."
        )
    return files


def is_safe(folder: Path) -> bool:
    """Tell whether a folder is a Sentinel-2 product as ESA delivers it."""
    return folder.suffix.upper() == ".SAFE" or any(folder.glob("MTD_MSIL*.xml"))


def safe_band_files(folder: Path) -> list[Path]:
    """List the images of a Sentinel-2 product, each band at its finest resolution.

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
    finest: dict[str, Path] = {}
    for path in sorted(images, key=_resolution_m):
        finest.setdefault(band_of_file(path), path)
    return list(finest.values())


def _resolution_m(path: Path) -> tuple[int, str]:
    """Order by the resolution that a name ends in; names without one (Level-1C) alike."""
    last = _SEPARATORS.split(path.stem)[-1]
    return (int(last[:-1]) if _RESOLUTION.fullmatch(last) else 0), path.name


def match_band_files(
    files: Iterable[Path], bands: Sequence[str] | None, origin: str
) -> tuple[tuple[str, ...], list[Path]]:
    """Find the file of every band.

    Args:
        files: Candidates; those whose name ends in no wanted band are left out.
        bands: Wanted bands in reading order; None for every file named after a band that is known
            (``B01`` ... ``B8A``, blue, green, red, nir), in the order of their names.
        origin: Name of the folder, for the message.

    Returns:
        The bands in canonical spelling and their files, in the same order.

    Raises:
        RasterError: A band has no file, or several.
    """
    by_band: dict[str, list[Path]] = {}
    for path in files:
        by_band.setdefault(band_of_file(path), []).append(path)
    if bands is None:
        wanted = [name for name in by_band if _KNOWN.fullmatch(name)]
    else:
        wanted = [canonical_band(name) for name in bands]
    missing = [name for name in wanted if name not in by_band]
    if missing or not wanted:
        raise RasterError(
            f"Expected one raster per band {', '.join(wanted) or '(B02.tif, B03.tif, ...)'}, but got "
            f"{', '.join(path.name for paths in by_band.values() for path in paths)} (in {origin})"
            f"{': ' + ', '.join(missing) + ' missing' if missing else ''}. "
            "Name each file by its band at the end (scene_B02.tif), or give one raster with all bands."
        )
    for name in wanted:
        if len(by_band[name]) > 1:
            raise RasterError(
                f"Expected one file of band {name}, but got {', '.join(p.name for p in by_band[name])} "
                f"(in {origin}). Move all but one away."
            )
    return tuple(wanted), [by_band[name][0] for name in wanted]


__all__ = ("band_of_file", "is_safe", "list_rasters", "match_band_files", "safe_band_files")
