"""open_polygons: labels of vector files by the class that training reads them with."""

from pathlib import Path

from ...datasets.vector_labels import VectorLabels
from ...taxonomy import Crosswalk, Taxonomy


def open_polygons(
    path: str | Path, taxonomy: Taxonomy, attribute: str | None, crosswalk: Crosswalk | None
) -> VectorLabels:
    """Open polygons, lines and points, see :class:`hierars_geo.datasets.VectorLabels`."""
    return VectorLabels(path, taxonomy, attribute, crosswalk=crosswalk)
