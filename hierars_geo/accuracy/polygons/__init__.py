"""Polygons as labels, burnt as training burns them; apart, since TorchGeo takes seconds to import."""

from typing import TYPE_CHECKING

from ...imports import lazy_face

if TYPE_CHECKING:
    from .opening import open_polygons
else:
    __getattr__ = lazy_face(__name__, __file__)

__all__ = ("open_polygons",)
