"""The report: one HTML file with maps, legends, areas, scores and provenance."""

from .writing import write_report

__all__ = ("write_report",)
