"""The report: one HTML file, figures, and the files that GIS programs want beside the maps."""

from typing import TYPE_CHECKING

from ..imports import lazy_face

if TYPE_CHECKING:
    from .gis_files import write_gis_files
    from .writing import write_report
else:
    __getattr__ = lazy_face(__name__, __file__)

__all__ = ("write_gis_files", "write_report")
