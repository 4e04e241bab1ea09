"""The web application: page, tiles, pixel query and areas of a view, served to this machine only."""

import math
import socket
from collections.abc import Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath
from typing import Any, Final

import numpy as np
import uvicorn
from morecantile import Tile
from pyproj import Transformer
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .. import __version__
from ..errors import HieraRSError, MissingFileError, OptionError, OutputError
from ..grid import Window
from ..grid.longitudes import on_turn
from ..maps import CONFIDENCE_NODATA
from ..types import IGNORE_INDEX
from .description import describe_code, describe_view
from .painting import TileServer
from .reading import read_part
from .scene_pixels import ScenePixels, Selection
from .view_areas import view_areas
from .views import View

#: Of :func:`query_pixel`, where there is no class.
_NOTHING_THERE: Final[dict[str, Any]] = {"path": [], "adaptive": None, "outside": None}


def query_pixel(view: View, lon: float, lat: float) -> dict[str, Any]:
    """Read what the maps say at a place, degrees east and north, at full resolution.

    Returns:
        ``path``: ``level`` (from 1), class ``index`` there and ``confidence`` (per cent, None without a
        raster of it), the coarsest level first; empty where there is no class. ``adaptive``: what the
        adaptive map says, see :func:`.describe_code`, and ``outside``: whether that is unlike the training
        ground; each None where nobody knows.

    Raises:
        RasterError: A raster is damaged.
        TaxonomyError: A value is no class of its level.
        DataError: Levels contradict each other.
    """
    scene = view.scene
    x, y = Transformer.from_crs("EPSG:4326", scene.grid.crs, always_xy=True).transform(lon, lat)
    if not (math.isfinite(x) and math.isfinite(y)):
        return _NOTHING_THERE
    (x,) = on_turn(np.array([x]), scene.grid)
    col, row = (math.floor(value) for value in ~scene.grid.transform @ (x, y))
    if not (0 <= row < scene.grid.height and 0 <= col < scene.grid.width):
        return _NOTHING_THERE
    window = Window(row, col, 1, 1)
    with scene.open() as maps:
        symbol = int(maps.read(window)[0, 0])
        if symbol == maps.decoder.nodata:
            return _NOTHING_THERE
        sure = {level: int(maps.read_confidence(level, window)[0, 0]) for level in maps.confidence_levels}
        known = {level: value for level, value in sure.items() if value != CONFIDENCE_NODATA}
        path = [
            {"level": level, "index": index, "confidence": known.get(level)}
            for level, index in enumerate(maps.chains[symbol].tolist(), start=1)
        ]
    here = scene.grid.crop(window)
    pixel = ScenePixels(scene, lambda path, band: read_part(path, here, band))
    codes, outside = pixel.of_adaptive(), pixel.outside()
    code = IGNORE_INDEX if codes is None else int(codes[0, 0])
    return {
        "path": path,
        "adaptive": None if code == IGNORE_INDEX else describe_code(view, code),
        "outside": None if outside is None else bool(outside[0, 0]),
    }


#: Said here, as browsers refuse scripts of another type and some machines' own tables name one.
_MEDIA_TYPES: Final = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".svg": "image/svg+xml",
}


def _walk(folder: Traversable, prefix: str) -> list[tuple[str, Response]]:
    """Read the files of the page: name relative to its folder, and what is answered."""
    found = []
    for entry in folder.iterdir():
        name = prefix + entry.name
        if entry.is_dir():
            found += _walk(entry, f"{name}/")
        elif (media_type := _MEDIA_TYPES.get(PurePosixPath(name).suffix)) is not None:
            found.append((name, Response(entry.read_bytes(), media_type=media_type, headers=_ASK)))
    return found


