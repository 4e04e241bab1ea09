"""How a class map looks: GeoTIFF palette, category names, QGIS styles; pure strings and dicts."""

from .pam import pam_xml
from .qml import confidence_qml, raster_qml, vector_qml
from .table import category_names, palette

__all__ = ("category_names", "confidence_qml", "palette", "pam_xml", "raster_qml", "vector_qml")
