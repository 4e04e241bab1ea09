"""Turn what a user names (files, folders, patterns, addresses) into raster files that GDAL opens."""

import glob
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import url2pathname

from ..errors import MissingFileError, list_some

#: One file, folder or pattern, or several.
Paths: TypeAlias = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]

#: What counts as a raster in a folder; a file that is named itself may have any suffix that GDAL opens.
RASTER_SUFFIXES = (".tif", ".tiff", ".jp2", ".img", ".vrt")


def find_rasters(
    paths: Paths, suffixes: tuple[str, ...] = RASTER_SUFFIXES
) -> tuple[list[str], frozenset[str]]:
    """List raster files, or files of other suffixes.

    Args:
        paths: Files, folders (searched to any depth; hidden ones are not), patterns
            such as ``scenes/*_S2.tif``, and names that only GDAL knows (``/vsizip/...``, ``vrt://...``).
        suffixes: What is looked for in folders, in small letters.

    Returns:
        All files, each once, sorted; and those of them that were named themselves, not found in a folder.

    Raises:
        MissingFileError: Something named does not exist, or holds no raster; all of them are listed.
    """
    named: set[str] = set()
    found: set[str] = set()
    missing: list[str] = []
    empty: list[str] = []
    for path in _as_list(paths):
        if path.startswith(("/vsi", "vrt://")) or os.path.isfile(path):
            named.add(path)
        elif os.path.isdir(path):
            inside = [
                str(found)
                for found in Path(path).rglob("*")
                if found.suffix.lower() in suffixes
                and found.is_file()
                and not any(part.startswith(".") for part in found.relative_to(path).parts)
            ]
            found.update(inside)
            empty += [] if inside else [path]
        elif glob.has_magic(path):
            matched = [match for match in glob.glob(path, recursive=True) if os.path.isfile(match)]
            named.update(matched)
            missing += [] if matched else [path]
        else:
            missing.append(path)
    if missing:
        raise MissingFileError(
            f"Expected {list_some(missing, 10)} to exist, but nothing is there. Check the path."
        )
    if empty:
        what = "rasters" if suffixes == RASTER_SUFFIXES else "files"
        raise MissingFileError(
            f"Expected {list_some(empty, 10)} to hold {what} ({', '.join(suffixes)}), but got none. "
            "Check the path, or name the files."
        )
    return sorted(named | found), frozenset(named)


def _as_list(paths: Paths) -> Sequence[str]:
    if isinstance(paths, (str, os.PathLike)):
        paths = [paths]
    listed = [os.fspath(path) for path in paths]
    if not listed:
        raise MissingFileError("Expected at least one raster file or folder, but got an empty list.")
    return listed


#: GDAL's virtual file systems by scheme; of buckets the scheme is left out.
_WHOLE_URL = {"http": "/vsicurl/", "https": "/vsicurl/", "ftp": "/vsicurl/"}
_BUCKETS = {"s3": "/vsis3/", "gs": "/vsigs/", "gcs": "/vsigs/", "az": "/vsiaz/", "oss": "/vsioss/"}


def gdal_name(address: str) -> str:
    """Return what GDAL opens.

    Keys, regions and proxies are GDAL's own settings (``AWS_ACCESS_KEY_ID``, ``AWS_NO_SIGN_REQUEST``, ...).

    Args:
        address: A path; or an address with a scheme (``https``, ``s3``, ``gs``, ``az``, ``file``); or a name
            that GDAL understands already.

    Examples:
        >>> gdal_name("https://host/a.tif"), gdal_name("s3://bucket/a.tif"), gdal_name("maps/a.tif")
        ('/vsicurl/https://host/a.tif', '/vsis3/bucket/a.tif', 'maps/a.tif')
    """
    scheme, separator, rest = address.partition("://")
    if not separator:
        return address
    if scheme.lower() in _WHOLE_URL:
        return _WHOLE_URL[scheme.lower()] + address
    if scheme.lower() in _BUCKETS:
        return _BUCKETS[scheme.lower()] + rest
    return local_path(address) if scheme.lower() == "file" else address


def local_path(address: str) -> str:
    """Return the path of a ``file://`` address; others as they are."""
    return url2pathname(urlsplit(address).path) if address.lower().startswith("file://") else address


def resolve_href(href: str, document: str) -> str:
    """Return the address of what a document refers to.

    Args:
        href: As the document has it: an address, an absolute path, or a path relative to the document.
        document: Path or URL of the document.

    Examples:
        >>> resolve_href("./B02.tif", "https://host/items/a.json"), resolve_href("B02.tif", "items/a.json")
        ('https://host/items/B02.tif', 'items/B02.tif')
    """
    if "://" in href or href.startswith("/vsi"):
        return href
    if "://" in document:
        return urljoin(document, href) if document.startswith("http") else _beside(href, document)
    folder = Path(document).parent
    plain = folder / href
    return str(plain if plain.exists() else folder / unquote(href))


def _beside(href: str, document: str) -> str:
    """Join within a bucket: urljoin knows the schemes of the web alone."""
    scheme, _, rest = document.partition("://")
    return f"{scheme}://{urljoin(f'//{rest}', href).removeprefix('//')}"
