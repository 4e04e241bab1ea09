"""Every kind of image that is read: written once, with the pixels that it means, by NumPy alone."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import rasterio
import scene_files
import shapely
from rasterio.enums import ColorInterp
from scene_files import UTM, X0, Y0, write

from hierars_geo.scenes.sensors import find_sensor, sensor_names
from hierars_geo.types import MaskRule

SIDE = 24
ROWS, COLS = np.mgrid[:SIDE, :SIDE]
#: A corner beyond the swath, and a lake that is dark in the last band alone.
GAP = ROWS + COLS < 9
LAKE = (ROWS > 14) & (ROWS < 18) & (COLS > 12)


@dataclass
class Kind:
    """An image as written, and what reading it has to give on its finest grid.

    Attributes:
        paths: What is opened.
        data: (C, H, W) values, of no meaning where not valid.
        valid: (H, W) bool.
        bands: Names of the channels.
        options: How it is read, the same for those who train and who predict.
        train: What training opens, where that is something else.
        sensor: As which sensor.
        day: Day of acquisition, None for none.
        note: Words of a note; None where nothing is to be noted.
        tolerance: Largest error of a value: 0 for pixels as stored.
    """

    paths: Any
    data: np.ndarray
    valid: np.ndarray
    bands: tuple[str, ...]
    options: dict[str, Any] = field(default_factory=dict)
    train: Any = None
    sensor: str = "generic"
    day: str | None = None
    note: str | None = None
    tolerance: float = 0.0


KINDS: dict[str, Callable[[Path], Kind]] = {}


def kind(name):
    """Register a kind."""

    def register(make):
        KINDS[name] = make
        return make

    return register


def image(count, dtype="uint16", first=40):
    """Bands that differ in every pixel, all within a byte."""
    places = (ROWS * 5 + COLS * 3) % 97
    return np.stack([places + first + 11 * band for band in range(count)]).astype(dtype)


def holed(count, dtype="uint16", value=0):
    """Bands that all hold a value in the gap, the last one in the lake, too."""
    data = image(count, dtype)
    data[:, GAP] = value
    data[-1, LAKE] = value
    return data


# every sensor of the catalog -----------------------------------------------------------------------------

PUBLISHED = {
    "gaofen2": ("GF2_PMS1_E118.4_N31.2_20150703_L1A0000898840-MSS1.tif", "2015-07-03"),
    "landsat5": ("LT05_L2SP_042034_20110727_20200820_02_T1.tif", "2011-07-27"),
    "landsat7": ("LE71700552001036SGS00.tif", "2001-02-05"),
    "landsat8": ("LC08_L2SP_042034_20200731_20200820_02_T1.tif", "2020-07-31"),
    "landsat9": ("LC09_L2SP_042034_20220731_20230820_02_T1.tif", "2022-07-31"),
    "naip": ("m_3412039_nw_10_h_20160616.tif", "2016-06-16"),
    "sentinel1": ("S1A_IW_GRDH_1SDV_20200607T005024_20200607T005049_032904_03CFB5_1234.tif", "2020-06-07"),
    "sentinel2": ("S2B_MSIL2A_20200604T054639_N0214_R048_T43RCP_20200604T094332.tif", "2020-06-04"),
    "sentinel2_l1c": ("S2B_MSIL1C_20200604T054639_N0209_R048_T43RCP_20200604T094332.tif", "2020-06-04"),
    "sentinel2_l2a": ("S2B_MSIL2A_20200604T054639_N0214_R048_T43RCP_20200604T094332.tif", "2020-06-04"),
}


def _dtype(sensor):
    floats = sensor.name == "sentinel1" or sensor.quantization is not None
    return "uint8" if sensor.full_scale == 255 else "float32" if floats else "uint16"


def _nodata_note(sensor):
    if sensor.name == "naip":  # GDAL's own doing, where nobody says what the fourth band of bytes is
        return "band 4 is tagged alpha but is no mask, it is read as data"
    return None if sensor.nodata is None else f"no nodata value is declared, {sensor.nodata:g} counts"


def _register_sensor(name):
    sensor = find_sensor(name)
    bands = sensor.stacks[0]
    empty = GAP if sensor.nodata is not None else np.zeros_like(GAP)

    @kind(f"{name}, a stack without names")
    def stack(folder):
        data = holed(len(bands), _dtype(sensor), sensor.nodata or 0)
        path = write(folder / "scene.tif", data)
        note = None if sensor.trust_colors else f"no bands are named, their order is taken as 1 is {bands[0]}"
        return Kind(path, data, ~empty, bands, sensor=name, note=note or _nodata_note(sensor))

    @kind(f"{name}, names and another order")
    def named(folder):
        data = holed(len(bands), _dtype(sensor), sensor.nodata or 0)
        names = [sensor.band(band).common or band for band in bands]
        path = write(folder / "scene.tif", data[::-1], names=names[::-1])
        return Kind(path, data, ~empty, bands, sensor=name, note=_nodata_note(sensor))

    if sensor.file_per_band:

        @kind(f"{name}, a file per band")
        def files(folder):
            data = holed(len(bands), _dtype(sensor), sensor.nodata or 0)
            for band, plane in zip(bands, data, strict=True):
                write(folder / f"T50_20200601_{band}.tif", plane)
            note = _nodata_note(sensor)
            return Kind(folder, data, ~empty, bands, sensor=name, day="2020-06-01", note=note)

    if name in PUBLISHED:

        @kind(f"{name}, a published name")
        def published(folder):
            data = holed(len(bands), _dtype(sensor), sensor.nodata or 0)
            title, day = PUBLISHED[name]
            path = write(folder / title, data, names=bands)
            return Kind(path, data, ~empty, bands, sensor=name, day=day, note=_nodata_note(sensor))


for sensor_name in sensor_names():
    if sensor_name != "generic":
        _register_sensor(sensor_name)


@kind("alphaearth, quantised as in its archive")
def quantised(folder):
    bands = find_sensor("alphaearth").stacks[0]
    stored = (image(len(bands)) % 250 - 125).astype("int8")
    stored[:, GAP] = -128
    path = write(folder / "scene.tif", stored, names=bands, nodata=-128)
    shares = stored / 127.5
    return Kind(path, np.sign(shares) * shares**2, ~GAP, bands, sensor="alphaearth", tolerance=1e-6)


# products and STAC items ---------------------------------------------------------------------------------

S2 = {"B02": 10, "B8A": 20, "B01": 60}


def safe(folder, baseline, offset, name="N0509", xml=True):
    """A product whose bands are flat, so that resampling leaves them: 2000 + resolution, 0 in a corner."""

    def flat(band, res):
        plane = np.full((240 // res, 240 // res), 2000 + res, np.uint16)
        plane[: 120 // res, : 120 // res] = 0
        return plane

    return scene_files.safe(folder, "L2A", baseline, offset, name=name, xml=xml, pixels=flat, bands=S2)


def _product(root, taken_off, note=None):
    values = [2000 + res - taken_off for res in S2.values()]
    data = np.stack([np.full((SIDE, SIDE), value) for value in values])
    valid = ~((ROWS < 12) & (COLS < 12))
    options = {"bands": list(S2), "harmonize": True}
    note = note or "is resampled to the grid of B02, 10 m"
    return Kind(root, data, valid, tuple(S2), options, None, "sentinel2", "2023-01-15", note, 1e-3)


kind("SAFE, the XML states the offset")(lambda f: _product(safe(f, "05.09", -1000), 1000))
kind("SAFE, an old baseline")(lambda f: _product(safe(f, "03.01", None, "N0301"), 0))
kind("SAFE, the XML states the baseline alone")(lambda f: _product(safe(f, "04.00", None, "N9999"), 1000))
kind("SAFE, a user's own processing without offset")(
    lambda f: _product(safe(f, "99.99", None, "N9999"), 0, "the metadata state no offset, values are read as")
)
kind("SAFE, no XML, the name says the baseline")(
    lambda f: _product(safe(f, "", None, "N0509", xml=False), 1000, "no nodata value is declared, 0 counts")
)
kind("SAFE, no XML, which is noted")(
    lambda f: _product(safe(f, "", None, "N0301", xml=False), 0, "SAFE lacks its metadata, day and baseline")
)


@kind("one band file of a product")
def band_of_product(folder):
    made = _product(safe(folder, "05.09", -1000), 1000)
    (path,) = made.paths.glob("GRANULE/*/IMG_DATA/R10m/*_B02_10m.jp2")
    options = {"bands": ["blue"], "harmonize": True}
    return Kind(path, made.data[:1], made.valid, ("B02",), options, None, "sentinel2", made.day)


@kind("dark values of a product, which are not as dark as the offset")
def dark(folder):
    def values(band, res):
        return np.full((240 // res, 240 // res), 900, np.uint16)

    root = scene_files.safe(folder, pixels=values, bands=["B02"])
    options = {"bands": ["B02"], "harmonize": True}
    valid = np.ones_like(GAP)
    return Kind(root, np.zeros((1, SIDE, SIDE)), valid, ("B02",), options, None, "sentinel2", "2023-01-15")


def _baseline(name, tag, taken_off, note=None, day=None):
    def make(folder):
        data = image(2, first=3000)
        path = write(folder / name, data, names=["B02", "B03"], nodata=0)
        if tag:
            with rasterio.open(path, "r+") as file:
                file.update_tags(PROCESSING_BASELINE=tag)
        options = {"bands": ["B02", "B03"], "harmonize": True}
        valid = np.ones_like(GAP)
        return Kind(path, data - taken_off, valid, ("B02", "B03"), options, None, "sentinel2", day, note)

    return make


for tag, taken_off in (("4.0", 1000), ("5.9", 1000), ("400", 1000), ("N0301", 0)):
    kind(f"a stack, the tag says baseline {tag}")(_baseline("s2.tif", tag, taken_off))
for baseline, taken_off in (("0214", 0), ("0500", 1000)):  # of one day: processed again
    title = f"S2B_MSIL2A_20200604T054639_N{baseline}_R048_T43RCP_20200604T094332.tif"
    kind(f"a stack, the name says baseline {baseline}")(_baseline(title, None, taken_off, day="2020-06-04"))
kind("a stack, the tag counts before the day")(_baseline("s2_20230604.tif", "3.01", 0, day="2023-06-04"))
kind("a stack, the day says the baseline")(
    _baseline("s2_20230604.tif", None, 1000, "by the day alone", "2023-06-04")
)
kind("a stack, nothing says the baseline")(
    _baseline("s2.tif", None, 0, "nothing says the processing baseline")
)


def _item(folder, assets, properties):
    item = {"type": "Feature", "id": "item", "properties": properties, "assets": assets}
    path = folder / "item.json"
    path.write_text(json.dumps(item))
    return path


def _asset(name, **fields):
    return {"href": f"./{name}", "type": "image/tiff; application=geotiff", **fields}


@kind("STAC, several resolutions of one band, the coarsest first")
def stac_resolutions(folder):
    data = image(2)
    write(folder / "B03.tif", data[1], nodata=0)
    assets = {"B03": _asset("B03.tif", bands=[{"name": "B03"}])}
    for res in (60, 20, 10):
        step = res // 10
        write(folder / f"x_20200601_B02_{res}m.tif", data[0, ::step, ::step], res=res, nodata=0)
        assets = {f"B02_{res}m": _asset(f"x_20200601_B02_{res}m.tif", bands=[{"name": "B02"}])} | assets
    assets = dict(reversed(assets.items()))
    path = _item(folder, assets, {"platform": "sentinel-2a", "datetime": "2020-06-01T00:00:00Z"})
    files = [folder / f"x_20200601_B02_{res}m.tif" for res in (10, 20, 60)]
    options = {"bands": ["B02"]}
    return Kind(path, data[:1], np.ones_like(GAP), ("B02",), options, files, "sentinel2", day="2020-06-01")


@kind("STAC, Landsat by common names, nodata in raster:bands")
def stac_landsat(folder):
    data = holed(2)
    assets = {}
    for key, number, plane in (("red", 4, data[0]), ("nir08", 5, data[1])):
        name = f"LC08_L2SP_042034_20200731_20200820_02_T1_SR_B{number}.tif"
        write(folder / name, plane)
        named = [{"name": f"OLI_B{number}", "common_name": key}]
        assets[key] = _asset(name, **{"eo:bands": named, "raster:bands": [{"nodata": 0, "scale": 2.75e-5}]})
    path = _item(folder, assets, {"platform": "landsat-8", "datetime": "2020-07-31T18:00:00Z"})
    files = sorted(folder.glob("*.tif"))
    options = {"bands": ["B04", "B05"]}
    return Kind(path, data, ~GAP, ("B04", "B05"), options, files, "landsat8", day="2020-07-31")


# what is no data -----------------------------------------------------------------------------------------


def _plain(path, data, valid, **more):
    bands = tuple(f"band_{i}" for i in range(1, len(data) + 1))
    return Kind(path, data, valid, more.pop("bands", bands), **more)


@kind("nodata declared")
def declared(folder):
    data = holed(3)
    return _plain(write(folder / "a.tif", data, nodata=0), data, ~GAP)


@kind("nodata declared, in any band")
def declared_any(folder):
    data = holed(3)
    options = {"nodata_rule": "any"}
    return _plain(write(folder / "a.tif", data, nodata=0), data, ~(GAP | LAKE), options=options)


@kind("nodata told")
def told(folder):
    data = holed(3, value=7)
    return _plain(write(folder / "a.tif", data), data, ~GAP, options={"nodata": 7})


@kind("nodata of the catalog denied")
def denied(folder):
    data = holed(4)
    path = write(folder / "a.tif", data, names=["blue", "green", "red", "nir"])
    bands = ("blue", "green", "red", "nir")
    return _plain(
        path, data, np.ones_like(GAP), bands=bands, sensor="gaofen2", options={"nodata": float("nan")}
    )


@kind("nodata that no sensor measures")
def filled(folder):
    data = holed(2, "int16", -9999)
    return _plain(write(folder / "a.tif", data, nodata=-9999), data, ~(GAP | LAKE))


#: Type, value of a pixel without data in one band alone, what the file declares, and whether that counts.
VALUES = (
    ("uint16", 0, 0, False),
    ("uint16", 65535, 65535, False),  # a bright roof may be
    ("uint8", 255, 255, False),
    ("int16", -9999, -9999, True),
    ("float32", np.nan, None, True),
    ("float32", np.nan, np.nan, True),
    ("float32", np.inf, -3.4028234663852886e38, True),
    ("float32", -np.inf, None, True),
    ("float64", -1e300, -1e300, True),
)


def _held(dtype, value, declared, counts, rule):
    def make(folder):
        data, valid = image(2, dtype), np.ones_like(GAP)
        data[0, 2, 3] = data[1, 5, 6] = value
        valid[[2, 5], [3, 6]] = rule == "all" and not counts
        path = write(folder / "a.tif", data, nodata=declared)
        return _plain(path, data, valid, options={"nodata_rule": rule})

    return make


for values in VALUES:
    for rule in ("all", "any"):
        kind(f"{values[1]} of {values[0]}, {values[2]} declared, nodata in {rule}")(_held(*values, rule))


@kind("a nodata tag that is rounded")
def rounded(folder):
    data = holed(2, "float32", np.float32(-3.4028235e38))
    return _plain(write(folder / "a.tif", data, nodata=-3.4e38), data, ~(GAP | LAKE))


def vrt(folder, bands, name="stack.vrt", res=10, left=X0, side=SIDE):
    """A VRT over single-band files with a nodata text for each, which rasterio would refuse."""
    inner = "".join(
        f'<VRTRasterBand dataType="{dtype}" band="{i}"><NoDataValue>{nodata}</NoDataValue><SimpleSource>'
        f'<SourceFilename relativeToVRT="1">{path.name}</SourceFilename><SourceBand>1</SourceBand>'
        f"</SimpleSource></VRTRasterBand>"
        for i, (path, dtype, nodata) in enumerate(bands, 1)
    )
    path = folder / name
    path.write_text(
        f'<VRTDataset rasterXSize="{side}" rasterYSize="{side}"><SRS>{UTM}</SRS>'
        f"<GeoTransform>{left}, {res}, 0, {Y0}, 0, -{res}</GeoTransform>{inner}</VRTDataset>"
    )
    return path


@kind("nodata outside of the data type")
def outside(folder):
    data = image(1, "uint8")
    write(folder / "one.bin.tif", data)
    path = vrt(folder, [(folder / "one.bin.tif", "Byte", -9999)])
    return _plain(path, data, np.ones_like(GAP))


@kind("another nodata value in every band")
def per_band(folder):
    data = np.stack([holed(1, "int16")[0], holed(1, "int16", -9999)[0]])
    data[0, LAKE] = 0
    for i, plane in enumerate(data):
        write(folder / f"{i}.tif", plane)
    path = vrt(folder, [(folder / "0.tif", "Int16", 0), (folder / "1.tif", "Int16", -9999)])
    return _plain(path, data, ~(GAP | LAKE))


@kind("a mask, and a nodata value elsewhere")
def masked(folder):
    data = holed(2)
    path = write(folder / "a.tif", data, nodata=0)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as file:
        file.write_mask(np.where(ROWS > 20, 0, 255).astype("uint8"))
    return _plain(path, data, ~GAP & (ROWS <= 20))


@kind("an alpha band, and a nodata value elsewhere")
def alpha(folder):
    data = holed(3, "uint8")
    mask = np.where(ROWS > 20, 0, 255).astype("uint8")
    path = write(folder / "a.tif", [*data, mask], alpha=True, photometric="RGB", nodata=0)
    return _plain(path, data, ~GAP & (ROWS <= 20))


# which band is which -------------------------------------------------------------------------------------


@kind("blue, green, red by colour")
def bgr(folder):
    data = image(3, "uint8")
    path = write(folder / "a.tif", data[::-1])
    with rasterio.open(path, "r+") as file:
        file.colorinterp = (ColorInterp.blue, ColorInterp.green, ColorInterp.red)
    bands = ("red", "green", "blue")
    return _plain(path, data, np.ones_like(GAP), bands=bands, sensor="google_earth")


@kind("names in brackets")
def brackets(folder):
    data = image(4)
    names = [f"gewataB{i} ({color})" for i, color in enumerate(("nir", "red", "green", "blue"), 1)]
    path = write(folder / "a.tif", data[::-1], names=names, nodata=0)
    bands = ("blue", "green", "red", "nir")
    return _plain(path, data, np.ones_like(GAP), bands=bands, sensor="gaofen2")


@kind("an index of tiles, the first of which lies at the end")
def index_of_tiles(folder):
    """GDAL drops the names of the tiles' bands, and their order is not that of the wanted ones."""
    data, half = image(2), SIDE // 2
    valid = np.ones_like(GAP)
    valid[:half, :half] = False  # no tile there
    corners = [(0, half), (half, 0), (half, half)]
    tiles = [
        write(
            folder / f"tile_{row}_{col}.tif",
            data[::-1, row : row + half, col : col + half],
            names=["B04", "B02"],
            nodata=0,
            left=X0 + 10 * col,
            top=Y0 - 10 * row,
        )
        for row, col in corners
    ]
    lefts = [(X0 + 10 * col, Y0 - 10 * row) for row, col in corners]
    outlines = [shapely.box(x, y - 10 * half, x + 10 * half, y) for x, y in lefts]
    index = geopandas.GeoDataFrame({"location": [str(tile) for tile in tiles]}, geometry=outlines, crs=UTM)
    path = folder / "scene.gti.gpkg"
    index.to_file(path, layer="index")
    return _plain(
        path, data, valid, bands=("B02", "B04"), sensor="sentinel2", options={"bands": ["B02", "B04"]}
    )


