"""Layers of polygons and points: districts to measure, regions to predict, points to score by."""
# ruff: noqa: E501 - one case per line is a table to read

import os
import warnings
import zipfile

import geopandas
import numpy as np
import pandas as pd
import pyogrio
import shapely
from fault_bench import UTM
from fault_case import Case
from fault_rasters import ENTITIES, text_file
from shapely.geometry import GeometryCollection, LineString, MultiPolygon, Point, Polygon, box

AREAS = "areas MAPS --by @x.gpkg -o OUT/a.csv"
HALF = box(500_000, 5_599_600, 500_200, 5_600_000)
BOWTIE = Polygon([(500_000, 5_599_700), (500_200, 5_599_900), (500_200, 5_599_700), (500_000, 5_599_900)])


def layer(shapes, name="x.gpkg", crs=UTM, columns=None, **options):
    def make(folder, bench):
        table = geopandas.GeoDataFrame(columns or {"name": range(len(shapes))}, geometry=shapes, crs=crs)
        with warnings.catch_warnings(
            action="ignore", category=UserWarning
        ):  # a CRS may be missing on purpose
            pyogrio.write_dataframe(table, folder / name, **options)

    return make


def measured(area_m2, file="a.csv"):
    """Mapped ground, as the classes of a level add up to; within 1 % of the plane's."""

    def check(folder, bench):
        table = pd.read_csv(folder / "out" / file)
        assert np.isclose(table[table["level"] == 2]["area_m2"].sum(), area_m2, rtol=0.01)

    return check


def geojson(text):
    return text_file("x.geojson", text)


def feature(geometry):
    return f'{{"type": "FeatureCollection", "features": [{{"type": "Feature", "properties": {{}}, "geometry": {geometry}}}]}}'


def cut_layer(folder, bench):
    layer([HALF] * 50)(folder, bench)
    (folder / "x.gpkg").write_bytes((folder / "x.gpkg").read_bytes()[:20_000])


def flipped_layer(folder, bench):
    layer([HALF] * 50)(folder, bench)
    data = bytearray((folder / "x.gpkg").read_bytes())
    data[5000:60000:7] = bytes(len(data[5000:60000:7]))
    (folder / "x.gpkg").write_bytes(bytes(data))


def two_layers(folder, bench):
    layer([HALF], layer="one")(folder, bench)
    layer([HALF], layer="two", append=True)(folder, bench)


def latin(folder, bench):
    """A shapefile of Latin 1 without a word about its encoding."""
    layer([HALF], "x.shp", columns={"name": ["Grünwald"]}, encoding="ISO-8859-1")(folder, bench)
    (folder / "x.cpg").unlink(missing_ok=True)


def without(suffix):
    def make(folder, bench):
        layer([HALF], "x.shp")(folder, bench)
        (folder / f"x{suffix}").unlink()

    return make


def parquet_without_geometry(folder, bench):
    pd.DataFrame({"name": [1]}).to_parquet(folder / "x.parquet")


def escaping_archive(folder, bench):
    with zipfile.ZipFile(folder / "x.zip", "w") as archive:
        archive.writestr("../../escaped.geojson", feature("null"))


def fifo_layer(folder, bench):
    os.mkfifo(folder / "x.gpkg")


def labelled_points(values, crs=UTM, name="x.gpkg", **columns):
    shapes = [Point(500_005 + 40 * k, 5_599_995 - 40 * k) for k in range(len(values))]
    more = {key: [value] * len(values) for key, value in columns.items()}
    return layer(shapes, name, crs, {"reference": values, **more})


def all_over(values):
    """Points of a lattice over the maps, so that every class of the map has some."""
    rows, cols = np.divmod(np.arange(len(values)), 10)
    shapes = [Point(500_005 + 40 * c, 5_599_995 - 40 * r) for r, c in zip(rows, cols, strict=True)]
    return layer(shapes, columns={"reference": values})


