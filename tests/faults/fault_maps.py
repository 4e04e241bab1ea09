"""Class rasters that are well and strange, or no class rasters: vectorized, measured, scored."""
# ruff: noqa: E501 - one case per line is a table to read

import warnings

import numpy as np
import pyogrio
import rasterio
from affine import Affine
from fault_bench import TRANSFORM, image, leaves, write_raster
from fault_case import Case
from fault_rasters import LOCAL, control_points, declares, fifo, sparse, text_file
from rasterio.errors import NotGeoreferencedWarning

from hierars_geo.scenes.dataset import dataset_grid

VECTORIZE = "vectorize @x.tif --taxonomy TREE -o OUT/x.gpkg"
EVALUATE = "evaluate @x.tif LEAVES --taxonomy TREE -o OUT/m.json"


def polygons(folder, bench):
    """Both levels are written, in the raster's CRS, and add up to its pixels with a class."""
    with rasterio.open(folder / "x.tif") as source:
        values = source.read(1)
        grid = dataset_grid(source, "x.tif")
    levels = [pyogrio.read_dataframe(folder / "out" / "x.gpkg", f"L{level}") for level in (1, 2)]
    for table in levels:
        assert table.geometry.is_valid.all()
        assert table.crs.equals(grid.crs, ignore_axis_order=True)
        assert np.allclose(table.total_bounds, grid.bounds, rtol=0, atol=1.5 * max(grid.res))
    assert np.isclose(levels[0]["area_m2"].sum(), levels[1]["area_m2"].sum())
    assert set(levels[1]["class_value"]) == set(np.unique(values[values > 0]).tolist())


def values(array, **profile):
    return lambda folder, bench: write_raster(folder / "x.tif", array, **profile)


def placed(**profile):
    return values(leaves(), nodata=0, **profile)


def painted(dtype):
    def make(folder, bench):
        array = leaves(dtype=dtype)
        with rasterio.open(write_raster(folder / "x.tif", array, nodata=0, photometric="palette"), "r+") as x:
            x.write_colormap(1, {value: (value, 9, 9, 255) for value in range(256)})

    return make


def with_one(value, dtype="uint8", **profile):
    array = leaves(dtype=dtype)
    array[3, 3] = value
    return values(array, **profile)


def cut_map(folder, bench):
    path = write_raster(folder / "x.tif", leaves(300, 300), compress="deflate", blockysize=16)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 3])


def flipped_map(folder, bench):
    rng = np.random.default_rng(0)
    array = rng.integers(1, 5, (200, 200)).astype("uint8")
    path = write_raster(folder / "x.tif", array, compress="deflate", blockysize=16)
    data = bytearray(path.read_bytes())
    for place in range(len(data) // 2, len(data) // 2 + 400):
        data[place] ^= 0x5A
    path.write_bytes(bytes(data))


def png(folder, bench):
    with warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning):
        write_raster(folder / "x.tif", leaves(), driver="PNG", crs=None, transform=None)


STRANGE = {
    "one class pixel": values(leaves(2, 2)[:1, :1]),
    "a row of classes": values(leaves(1, 80)),
    "a palette of 8 bits": painted("uint8"),
    "a palette of 16 bits": painted("uint16"),
    "classes as int8": values(leaves(dtype="int8")),
    "classes as int16": values(leaves(dtype="int16"), nodata=-1),
    "classes as uint32": values(leaves(dtype="uint32")),
    "classes as int64": values(leaves(dtype="int64")),
    "classes of 4 bits": values(leaves(), nbits=4),
    "nodata that is no value of the type": values(leaves(dtype="int32"), nodata=-(2.0**31)),
    "classes south up": placed(transform=Affine(10, 0, 5e5, 0, 10, 5.6e6)),
    "classes on a turned grid": placed(transform=TRANSFORM @ Affine.rotation(20)),
    "classes in degrees": placed(crs="EPSG:4326", transform=Affine(1e-4, 0, 14, 0, -1e-4, 50)),
    "classes across the antimeridian": placed(crs="EPSG:4326", transform=Affine(1e-4, 0, 179.998, 0, -1e-4, 5)),
    "classes at the pole": placed(crs="EPSG:4326", transform=Affine(1e-4, 0, 5, 0, -1e-4, 90)),
    "classes over the pole": placed(crs="EPSG:3413", transform=Affine(10, 0, -200, 0, -10, 200)),
    "classes in feet": placed(crs="EPSG:2263", transform=Affine(30, 0, 987_000, 0, -30, 210_000)),
    "classes in a block larger than the map": placed(tiled=True, blockxsize=1024, blockysize=1024),
    "classes by LZW": placed(compress="lzw"),
    "classes by ZSTD": placed(compress="zstd"),
    "classes by LERC without loss": placed(compress="lerc", max_z_error=0),
    "every pixel another class than its neighbours": values((np.indices((40, 40)).sum(0) % 4 + 1).astype("uint8")),
    "classes with a hole of nodata": with_one(0, nodata=0),
}  # fmt: skip