@kind("numbers that were told")
def numbers(folder):
    data = image(2)
    path = write(folder / "a.tif", [data[1], image(1)[0], data[0]], names=["x", "y", "z"], nodata=0)
    options = {"bands": {"B02": 3, "B03": 1}}
    return _plain(path, data, np.ones_like(GAP), bands=("B02", "B03"), sensor="sentinel2", options=options)


@kind("as many bands as are wanted")
def as_many(folder):
    data = image(2)
    options = {"bands": ["B03", "B02"]}
    note = "their order is taken as 1 is B03, 2 is B02"
    path = write(folder / "a.tif", data, nodata=0)
    return _plain(
        path, data, np.ones_like(GAP), bands=("B03", "B02"), sensor="sentinel2", options=options, note=note
    )


@kind("near infrared tagged as alpha")
def nir_alpha(folder):
    data = image(4, "uint8")
    data[3, LAKE] = 0
    path = write(folder / "m_3412039_nw_10_h_20160616.tif", data, photometric="RGB", ALPHA="YES")
    note = "band 4 is tagged alpha but is no mask, it is read as data"
    bands = ("red", "green", "blue", "nir")
    return _plain(path, data, np.ones_like(GAP), bands=bands, sensor="naip", day="2016-06-16", note=note)


@kind("scale and offset in the file")
def scaled(folder):
    data = image(2)
    path = write(folder / "a.tif", data)
    with rasterio.open(path, "r+") as file:
        file.scales, file.offsets = (1e-4, 1e-4), (-0.1, -0.1)
    return _plain(path, data, np.ones_like(GAP), note="scale or offset are declared but not applied")


