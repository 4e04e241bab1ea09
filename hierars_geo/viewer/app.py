"""The web application: the page, its description, tiles, the pixel query and the areas of a view."""

import math
from collections.abc import Sequence
from dataclasses import asdict

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .. import __version__
from ..errors import HieraRSError, MissingFileError, OptionError
from .description import describe_view
from .page_files import PageFile, load_page_files
from .pixel import query_pixel
from .protection import HOSTS, ProtectiveHeaders
from .reading import TileAddress
from .selection import Selection
from .tiles import TileServer
from .view_areas import view_areas
from .views import View

#: Finer tiles than any sensor's.
_MAX_ZOOM = 30
#: Of a number in an address: 2**30 has ten.
_MOST_DIGITS = 10
#: A tile's address changes with the file's.
_KEEP = {"Cache-Control": "private, max-age=86400, immutable"}
_ASK = {"Cache-Control": "no-cache"}


def build_app(views: Sequence[View]) -> Starlette:
    """Build the application.

    Views, layers and the page's files are fixed here; addresses only choose among them, so that no address
    leads to any other file.

    Args:
        views: What to show, numbered from 0.

    Returns:
        An ASGI application.
    """
    endpoints = _Endpoints(views, load_page_files())
    return Starlette(
        routes=[
            Route("/", endpoints.page, methods=["GET"]),
            Route("/static/{name:path}", endpoints.page, methods=["GET"]),
            Route("/views", endpoints.views, methods=["GET"]),
            Route("/tiles/{view}/{layer}/{z}/{x}/{y}.png", endpoints.tile, methods=["GET"]),
            Route("/query/{view}", endpoints.query, methods=["GET"]),
            Route("/areas/{view}", endpoints.areas, methods=["GET"]),
        ],
        middleware=[
            Middleware(ProtectiveHeaders),
            Middleware(TrustedHostMiddleware, allowed_hosts=list(HOSTS), www_redirect=False),
        ],
        exception_handlers={HieraRSError: _explain},
    )


class _Endpoints:
    """Answers to the addresses of the application; each runs in a worker thread.

    Args:
        views: What to show.
        files: The page.
    """

    def __init__(self, views: Sequence[View], files: dict[str, PageFile]) -> None:
        self._views = {view.number: view for view in views}
        self._files = files
        self._tiles = TileServer(views)

    def page(self, request: Request) -> Response:
        file = self._files.get(request.path_params.get("name", "index.html"))
        if file is None:
            raise HTTPException(404)
        return Response(file.content, media_type=file.media_type, headers=_ASK)

    def views(self, request: Request) -> Response:
        described = [describe_view(view) for view in self._views.values()]
        return JSONResponse({"version": __version__, "views": described}, headers=_ASK)

    def tile(self, request: Request) -> Response:
        view, layer = self._view(request), request.path_params["layer"]
        z, x, y = (_index(request, key) for key in ("z", "x", "y"))
        if z > _MAX_ZOOM or max(x, y) >= 1 << z:
            raise HTTPException(404)
        threshold = _whole(request, "threshold") if layer == "depth" else 0
        address, selection, version = TileAddress(z, x, y), _selection(request, view), view.version()
        png = self._tiles.paint(view.number, version, layer, address, threshold, selection)
        current = request.query_params.get("v", version) == version
        return Response(png, media_type="image/png", headers=_KEEP if current else _ASK)

    def query(self, request: Request) -> Response:
        lon, lat = _number(request, "lon"), _number(request, "lat")
        view = self._view(request)
        path = [asdict(level) for level in query_pixel(view, lon, lat)]
        return JSONResponse({"path": path, "version": view.version()}, headers=_ASK)

    def areas(self, request: Request) -> Response:
        view = self._view(request)
        bounds = [_number(request, side) for side in ("west", "south", "east", "north")]
        level = _whole(request, "level") if "level" in request.query_params else None
        if not (view.has_depth if level is None else level in view.scene.levels):
            raise MissingFileError(f"Expected a level of {view.title} that has a map, but got {level}.")
        areas = view_areas(
            view,
            (bounds[0], bounds[1], bounds[2], bounds[3]),
            level,
            _whole(request, "threshold") if level is None else 0,
            _selection(request, view),
        )
        found = [asdict(area) for area in areas]
        return JSONResponse({"areas": found, "version": view.version()}, headers=_ASK)

    def _view(self, request: Request) -> View:
        view = self._views.get(_index(request, "view"))
        if view is None:
            raise HTTPException(404)
        return view


def _index(request: Request, name: str) -> int:
    """Read a number of an address's path; 404 for what is none, or longer than any there is."""
    text = request.path_params[name]
    if not (text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS):
        raise HTTPException(404)
    return int(text)


def _selection(request: Request, view: View) -> Selection | None:
    return Selection.parse(request.query_params.get("only"), view.scene.taxonomy, view.scene.levels)


def _number(request: Request, name: str) -> float:
    """Read a number of the address.

    Raises:
        OptionError: There is none.
    """
    text = request.query_params.get(name, "")
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise OptionError(f"Expected {name} to be a number, but got '{text[:40]}'.")
    return value


def _whole(request: Request, name: str) -> int:
    """Read a number 0..100 of the address.

    Raises:
        OptionError: There is none.
    """
    text = request.query_params.get(name, "")
    if not (text.isdecimal() and len(text) <= 3 and int(text) <= 100):
        raise OptionError(f"Expected {name} to be a whole number 0..100, but got '{text[:40]}'.")
    return int(text)


def _explain(request: Request, error: Exception) -> Response:
    """Answer with the error's own line: 404 what is not there, 400 a wrong address, 500 a wrong file."""
    status = 404 if isinstance(error, MissingFileError) else 400 if isinstance(error, OptionError) else 500
    return JSONResponse({"error": " ".join(str(error).split())}, status_code=status, headers=_ASK)


__all__ = ("build_app",)
