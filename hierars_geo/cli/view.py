"""``hierars-geo view``: the maps of a folder on a local web page."""

import sys
from importlib.util import find_spec
from pathlib import Path

from ..errors import OptionError

EXAMPLES = """examples:
  hierars-geo view maps
  hierars-geo view maps --image scene.tif
  hierars-geo view maps_2020 maps_2024 --port 0 --no-browser
"""
_NEEDED = ("rio_tiler", "starlette", "uvicorn")
_MAX_PORT = 65535


def run(
    maps: list[str],
    *,
    taxonomy: str | None = None,
    image: Path | None = None,
    port: int = 8765,
    no_browser: bool = False,
) -> int:
    """Show maps on a web page of this machine. Nothing is sent anywhere; Ctrl-C ends it.

    Levels, confidence, adaptive depth, the image underneath, areas, and two predictions side by side.

    Args:
        maps: Folder that predict wrote to, or a class raster; a second one to compare it with.
        taxonomy: Catalog name or YAML file (default: what comes with the maps).
        image: Image under the maps: a raster, or a folder with one per band.
        port: Port of the page, 0 for a free one.
        no_browser: Only print the address.
    """
    if not 0 <= port <= _MAX_PORT:
        raise OptionError(f"Expected --port to be 0..{_MAX_PORT}, but got {port}.")
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise OptionError(
            f"Expected the packages of the extra 'view', but {', '.join(missing)} cannot be found. "
            "Install them: pip install 'hierars-geo[view]'."
        )
    from ..viewer import build_app, find_views, listen, serve, url_of

    views = find_views(maps, image, taxonomy)
    opened = listen(port)
    sys.stdout.write(f"{url_of(opened)}\n")
    sys.stdout.flush()
    if not no_browser:
        _open_browser(url_of(opened))
    serve(build_app(views), opened)
    return 0


def _open_browser(url: str) -> None:
    """Open the page beside the server: a browser of the console would hold it up for ever."""
    import webbrowser
    from threading import Thread

    Thread(target=webbrowser.open, args=(url,), daemon=True).start()