STRANGE = {
    "a rectangle": (layer([HALF]), 80_000),
    "rings the wrong way round": (layer([shapely.orient_polygons(HALF, exterior_cw=True)]), 80_000),
    "rings that cross": (layer([BOWTIE]), 20_000),
    "polygons with height": (layer([shapely.force_3d(HALF, 5.0)]), 80_000),
    "polygons and multipolygons": (layer([HALF, MultiPolygon([HALF])]), 160_000),
    "polygons in degrees": (lambda f, b: geopandas.GeoDataFrame({"name": [1]}, geometry=[HALF], crs=UTM).to_crs(4326).to_file(f / "x.gpkg"), 80_000),
    "polygons in Web Mercator": (lambda f, b: geopandas.GeoDataFrame({"name": [1]}, geometry=[HALF], crs=UTM).to_crs(3857).to_file(f / "x.gpkg"), 80_000),
    "the same polygon twice": (layer([HALF, HALF]), 160_000),
    "a sliver": (layer([HALF, box(5e5, 5_599_700, 5e5 + 1e-7, 5_599_800)]), 80_000),
    "a hole as large as its polygon nearly": (layer([HALF.difference(HALF.buffer(-1))]), 1_196),
    "a polygon far outside beside one inside": (layer([HALF, box(9e5, 5e6, 9.1e5, 5.1e6)]), 80_000),
    "columns of the names of ours": (layer([HALF], columns={"level": [1], "area_m2": [2], "L1_class": ["x"]}), 80_000),
    "a column that is no ASCII": (layer([HALF], columns={"Straße «1»": ["ünï\ncode"]}), 80_000),
    "a layer named like SQL": (layer([HALF], layer='x"; DROP TABLE y; --'), 80_000),
}  # fmt: skip

FILES = {
    "a shapefile of Latin 1": (latin, "x.shp", 0, ""),
    "a shapefile without its columns": (without(".dbf"), "x.shp", 0, ""),
    "a shapefile without its index": (without(".shx"), "x.shp", 1, r"x\.shp"),
    "a shapefile without a CRS": (without(".prj"), "x.shp", 1, "CRS"),
    "GeoParquet": (lambda f, b: geopandas.GeoDataFrame({"n": [1]}, geometry=[HALF], crs=UTM).to_parquet(f / "x.parquet"), "x.parquet", 0, ""),
    "Parquet without geometry": (parquet_without_geometry, "x.parquet", 1, r"x\.parquet"),
    "Parquet that is none": (text_file("x.parquet", "PAR1"), "x.parquet", 1, r"x\.parquet"),
    "no layer": (lambda f, b: None, "x.gpkg", 1, r"x\.gpkg to .*exist"),
    "a CSV that says GeoPackage": (text_file("x.gpkg", "a,b\n1,2\n"), "x.gpkg", 1, r"x\.gpkg"),
    "a GeoPackage cut short": (cut_layer, "x.gpkg", 1, r"x\.gpkg"),
    "a GeoPackage with zeros": (flipped_layer, "x.gpkg", 1, r"x\.gpkg"),
    "a pipe for a layer": (fifo_layer, "x.gpkg", 1, r"x\.gpkg"),
    "an empty layer": (layer([]), "x.gpkg", 1, r"empty|no polygon|polygons"),
    "an empty polygon": (layer([Polygon()]), "x.gpkg", 1, r"x\.gpkg"),
    "a polygon that is missing": (layer([HALF, None]), "x.gpkg", 1, "but got 1 without geometry"),
    "points for polygons": (layer([Point(5e5, 5.6e6)]), "x.gpkg", 1, "[Pp]oint|polygon"),
    "lines for polygons": (layer([LineString([(5e5, 5.6e6), (6e5, 5.6e6)])]), "x.gpkg", 1, "polygon"),
    "polygons and points": (layer([HALF, Point(5e5, 5.6e6)]), "x.gpkg", 1, "polygon"),
    "a collection of shapes": (layer([GeometryCollection([HALF, Point(0, 0)])]), "x.gpkg", 1, "polygon"),
    "polygons without a CRS": (layer([HALF], crs=None), "x.gpkg", 1, "CRS"),
    "metres that say degrees": (layer([HALF], crs="EPSG:4326"), "x.gpkg", 1, r"x\.gpkg"),
    "polygons of another continent": (layer([box(9e5, 1e6, 9.1e5, 1.1e6)]), "x.gpkg", 1, "overlap|outside|touch"),
    "polygons with coordinates that are infinite": (layer([Polygon([(5e5, 5.6e6), (np.inf, 5.6e6), (5e5, 5.5e6)])]), "x.gpkg", 1, r"x\.gpkg"),
    "polygons with coordinates that are NaN": (geojson(feature('{"type": "Polygon", "coordinates": [[[15, 50], [NaN, 50], [15, 51], [15, 50]]]}')), "x.geojson", 1, r"x\.geojson"),
    "GeoJSON cut short": (geojson(feature("null")[:60]), "x.geojson", 1, r"x\.geojson"),
    "GeoJSON of a ring with two corners": (geojson(feature('{"type": "Polygon", "coordinates": [[[15, 50], [15, 51]]]}')), "x.geojson", 1, r"x\.geojson"),
    "GeoJSON nested without end": (geojson("[" * 100_000), "x.geojson", 1, r"x\.geojson"),
    "GeoJSON of other things": (geojson('{"type": "Topology"}'), "x.geojson", 1, r"x\.geojson"),
    "KML with entities": (text_file("x.kml", ENTITIES + "<kml>&c;</kml>"), "x.kml", 1, r"x\.kml"),
    "GML with an outer entity": (text_file("x.gml", '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><gml:x xmlns:gml="http://www.opengis.net/gml">&e;</gml:x>'), "x.gml", 2, r"one layer with geometry, but got none .*x\.gml"),
    "an archive that escapes": (escaping_archive, "x.zip", 1, r"x\.zip"),
}  # fmt: skip


