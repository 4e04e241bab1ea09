"""Images that are well and strange, and images that are broken, to be predicted."""
# ruff: noqa: E501 - one case per line is a table to read

import os
import struct
import warnings
from functools import partial

import numpy as np
import rasterio
from affine import Affine
from fault_bench import BANDS, SIDE_PX, TRANSFORM, UTM, image, write_raster
from fault_case import Case
from rasterio.enums import ColorInterp, Resampling
from rasterio.errors import NotGeoreferencedWarning

PREDICT = "predict CKPT @x.tif -o OUT --device cpu"


def same_grid(folder, bench):
    """Maps of both levels lie on the grid of the image; pixels have a class where the image has data."""
    with rasterio.open(folder / "x.tif") as scene:
        grid = (scene.crs, scene.shape)
        transform = scene.transform
        alpha = (
            scene.colorinterp.index(ColorInterp.alpha) + 1 if ColorInterp.alpha in scene.colorinterp else 0
        )
        valid = scene.read(alpha) > 0 if alpha else scene.dataset_mask() > 0
        for band in (1, 2):
            valid = valid & np.isfinite(scene.read(band, out_dtype="float32"))
    maps = []
    for level, classes in ((1, 2), (2, 4)):
        (path,) = (folder / "out").glob(f"*_L{level}.tif")
        with rasterio.open(path) as target:
            assert (target.crs, target.shape) == grid
            assert target.transform.almost_equals(transform, precision=1e-9)
            maps.append(target.read(1))
        assert maps[-1].max() <= classes
    assert np.array_equal(maps[1] > 0, valid)
    assert np.array_equal(maps[0], (maps[1] + 1) // 2)  # fields and forests are land, the rest is water


def pixels(array, **changes):
    def make(folder, bench):
        with warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning):
            return write_raster(folder / "x.tif", array, BANDS, **changes)

    return make


def grid(**changes):
    return pixels(image(), **changes)


def at(lon, lat, step=1e-4, crs="EPSG:4326"):
    return grid(crs=crs, transform=Affine(step, 0, lon, 0, -step, lat))


def holes(dtype, *values):
    """Some pixels are special values."""
    array = image(dtype=dtype)
    for number, value in enumerate(values):
        array[number % 2, number, 3:9] = value
    return array


def text_file(name, text):
    return lambda folder, bench: (folder / name).write_text(text, encoding="utf-8")


def vrt(bands, size=(SIDE_PX, SIDE_PX), head=""):
    geo = ", ".join(f"{value!r}" for value in TRANSFORM.to_gdal())
    return (
        f'{head}<VRTDataset rasterXSize="{size[0]}" rasterYSize="{size[1]}"><SRS>{UTM}</SRS>'
        f"<GeoTransform>{geo}</GeoTransform>{bands}</VRTDataset>"
    )


def vrt_band(number, file, dtype="UInt16", band=None, more=""):
    return (
        f'<VRTRasterBand dataType="{dtype}" band="{number}"><Description>{BANDS[number - 1]}</Description>{more}'
        f'<SimpleSource><SourceFilename relativeToVRT="1">{file}</SourceFilename>'
        f"<SourceBand>{band or number}</SourceBand></SimpleSource></VRTRasterBand>"
    )


