"""Rasters made for the tests of the data layer."""

import numpy as np
from raster_factory import UTM, X0, Y0, write_raster


def write(path, array, **options):
    """Write a raster and return its path as text."""
    return str(write_raster(path, array, **options))


def coordinates(height, width, row=0, col=0, dtype="uint16"):
    """(2, H, W): band 1 holds the row, band 2 the column, counted from (row, col)."""
    return np.stack(np.mgrid[row : row + height, col : col + width]).astype(dtype)


def query(row, col, height, width, res=10.0, left=X0, top=Y0):
    """Slices of a window of the test ground."""
    x, y = left + col * res, top - row * res
    return slice(x, x + width * res), slice(y - height * res, y)


def tree(values=(1, 2, 3, 4), nodata=0):
    """A two-level tree with one leaf per value."""
    from hierars_geo.taxonomy import Taxonomy

    leaves = [
        {"name": f"leaf {v}", "value": v, "color": [40 * i, 90, 30], "parent": "a" if i % 2 == 0 else "b"}
        for i, v in enumerate(values)
    ]
    tops = [{"name": n, "value": i + 1 + (nodata == 1), "color": [i, i, i]} for i, n in enumerate("ab")]
    return Taxonomy.from_dict(
        {
            "name": "tiny",
            "nodata": nodata,
            "levels": [{"name": "L1", "classes": tops}, {"name": "L2", "classes": leaves}],
        }
    )


S2_BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
S2_GSD = {"B01": 60, "B09": 60, "B10": 60, **dict.fromkeys(("B05", "B06", "B07", "B8A", "B11", "B12"), 20)}


def ramp(band, res):
    """A different ramp in every band and resolution; 0 in the upper-left 60 m, and dark right of it."""
    side = 240 // res
    values = 2000 + 100 * S2_BANDS.index(band) + res + np.arange(side * side).reshape(side, side) % 100
    corner = 60 // res
    values[:corner, :corner] = 0
    values[:corner, corner : 2 * corner] = 900
    return values.astype(np.uint16)


def safe(
    folder, level="L2A", baseline="05.09", offset=-1000, *, name=None, day="20230115", xml=True,
    pixels=ramp, bands=S2_BANDS,
):  # fmt: skip
    """A small product ``*.SAFE``: bands, the files that lie among them, and metadata.

    Args:
        folder: What it is made in.
        level: L1C or L2A.
        baseline: As the metadata state it.
        offset: Stated for every band; None for none.
        name: Baseline in the name, ``N0509``; None for that of the metadata.
        day: In its name.
        xml: Text of the metadata; False for a product without.
        pixels: (H, W) of a band and a resolution.
        bands: Which there are.
    """
    name = name or f"N{baseline.replace('.', '')}"
    root = folder / f"S2A_MSI{level}_{day}T051121_{name}_R019_T50SMJ_{day}T080000.SAFE"
    images = root / "GRANULE" / f"{level}_T50SMJ_A039000_{day}T051121" / "IMG_DATA"
    stem = f"T50SMJ_{day}T051121"

    def jp2(path, array, res):
        write(path, array, res=res, driver="JP2OpenJPEG", QUALITY="100", REVERSIBLE="YES", YCBCR420="NO")

    for band in bands:
        finest = S2_GSD.get(band, 10)
        if level == "L1C":
            jp2(images / f"{stem}_{band}.jp2", pixels(band, finest), finest)
        elif band != "B10":
            for res in (res for res in (10, 20, 60) if res >= finest):
                jp2(images / f"R{res}m" / f"{stem}_{band}_{res}m.jp2", pixels(band, res), res)
    deep = images if level == "L1C" else images / "R10m"
    jp2(deep / f"{stem}_TCI{'' if level == 'L1C' else '_10m'}.jp2", np.ones((24, 24), np.uint8), 10)
    jp2(images.parent / "QI_DATA" / "MSK_CLASSI_B00.jp2", np.ones((4, 4), np.uint8), 60)
    tag = "RADIO_ADD_OFFSET" if level == "L1C" else "BOA_ADD_OFFSET"
    stated = "" if offset is None else "".join(f'<{tag} band_id="{i}">{offset}</{tag}>' for i in range(13))
    text = (
        f'<?xml version="1.0"?><n1:Product xmlns:n1="urn:x"><n1:General_Info><Product_Info>'
        f"<PRODUCT_START_TIME>2023-01-15T05:11:21.024Z</PRODUCT_START_TIME>"
        f"<PROCESSING_LEVEL>Level-{level[1:]}</PROCESSING_LEVEL>"
        f"<PROCESSING_BASELINE>{baseline}</PROCESSING_BASELINE></Product_Info>"
        f"<Special_Values><SPECIAL_VALUE_TEXT>NODATA</SPECIAL_VALUE_TEXT>"
        f"<SPECIAL_VALUE_INDEX>0</SPECIAL_VALUE_INDEX></Special_Values>{stated}"
        f"</n1:General_Info></n1:Product>"
    )
    if xml:
        (root / f"MTD_MSI{level}.xml").write_text(text if xml is True else xml)
    return root


__all__ = ("UTM", "X0", "Y0", "coordinates", "query", "ramp", "safe", "tree", "write")