# masks --------------------------------------------------------------------------------------------------


def _cloud():
    """Scene classification on pixels twice as large, and where it says cloud."""
    scl = np.full((SIDE // 2, SIDE // 2), 4, dtype="uint8")
    scl[3:6, 4:8] = 9
    return scl, (scl == 9).repeat(2, 0).repeat(2, 1)


@kind("masked by a coarser band of the product")
def masked_stack(folder):
    data, (scl, cloud) = image(2), _cloud()
    path = write(folder / "a.tif", data, names=["B02", "B03"])
    write(folder / "a_SCL.tif", scl, res=20)
    options = {"bands": ["B02", "B03"], "mask": ["cloud", "shadow"]}
    note = "pixels of cloud, shadow are left out"
    return _plain(path, data, ~cloud, bands=("B02", "B03"), sensor="sentinel2", options=options, note=note)


@kind("band files of Landsat masked by bits")
def masked_bands(folder):
    data, quality = image(2), np.full((SIDE, SIDE), 64, dtype="uint16")
    quality[LAKE] = 64 + 16
    stem = "LC08_L2SP_127040_20200501_20200820_02_T1"
    for band, name in zip(data, ("SR_B2", "SR_B3"), strict=True):
        write(folder / f"{stem}_{name}.TIF", band)
    write(folder / f"{stem}_QA_PIXEL.TIF", quality)
    options = {"bands": ["B02", "B03"], "mask": MaskRule(("shadow",), 10.0)}
    wide = LAKE | np.roll(LAKE, 1, 0) | np.roll(LAKE, -1, 0) | np.roll(LAKE, -1, 1)
    return Kind(
        folder, data, ~wide, ("B02", "B03"), options, train=[folder], sensor="landsat8", day="2020-05-01",
        note="pixels of shadow are left out, and 10 m around them",
    )  # fmt: skip


# dates ---------------------------------------------------------------------------------------------------

DATED = {
    "HLS.S30.T10SGF.2020213T184921.v2.0.tif": "2020-07-31",
    "S2_2020_07_31.tif": "2020-07-31",
    "LC81680732020213LGN00.tif": "2020-07-31",
    "scene_20200731T101500.tif": "2020-07-31",
    "scene_99999999.tif": None,
    "HLS.S30.T10SGF.2021366T184921.v2.0.tif": None,
    "mosaic_2020.tif": None,  # a year is no day
}


def _dated(name, day):
    def make(folder):
        data = image(1)
        return _plain(write(folder / name, data), data, np.ones_like(GAP), day=day)

    return make


for name, day in DATED.items():
    kind(f"dated {name}")(_dated(name, day))

PRODUCTS = {
    "GF2_PMS2_W58.4_S31.2_20161231_L1A0000898840-MSS2_ortho.tiff": "2016-12-31",
    "GF2_PMS1__20150212_L1A0000647768-MSS1.tiff": "2015-02-12",
    "GF2_PMS1__L1A0001064454-MSS1.tiff": None,
}


def _of_product(name, day):
    def make(folder):
        data, bands = image(4), find_sensor("gaofen2").stacks[0]
        path = write(folder / ("of_20200101" if day else "x") / name, data, names=bands, nodata=0)
        return _plain(path, data, np.ones_like(GAP), bands=bands, sensor="gaofen2", day=day)

    return make


for name, day in PRODUCTS.items():
    kind(f"a product {name}")(_of_product(name, day))