def mixed_dtypes(folder, bench):
    write_raster(folder / "a.tif", (image()[:1] // 20).astype("uint8"))
    write_raster(folder / "b.tif", image(dtype="float32")[1:])
    text = vrt(vrt_band(1, "a.tif", "Byte") + vrt_band(2, "b.tif", "Float32", 1))
    (folder / "x.tif").write_text(text, encoding="utf-8")


def masked(internal, every=False):
    def make(folder, bench):
        with (
            rasterio.Env(GDAL_TIFF_INTERNAL_MASK=internal),
            rasterio.open(write_raster(folder / "x.tif", image(), BANDS), "r+") as target,
        ):
            mask = np.zeros((SIDE_PX, SIDE_PX), bool) if every else image()[0] > 900
            target.write_mask(mask)

    return make


def with_alpha(folder, bench):
    array = np.concatenate([image(), np.where(image(count=1) > 800, 65535, 0).astype("uint16")])
    with rasterio.open(write_raster(folder / "x.tif", array, (*BANDS, "alpha")), "r+") as target:
        target.colorinterp = [ColorInterp.gray, ColorInterp.undefined, ColorInterp.alpha]


def with_overviews(folder, bench):
    with rasterio.open(write_raster(folder / "x.tif", image(), BANDS), "r+") as target:
        target.build_overviews([2, 4], Resampling.cubic)


def overviews_only(folder, bench):
    with rasterio.Env(TIFF_USE_OVR=True), rasterio.open(pixels(image())(folder, bench), "r+") as target:
        target.build_overviews([2], Resampling.nearest)
    (folder / "x.tif.ovr").replace(folder / "x.tif")


def sparse(folder, bench):
    options = {"crs": UTM, "transform": TRANSFORM, "dtype": "uint16", "nodata": 0, "sparse_ok": True}
    with rasterio.open(
        folder / "x.tif", "w", driver="GTiff", count=2, height=70, width=70, tiled=True, blockxsize=16,
        blockysize=16, **options,
    ) as target:  # fmt: skip
        target.descriptions = BANDS


def latin_names(folder, bench):
    path = write_raster(folder / "x.tif", image(), ("Gr\u00fcn", "red"))
    path.write_bytes(path.read_bytes().replace("Gr\u00fcn".encode(), b"Gr\xfc n"))


def cut(share):
    def make(folder, bench):
        path = pixels(image(200, 200), compress="deflate")(folder, bench)
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])

    return make


def flip(start, stop, **options):
    """Turn bits of a stretch of the file round; shares of its length."""

    def make(folder, bench):
        path = pixels(image(200, 200), **options)(folder, bench)
        data = bytearray(path.read_bytes())
        for place in range(int(len(data) * start), int(len(data) * stop)):
            data[place] ^= 0x5A
        path.write_bytes(bytes(data))

    return make


def tiff(entries, tail=b"", next_ifd=0):
    """Write a TIFF by hand: (tag, type, count, value) of its one directory."""
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return (
        b"II*\0" + struct.pack("<IH", 8, len(entries)) + body + struct.pack("<I", next_ifd) + tail
    )  # fmt: skip


def declares(width, height, offset=0, next_ifd=0):
    """A header of a size that no pixels stand behind."""
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 16), (259, 3, 1, 1), (262, 3, 1, 1)]
    tags += [(273, 4, 1, offset), (277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, 2)]
    return lambda folder, bench: (folder / "x.tif").write_bytes(tiff(tags, next_ifd=next_ifd))


def palette(folder, bench):
    path = write_raster(folder / "x.tif", (image(count=1) % 4).astype("uint8"), photometric="palette")
    with rasterio.open(path, "r+") as target:
        target.write_colormap(1, {value: (value, 0, 0, 255) for value in range(256)})


def control_points(folder, bench):
    from rasterio.control import GroundControlPoint as Point

    corners = [Point(0, 0, 14, 50), Point(0, 40, 15, 50), Point(40, 0, 14, 49), Point(40, 40, 15, 49)]
    path = grid(crs=None, transform=None)(folder, bench)
    with (
        warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning),
        rasterio.open(path, "r+") as target,
    ):
        target.gcps = corners, rasterio.crs.CRS.from_epsg(4326)


def fifo(folder, bench):
    os.mkfifo(folder / "x.tif")


ENTITIES = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;">]>'
LOCAL = 'LOCAL_CS["mine",UNIT["metre",1],AXIS["x",EAST],AXIS["y",NORTH]]'
COMPOUND = "EPSG:32633+5773"
LAEA = "+proj=laea +lat_0=52 +lon_0=10 +x_0=4321000 +y_0=3210000 +ellps=GRS80 +units=m"
FEET = "EPSG:2263"

