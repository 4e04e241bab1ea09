"""How a class map looks: palettes, names, QGIS styles and projects, SLD, map styles, STAC classes."""

from .layout import PrintPage
from .project import ProjectGroup, ProjectLayer, qgis_project
from .qml import confidence_qml, points_qml, raster_qml, vector_qml
from .sld import maplibre_style, raster_sld, vector_sld
from .table import category_names, palette, pam_xml

__all__ = (
    "PrintPage",
    "ProjectGroup",
    "ProjectLayer",
    "category_names",
    "confidence_qml",
    "maplibre_style",
    "palette",
    "pam_xml",
    "points_qml",
    "qgis_project",
    "raster_qml",
    "raster_sld",
    "vector_qml",
    "vector_sld",
)
