"""Raster value -> colour and name, the two tables that every format of a class map carries."""

import xml.etree.ElementTree as ET

from ...taxonomy import RGB, Taxonomy

RGBA = tuple[int, int, int, int]

_OPAQUE = 255
_TRANSPARENT: RGBA = (0, 0, 0, 0)


def class_entries(taxonomy: Taxonomy, level: int) -> list[tuple[int, str, RGB]]:
    """Raster value, name and colour of the classes of a level, sorted by value.

    Raises:
        TaxonomyError: There is no such level.
    """
    values, names = taxonomy.class_values(level), taxonomy.class_names(level)
    return sorted(zip(values, names, taxonomy.colors(level), strict=True))


def palette(taxonomy: Taxonomy, level: int) -> dict[int, RGBA]:
    """Colour table of a level's raster, as ``rasterio``'s ``write_colormap`` takes it.

    Returns:
        Raster value -> (red, green, blue, alpha), each 0..255, sorted by value; nodata is transparent. A
        GeoTIFF holds a palette for byte and uint16 bands only, and drops the alpha: declare nodata besides.

    Raises:
        TaxonomyError: There is no such level.
    """
    table = {value: (*color, _OPAQUE) for value, _, color in class_entries(taxonomy, level)}
    return dict(sorted((table | {taxonomy.nodata_value: _TRANSPARENT}).items()))


def category_names(taxonomy: Taxonomy, level: int) -> list[str]:
    """Class names by raster value, as GDAL's category names want them.

    Returns:
        A list whose index is the raster value, ``""`` where there is no class; it ends at the largest class
        value. For values 11 and 12 it has 13 entries, the first eleven empty.

    Raises:
        TaxonomyError: There is no such level.
    """
    named = {value: name for value, name, _ in class_entries(taxonomy, level)}
    return [named.get(value, "") for value in range(max(named) + 1)]


def pam_xml(taxonomy: Taxonomy, level: int) -> str:
    """Content of ``<raster>.aux.xml`` with the class names of band 1.

    GDAL reads it when it opens the raster, and QGIS names the legend after it where the band has a palette,
    too.

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
