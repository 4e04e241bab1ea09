"""The report: one HTML file, figures, and the files that GIS programs want beside the maps."""

from .gis_files import make_collection, write_gis_files
from .writing import write_report

__all__ = ("make_collection", "write_gis_files", "write_report")