def files_case(name, make, file, status, says):
    check = (lambda folder, bench: None) if status == 0 else None
    return Case(name, AREAS.replace("x.gpkg", file), make, status, says, check)


REGION = "predict CKPT SCENE -o OUT --device cpu --region @x.gpkg"
POINTS = "evaluate MAPS @x.gpkg --taxonomy TREE -o OUT/m.json"
LABELS = "evaluate MAPS @x.gpkg --taxonomy TREE -o OUT/m.json --attribute name"


def wrote(name):
    return lambda folder, bench: next((folder / "out").glob(name))


CASES = [
    *(Case(name, AREAS, make, 0, "", measured(area_m2)) for name, (make, area_m2) in STRANGE.items()),
    *(files_case(name, *entry) for name, entry in FILES.items()),
    Case("two layers and none named", AREAS, two_layers, 2, "one|two"),
    Case("a layer that is not there", f"{AREAS} --layer three", two_layers, 1, "three"),
    Case("a column that is not there", f"{AREAS} --id nope", layer([HALF]), 2, "but got 'nope'"),
    Case("the geometry as a column", f"{AREAS} --id geometry", layer([HALF]), 2, "but got 'geometry'"),
    Case("a table over the layer it is made from", "areas MAPS --by @x.gpkg -o @x.gpkg --overwrite", layer([HALF]), 2, "other files than the inputs"),
    Case("a region of points", REGION, layer([Point(500_100, 5_599_900)]), 1, "polygon"),
    Case("a region of nothing", REGION, layer([]), 1, "polygon"),
    Case("a region without a CRS", REGION, layer([HALF], crs=None), 1, "CRS"),
    Case("a region elsewhere", REGION, layer([box(9e5, 5e6, 9.1e5, 5.1e6)]), 2, "lies outside"),
    Case("a region whose rings cross", REGION, layer([BOWTIE]), 0, "", wrote("*_L2.tif")),
    Case("a region with height", REGION, layer([shapely.force_3d(HALF, 5.0)]), 0, "", wrote("*_L2.tif")),
    Case("a region cut short", REGION, cut_layer, 1, r"x\.gpkg"),
    Case("a pipe for a region", REGION, fifo_layer, 1, r"x\.gpkg"),
    Case("points of classes by name", POINTS.replace("MAPS", "LEAVES"), all_over(["field", "forest", "river", "pond"] * 25), 0, "", wrote("m.json")),
    Case("points of a class that is none", POINTS, labelled_points(["field", "meadow"]), 1, "meadow"),
    Case("points without a class column", POINTS, layer([Point(500_005, 5_599_995)]), 2, "reference"),
    Case("points outside the maps", POINTS, labelled_points(["field"] * 3, crs="EPSG:32634"), 1, r"x\.gpkg|points"),
    Case("points without a CRS", POINTS, labelled_points(["field"], crs=None), 1, "CRS"),
    Case("points that have no class", POINTS, labelled_points([None, None]), 1, "reference|class|label"),
    Case("labels as polygons", LABELS, layer([HALF], columns={"name": ["field"]}), 0, "", wrote("m.json")),
    Case("labels as polygons of a class that is none", LABELS, layer([HALF], columns={"name": ["meadow"]}), 1, "meadow"),
    Case("labels as polygons whose rings cross", LABELS, layer([BOWTIE], columns={"name": ["field"]}), 0, "", wrote("m.json")),
    Case("labels as polygons and a point", LABELS, layer([HALF, Point(0, 0)], columns={"name": ["field"] * 2}), 0, "", wrote("m.json")),
    Case("labels as polygons elsewhere", LABELS, layer([box(9e5, 5e6, 9.1e5, 5.1e6)], columns={"name": ["field"]}), 1, r"x\.gpkg|pixels"),
]  # fmt: skip
