"""GDAL's persistent auxiliary metadata: the ``.aux.xml`` beside a raster."""

import xml.etree.ElementTree as ET

from ...taxonomy import Taxonomy
from .table import category_names


def pam_xml(taxonomy: Taxonomy, level: int) -> str:
    """Content of ``<raster>.aux.xml`` with the class names of band 1.

    GDAL reads it when it opens the raster, and QGIS names the legend after it where the band has a palette,
    too.

    Args:
        taxonomy: The class tree.
        level: 1..N.

    Returns:
        XML text, to be written as UTF-8.

    Raises:
        TaxonomyError: There is no such level.
    """
    root = ET.Element("PAMDataset")
    band = ET.SubElement(root, "PAMRasterBand", band="1")
    categories = ET.SubElement(band, "CategoryNames")
    for name in category_names(taxonomy, level):
        ET.SubElement(categories, "Category").text = name
    ET.indent(root)
    return ET.tostring(root, encoding="unicode") + "\n"


__all__ = ("pam_xml",)
