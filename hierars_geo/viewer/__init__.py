"""The map page: a local web server and one page that shows the maps of a folder."""

from .app import build_app, listen, serve, url_of
from .views import View, find_views

__all__ = ("View", "build_app", "find_views", "listen", "serve", "url_of")
