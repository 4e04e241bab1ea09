"""The page's own files, read once: what is not in this table has no address."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath
from typing import Final, NamedTuple

#: Said here, as browsers refuse scripts of another type and some machines' own tables name one.
_MEDIA_TYPES: Final = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".svg": "image/svg+xml",
}


class PageFile(NamedTuple):
    """One file of the page.

    Attributes:
        content: Its bytes.
        media_type: What the browser is told it is.
    """

    content: bytes
    media_type: str


def load_page_files() -> dict[str, PageFile]:
    """Read the page; name relative to its folder -> file."""
    return dict(_walk(files(__package__) / "static", ""))


def _walk(folder: Traversable, prefix: str) -> list[tuple[str, PageFile]]:
    found = []
    for entry in folder.iterdir():
        name = prefix + entry.name
        if entry.is_dir():
            found += _walk(entry, f"{name}/")
        elif (media_type := _MEDIA_TYPES.get(PurePosixPath(name).suffix)) is not None:
            found.append((name, PageFile(entry.read_bytes(), media_type)))
    return found


__all__ = ("PageFile", "load_page_files")