#: Names under which the page may be asked for; any other is another site's name that points here.
HOSTS: Final = ("127.0.0.1", "localhost")
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' blob: data:; worker-src 'self' blob:; object-src 'none'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class ProtectiveHeaders:
    """Middleware that adds the headers to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        await self._app(scope, receive, send_with_headers)


#: Finer tiles than any sensor's.
_MAX_ZOOM = 30
#: Of a number in an address: 2**30 has ten.
_MOST_DIGITS = 10
#: A tile's address changes with the file's.
_KEEP = {"Cache-Control": "private, max-age=86400, immutable"}
_ASK = {"Cache-Control": "no-cache"}


def build_app(views: Sequence[View]) -> Starlette:
    """Build the application that shows some views.

    Views, layers and the page's files are fixed here; addresses only choose among them, so that no address
    leads to any other file.
    """
    endpoints = _Endpoints(views)
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
    """Answers to the addresses of the application; each runs in a worker thread."""

    def __init__(self, views: Sequence[View]) -> None:
        self._views = {view.number: view for view in views}
        self._page = dict(_walk(files(__package__) / "static", ""))
        self._tiles = TileServer(views)

    def page(self, request: Request) -> Response:
        file = self._page.get(request.path_params.get("name", "index.html"))
        if file is None:
            raise HTTPException(404)
        return file

    def views(self, request: Request) -> Response:
        described = [describe_view(view) for view in self._views.values()]
        return JSONResponse({"version": __version__, "views": described}, headers=_ASK)

    def tile(self, request: Request) -> Response:
        view, layer = self._view(request), request.path_params["layer"]
        z, x, y = (_index(request, key) for key in ("z", "x", "y"))
        if z > _MAX_ZOOM or max(x, y) >= 1 << z:
            raise HTTPException(404)
        threshold = _whole(request, "threshold") if layer == "depth" else 0
        place, selection, version = Tile(x, y, z), _selection(request, view), view.version()
        png = self._tiles.paint(view.number, version, layer, place, threshold, selection)
        current = request.query_params.get("v", version) == version
        return Response(png, media_type="image/png", headers=_KEEP if current else _ASK)

    def query(self, request: Request) -> Response:
        lon, lat = _number(request, "lon"), _number(request, "lat")
        view = self._view(request)
        return JSONResponse(query_pixel(view, lon, lat) | {"version": view.version()}, headers=_ASK)

    def areas(self, request: Request) -> Response:
        view = self._view(request)
        bounds = [_number(request, side) for side in ("west", "south", "east", "north")]
        level = _whole(request, "level") if "level" in request.query_params else None
        adaptive = view.scene.adaptive is not None and "adaptive" in request.query_params
        if not (adaptive or view.has_depth if level is None else level in view.scene.levels):
            raise MissingFileError(f"Expected a level of {view.title} that has a map, but got {level}.")
        areas = view_areas(
            view,
            (bounds[0], bounds[1], bounds[2], bounds[3]),
            level,
            None if level is not None or adaptive else _whole(request, "threshold"),
            _selection(request, view),
        )
        return JSONResponse({"areas": areas, "version": view.version()}, headers=_ASK)

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
    """Read a number of the address."""
    text = request.query_params.get(name, "")
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise OptionError(f"Expected {name} to be a number, but got '{text[:40]}'.")
    return value


def _whole(request: Request, name: str) -> int:
    """Read a number 0..100 of the address."""
    text = request.query_params.get(name, "")
    if not (text.isdecimal() and len(text) <= 3 and int(text) <= 100):
        raise OptionError(f"Expected {name} to be a whole number 0..100, but got '{text[:40]}'.")
    return int(text)


def _explain(request: Request, error: Exception) -> Response:
    """Answer with the error's own line: 404 what is not there, 400 a wrong address, 500 a wrong file."""
    status = 404 if isinstance(error, MissingFileError) else 400 if isinstance(error, OptionError) else 500
    return JSONResponse({"error": " ".join(str(error).split())}, status_code=status, headers=_ASK)


_ADDRESS = "127.0.0.1"
#: Seconds that a browser's open connections may hold up the end.
_LAST_WORDS_S = 1
#: Seconds that an idle connection is kept: longer than a burst of tiles takes on a busy machine.
_KEEP_ALIVE_S = 75


def listen(port: int) -> socket.socket:
    """Open a port of 127.0.0.1, 0 for a free one: its number is known and nothing else can take it.

    Raises:
        OutputError: The port is taken or not allowed.
    """
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((_ADDRESS, port))
        opened.listen()
    except OSError as error:
        opened.close()
        raise OutputError(
            f"Expected port {port} of {_ADDRESS} to be free, but got: {error.strerror or error}. "
            "Choose another, or --port 0 for any."
        ) from error
    return opened


def url_of(opened: socket.socket) -> str:
    """Address of the page."""
    host, port = opened.getsockname()[:2]
    return f"http://{host}:{port}/"


def serve(app: Starlette, opened: socket.socket) -> None:
    """Answer until the process is interrupted (Ctrl-C), then return."""
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_LAST_WORDS_S,
        timeout_keep_alive=_KEEP_ALIVE_S,
    )
    try:
        with opened:
            uvicorn.Server(config).run(sockets=[opened])
    except KeyboardInterrupt:  # raised again by the server once it has closed its connections
        return
