"""``hierars-geo view``: the maps of a folder on a local web page."""

import sys
from importlib.util import find_spec

from ..errors import OptionError
from .options import CommandParser

_EXAMPLES = """examples:
  hierars-geo view maps
  hierars-geo view maps --image scene.tif
  hierars-geo view maps_2020 maps_2024 --port 0 --no-browser
"""
_NEEDED = ("rio_tiler", "starlette", "uvicorn")
_MAX_PORT = 65535


def parser() -> CommandParser:
    """Build the parser."""
    p = CommandParser(
        "view",
        "Show maps on a web page of this machine: levels, confidence, adaptive depth, the image underneath, "
        "areas, and two predictions side by side. Nothing is sent anywhere. Ctrl-C ends it.",
        _EXAMPLES,
    )
    p.add_argument(
        "maps",
        type=str,
        nargs="+",
        help="folder that predict wrote to, or a class raster; a second one to compare it with",
    )
    p.add_argument(
        "--taxonomy", type=str, help="catalog name or YAML file (default: what comes with the maps)"
    )
    p.add_argument("--image", type=str, help="image under the maps: a raster, or a folder with one per band")
    p.add_argument(
        "--port", type=int, default=8765, help="port of the page, 0 for a free one (default: 8765)"
    )
    p.add_argument("--no-browser", action="store_true", help="only print the address")
    return p


def main(argv: list[str]) -> int:
    """Run the command.

    Args:
        argv: What follows ``hierars-geo view`` on the command line.

    Returns:
        0, after Ctrl-C.

    Raises:
        HieraRSError: A folder holds nothing to view, the port is taken, or an option is wrong.
        SystemExit: ``--help``.
    """
    args = parser().parse_args(argv)
    if not 0 <= args.port <= _MAX_PORT:
        raise OptionError(f"Expected --port to be 0..{_MAX_PORT}, but got {args.port}.")
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise OptionError(
            f"Expected the packages of the extra 'view', but {', '.join(missing)} cannot be found. "
            "Install them: pip install 'hierars-geo[view]'."
        )
    from pathlib import Path

    from ..viewer import build_app, find_views, listen, serve, url_of

    views = find_views(args.maps, Path(args.image) if args.image else None, args.taxonomy)
    opened = listen(args.port)
    sys.stdout.write(f"{url_of(opened)}\n")
    sys.stdout.flush()
    if not args.no_browser:
        _open_browser(url_of(opened))
    serve(build_app(views), opened)
    return 0


def _open_browser(url: str) -> None:
    """Open the page beside the server: a browser of the console would hold it up for ever."""
    import webbrowser
    from threading import Thread

    Thread(target=webbrowser.open, args=(url,), daemon=True).start()


__all__ = ("main", "parser")