#: Name -> how it is made. Each is predicted, and the maps lie where the image does.
STRANGE = {
    "one pixel": pixels(image(1, 1)),
    "one row": pixels(image(1, 90)),
    "one column": pixels(image(90, 1)),
    "one pixel less than a window": pixels(image(31, 31)),
    "one pixel more than a window": pixels(image(33, 33)),
    "rotated": grid(transform=TRANSFORM @ Affine.rotation(30)),
    "sheared": grid(transform=TRANSFORM @ Affine.shear(10, 5)),
    "south up": grid(transform=Affine(10, 0, 5e5, 0, 10, 5.6e6)),
    "east to west": grid(transform=Affine(-10, 0, 5e5, 0, -10, 5.6e6)),
    "pixels that are not square": grid(transform=Affine(10, 0, 5e5, 0, -3, 5.6e6)),
    "degrees": at(14, 50),
    "across the antimeridian": at(179.998, 10),
    "longitudes beyond 180": at(200, 10),
    "longitudes 0 to 360 over Greenwich": at(359.999, 10),
    "at the north pole in degrees": at(10, 90),
    "at the south pole in degrees": at(10, -90 + SIDE_PX * 1e-4),
    "over the north pole, stereographic": grid(crs="EPSG:3413", transform=Affine(10, 0, -200, 0, -10, 200)),
    "over the south pole, stereographic": grid(crs="EPSG:3031", transform=Affine(10, 0, -200, 0, -10, 200)),
    "Web Mercator": grid(crs="EPSG:3857", transform=Affine(10, 0, 1e6, 0, -10, 6e6)),
    "feet": grid(crs=FEET, transform=Affine(30, 0, 987_000, 0, -30, 210_000)),
    "a CRS without a code": grid(crs=LAEA, transform=Affine(10, 0, 4.3e6, 0, -10, 3.2e6)),
    "a compound CRS": grid(crs=COMPOUND),
    "pixels of a micrometre": grid(transform=Affine(1e-6, 0, 5e5, 0, -1e-6, 5.6e6)),
    "int8": pixels((image() // 25).astype("int8")),
    "uint8": pixels((image() // 12).astype("uint8")),
    "int16 with negative values": pixels((image().astype("int32") - 1500).astype("int16")),
    "uint32 of its largest": pixels(holes("uint32", 2**32 - 1)),
    "int32": pixels(holes("int32", -(2**31), 2**31 - 1)),
    "float32 with NaN": pixels(holes("float32", np.nan)),
    "float32 with infinity": pixels(holes("float32", np.inf, -np.inf)),
    "float32 whose nodata is NaN": pixels(holes("float32", np.nan), nodata=np.nan),
    "float64 beyond float32": pixels(holes("float64", 1e300, -1e300)),
    "float64, denormal": pixels(holes("float64", 5e-324)),
    "uint64": pixels(holes("uint64", 2**63)),
    "int64": pixels(holes("int64", -(2**62))),
    "12 bits": pixels(image(), nbits=12),
    "bands of several data types": mixed_dtypes,
    "an internal mask": masked(True),
    "an external mask": masked(False),
    "a mask without a valid pixel": masked(True, every=True),
    "an alpha band": with_alpha,
    "overviews of values that do not occur": with_overviews,
    "no block written": sparse,
    "a block larger than the image": grid(tiled=True, blockxsize=2048, blockysize=2048),
    "blocks of 16 pixels": grid(tiled=True, blockxsize=16, blockysize=16),
    "a row per strip": grid(blockysize=1),
    "bands one after the other": grid(interleave="band", tiled=True, blockxsize=16, blockysize=16),
    "big-endian": grid(endianness="big"),
    "BigTIFF": grid(bigtiff="yes"),
    "Deflate": grid(compress="deflate", predictor=2),
    "LZW": grid(compress="lzw"),
    "ZSTD": grid(compress="zstd"),
    "LZMA": grid(compress="lzma"),
    "PackBits": grid(compress="packbits"),
    "LERC": pixels(image(dtype="float32"), compress="lerc"),
    "LERC with ZSTD": pixels(image(dtype="float32"), compress="lerc_zstd"),
    "floating-point predictor": pixels(image(dtype="float32"), compress="zstd", predictor=3),
    "JPEG": pixels((image() // 12).astype("uint8"), compress="jpeg", interleave="band"),
    "white is 0": grid(photometric="miniswhite"),
    "a name in another driver's suffix": partial(pixels(image(), driver="HFA")),
}  # fmt: skip

#: Name -> (how it is made, pattern of the refusal).
BROKEN = {
    "an empty file": (text_file("x.tif", ""), r"x\.tif to be a raster that GDAL can read"),
    "the first 4 bytes": (lambda f, b: (f / "x.tif").write_bytes(b"II*\0"), "raster that GDAL can read"),
    "a header that points beyond the end": (lambda f, b: (f / "x.tif").write_bytes(b"II*\0\xff\xff\xff\x7f"), "raster that GDAL can read"),
    "a directory that follows itself": (declares(40, 40, next_ifd=8), "CRS, but got none"),
    "a size of nothing": (declares(0, 40), "raster that GDAL can read"),
    "a size that no disk holds": (declares(2**31 - 1, 2**31 - 1), "raster that GDAL can read|blocks of at most 2048 MiB"),
    "one band of two": (lambda f, b: write_raster(f / "x.tif", image(count=1)), "2 bands .* but got 1 without"),
    "bands of other names": (lambda f, b: write_raster(f / "x.tif", image(), ("red", "swir")), "asks for red, nir"),
    "an image with a palette": (palette, "but got 1 without names"),
    "complex numbers": (pixels(image(dtype="complex64")), "real pixel values, but got complex64"),
    "complex integers": (lambda f, b: write_raster(f / "x.tif", image(dtype="complex64"), BANDS, dtype="complex_int16"), "real pixel values"),
    "no geotransform": (grid(transform=Affine.identity()), "but got no geotransform"),
    "a geotransform of zeros": (grid(transform=Affine(0, 0, 5e5, 0, 0, 5.6e6)), "no geotransform"),
    "a geotransform of NaN": (grid(transform=Affine(np.nan, 0, 5e5, 0, -10, 5.6e6)), "geotransform"),
    "an infinite geotransform": (grid(transform=Affine(10, 0, np.inf, 0, -10, 5.6e6)), "geotransform"),
    "a local CRS": (grid(crs=LOCAL), "CRS on the Earth"),
    "coordinates that are not on the Earth": (grid(transform=Affine(10, 0, 5e9, 0, -10, 5e9)), "on the Earth"),
    "latitudes beyond the pole": (at(10, 95), "on the Earth"),
    "ground control points only": (control_points, "ground control points only"),
    "a third of the file": (cut(0.33), "raster that GDAL can read|damaged or incomplete"),
    "all but the last bytes": (cut(0.98), "raster that GDAL can read|damaged or incomplete"),
    "flipped bits in compressed blocks": (flip(0.4, 0.5, compress="deflate"), "damaged or incomplete"),
    "flipped bits in ZSTD blocks": (flip(0.4, 0.5, compress="zstd"), "damaged or incomplete"),
    "flipped bits in the header": (flip(0, 0.001), "raster that GDAL can read"),
    "flipped bits in LZW strips": (flip(0.5, 0.9, compress="lzw"), "damaged or incomplete"),
    "overviews alone": (overviews_only, "CRS, but got none|does not exist"),
    "band names in Latin-1": (latin_names, r"in UTF-8, but got .* \(in .*x\.tif\)"),
    "a pipe": (fifo, "x.tif to be a raster"),
    "a VRT of itself": (text_file("x.tif", vrt(vrt_band(1, "x.tif") + vrt_band(2, "x.tif"))), "raster that GDAL can read|readable at rows"),
    "a VRT of a file that is gone": (text_file("x.tif", vrt(vrt_band(1, "gone.tif") + vrt_band(2, "gone.tif"))), "gone"),
    "a VRT of no size": (text_file("x.tif", vrt(vrt_band(1, "a.tif"), (0, 0))), "raster that GDAL can read"),
    "a VRT without bands": (text_file("x.tif", vrt("")), "raster that GDAL can read"),
    "a VRT cut short": (text_file("x.tif", vrt(vrt_band(1, "a.tif"))[:150]), "raster that GDAL can read"),
    "a VRT with entities": (text_file("x.tif", vrt(vrt_band(1, "&c;"), head=ENTITIES)), r"x\.tif"),
    "a web map service": (text_file("x.tif", "<GDAL_WMS><Service name='TMS'></Service></GDAL_WMS>"), "raster that GDAL can read"),
    "a document of STAC without assets": (text_file("x.json", '{"type": "Feature"}'), r"x\.json"),
    "a document that is no JSON": (text_file("x.json", "{"), r"x\.json"),
    "JSON nested without end": (text_file("x.json", "[" * 100_000), r"x\.json"),
}  # fmt: skip

CASES = [
    *(Case(name, PREDICT, make, 0, "", same_grid) for name, make in STRANGE.items()),
    *(
        Case(name, PREDICT.replace("x.tif", f"x.{_suffix}"), make, 1, says)
        for name, (make, says) in BROKEN.items()
        for _suffix in ("json" if "JSON" in name or "STAC" in name else "tif",)
    ),
]
