"""How a class map looks: GeoTIFF palette, category names, QGIS styles, STAC classes; strings and dicts."""

from .pam import pam_xml
from .qml import confidence_qml, raster_qml, vector_qml
from .stac import classification_classes
from .table import category_names, palette

__all__ = (
    "category_names",
    "classification_classes",
    "confidence_qml",
    "palette",
    "pam_xml",
    "raster_qml",
    "vector_qml",
)