BROKEN = {
    "classes as floats": (values(leaves(dtype="float32")), 1, "one integer band, but got 1 of float32"),
    "complex classes": (values(leaves(dtype="complex64")), 1, "one integer band, but got 1 of complex64"),
    "two bands of classes": (values(image()), 1, "one integer band, but got 2"),
    "a negative class": (with_one(-7, "int16"), 1, r"but got -7 on 1 pixel .in .*x\.tif"),
    "a class beyond uint16": (with_one(70_000, "uint32"), 1, "but got 70000"),
    "a class beyond int64": (with_one(2**63 + 9, "uint64"), 1, r"but got 9223372036854775817|x\.tif"),
    "a class that the tree does not have": (with_one(5), 1, r"but got 5 .*in .*x\.tif"),
    "classes without a CRS": (placed(crs=None), 1, "CRS, but got none"),
    "classes in a local CRS": (placed(crs=LOCAL), 1, "CRS on the Earth|on the Earth"),
    "classes on control points": (control_points, 1, "integer band|ground control points only"),
    "no class pixel written": (sparse, 1, "one integer band"),
    "a map cut short": (cut_map, 1, r"x\.tif"),
    "a map with flipped bits": (flipped_map, 1, "damaged or incomplete"),
    "a picture without a place": (png, 1, "CRS, but got none"),
    "text for a map": (text_file("x.tif", "1 2 3"), 1, "raster that GDAL can read"),
    "a map of a size that no disk holds": (declares(2**31 - 1, 2**31 - 1), 1, "blocks of at most|GDAL can read"),
    "a pipe for a map": (fifo, 1, r"x\.tif to be a raster"),
}  # fmt: skip


def scored(folder, bench):
    assert (folder / "out" / "m.json").stat().st_size > 100


MATCHING = {
    "a map on the labels' grid": placed(),
    "a map of other pixels": values(leaves(80, 80), transform=TRANSFORM @ Affine.scale(0.5), nodata=0),
    "a map that is south up": placed(transform=Affine(10, 0, 5e5, 0, 10, 5.6e6 - 400)),
    "a map of signed bytes": values(leaves(dtype="int8"), nodata=0),
    "a map in another CRS": placed(crs="EPSG:4326", transform=Affine(1e-4, 0, 15, 0, -1e-4, 50.553)),
}
UNMATCHED = {
    "a map of another place": (
        placed(transform=TRANSFORM @ Affine.translation(9000, 0)),
        "show the same place",
    ),
    "a map of floats": (values(leaves(dtype="float64")), "one integer band"),
    "a map without a class": (values(leaves() * 0, nodata=0), "share labelled pixels, but got none"),
    "a map in a local CRS": (placed(crs=LOCAL), "on the Earth|same place|CRS"),
    "a map with an unknown class": (with_one(9), "but got 9"),
}

CASES = [
    *(Case(name, VECTORIZE, make, 0, "", polygons) for name, make in STRANGE.items()),
    *(Case(name, VECTORIZE, make, status, says) for name, (make, status, says) in BROKEN.items()),
    *(Case(name, EVALUATE, make, 0, "", scored) for name, make in MATCHING.items()),
    *(Case(name, EVALUATE, make, 1, says) for name, (make, says) in UNMATCHED.items()),
    Case("labels of another place", "evaluate MAPS @x.tif --taxonomy TREE -o OUT/m.json", UNMATCHED["a map of another place"][0], 1, "show the same place"),
    Case("labels cut short", "evaluate MAPS @x.tif --taxonomy TREE -o OUT/m.json", cut_map, 1, r"x\.tif"),
    Case("an image of the report cut short", "report MAPS -o OUT/r.html --image @x.tif", cut_map, 1, r"x\.tif"),
    Case("a pipe as an image of the report", "report MAPS -o OUT/r.html --image @x.tif", fifo, 1, r"x\.tif to be a raster"),
    Case("labels of the report that are floats", "report MAPS -o OUT/r.html --labels @x.tif", values(leaves(dtype="float32")), 0, ""),
]  # fmt: skip
