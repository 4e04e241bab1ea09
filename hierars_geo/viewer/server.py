"""Serve the page to this machine only."""

import socket

import uvicorn
from starlette.applications import Starlette

from ..errors import OutputError

_ADDRESS = "127.0.0.1"
#: Seconds that a browser's open connections may hold up the end.
_LAST_WORDS_S = 1
#: Seconds that an idle connection is kept: longer than a burst of tiles takes on a busy machine.
_KEEP_ALIVE_S = 75


def listen(port: int) -> socket.socket:
    """Open the port, so that its number is known and nothing else can take it.

    Args:
        port: 0 picks a free one.

    Returns:
        A socket bound to 127.0.0.1.

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
    """Answer until the process is interrupted (Ctrl-C), then return.

    Args:
        app: What answers.
        opened: From :func:`listen`; closed at the end.
    """
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


__all__ = ("listen", "serve", "url_of")
