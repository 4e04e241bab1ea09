"""Files as other programs want them: borders that bend, databases that nobody left a log beside, columns."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from functools import partial

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from affine import Affine
from pyproj import Transformer
from raster_factory import write_raster
from vector_factory import COVER

from hierars_geo.accuracy import sample_points
from hierars_geo.scenes import DataNotice
from hierars_geo.vector import class_areas, vectorize

UTM = Affine(100, 0, 3e5, 0, -100, 6.7e6)


def write(path, values, crs="EPSG:32633", transform=UTM):
    return write_raster(path, values.astype(np.uint8), crs=crs, transform=transform, nodata=0)


def drawn(path, crs):
    """Polygons of a GeoJSON as a web map draws them, its straight edges followed back into a CRS."""
    table = gpd.read_file(path)
    back = Transformer.from_crs(4326, crs, always_xy=True).transform
    fine = shapely.segmentize(table.geometry.to_numpy(), 0.002)
    return table, shapely.transform(fine, lambda xy: np.column_stack(back(xy[:, 0], xy[:, 1])))


@pytest.mark.parametrize(
    ("crs", "transform"),
    [(32633, UTM), (3413, Affine(100, 0, -5e4, 0, -100, 5.5e5)), (3035, Affine(100, 0, 4e6, 0, -100, 2e6))],
)
def test_long_borders_of_geojson_are_bent_to_a_tenth_of_a_pixel(tmp_path, crs, transform):
    values = np.full((1000, 1000), 11)
    values[:, 400:], values[600:, :] = 12, 13
    path = write(tmp_path / "m.tif", values, f"EPSG:{crs}", transform)
    vectorize(path, tmp_path / "m.geojson", COVER)
    left, top = transform.c, transform.f
    expected = {
        11: shapely.box(left, top - 6e4, left + 4e4, top),
        12: shapely.box(left + 4e4, top - 6e4, left + 1e5, top),
        13: shapely.box(left, top - 1e5, left + 1e5, top - 6e4),
    }
    table, polygons = drawn(tmp_path / "m_L2.geojson", crs)
    for value, polygon in zip(table.class_value, polygons, strict=True):
        assert shapely.hausdorff_distance(polygon.exterior, expected[value].exterior, densify=0.1) < 10.1
    coarse = gpd.read_file(tmp_path / "m_L1.geojson")
    assert shapely.coverage_is_valid(table.geometry.to_numpy())
    green = table.geometry[table.class_value.isin([11, 12])].union_all()
    assert green.equals(coarse.geometry[coarse.class_value == 1].iloc[0])


def test_a_square_over_the_pole_is_drawn_whole(tmp_path):
    path = write(tmp_path / "m.tif", np.full((200, 200), 11), "EPSG:3413", Affine(100, 0, -1e4, 0, -100, 1e4))
    vectorize(path, tmp_path / "m.geojson", COVER, levels=[2])
    (whole,) = gpd.read_file(tmp_path / "m.geojson").geometry
    xs, ys = np.random.default_rng(0).uniform(-15000, 15000, (2, 4000))
    lon, lat = Transformer.from_crs(3413, 4326, always_xy=True).transform(xs, ys)
    expected = np.maximum(np.abs(xs), np.abs(ys)) < 1e4
    assert (shapely.contains_xy(whole, lon, lat) == expected).mean() > 0.999
    assert whole.bounds[3] == 90


def test_polygons_across_180_are_cut_there(tmp_path):
    x, y = Transformer.from_crs(4326, 32601, always_xy=True).transform(180, 65)
    path = write(
        tmp_path / "m.tif", np.full((100, 100), 11), "EPSG:32601", Affine(100, 0, x - 5e3, 0, -100, y + 5e3)
    )
    vectorize(path, tmp_path / "m.geojson", COVER, levels=[2])
    (whole,) = gpd.read_file(tmp_path / "m.geojson").geometry
    assert sorted(part.bounds[0] > 0 for part in shapely.get_parts(whole)) == [False, True]
    assert [abs(bound) for bound in whole.bounds[::2]] == [180, 180]


@pytest.fixture
def class_map(tmp_path):
    values = np.tile(np.array([11, 12, 13]), (40, 14))
    return write(tmp_path / "map.tif", values)


def test_a_log_of_the_old_database_is_not_read_into_the_new_one(class_map, tmp_path):
    out = tmp_path / "p.gpkg"
    options = {"taxonomy": COVER, "minimum": 10, "overwrite": True}
    sample_points(class_map, out, points=40, **options)
    by = tmp_path / "d.gpkg"
    gpd.GeoDataFrame(geometry=[shapely.box(3e5, 6.69e6, 4e5, 6.7e6)], crs=32633).to_file(by)
    writers = (
        lambda: sample_points(class_map, out, points=400, **options),
        lambda: class_areas(class_map, by, out, COVER, overwrite=True),
        lambda: vectorize(class_map, out, COVER, overwrite=True),
    )
    for write_again in writers:
        with closing(sqlite3.connect(out)) as qgis:
            qgis.execute("pragma journal_mode=wal")
            qgis.execute("create table edit(x)")
            qgis.commit()
            assert (tmp_path / "p.gpkg-wal").exists()
            write_again()
            assert sorted(path.name for path in tmp_path.glob("p.gpkg*")) == ["p.gpkg"]
        read = f"import pyogrio; print(len(pyogrio.list_layers({str(out)!r})))"
        found = subprocess.run([sys.executable, "-c", read], capture_output=True, text=True, check=True)
        assert int(found.stdout) >= 2
        with closing(sqlite3.connect(out)) as database:
            assert database.execute("pragma user_version").fetchone() == (10300,)


def halves(**columns):
    geometry = [shapely.box(3e5, 6.69e6, 3.02e5, 6.7e6), shapely.box(3.02e5, 6.69e6, 3.04e5, 6.7e6)]
    return gpd.GeoDataFrame(columns, geometry=geometry, crs=32633)


@pytest.mark.parametrize(
    ("columns", "suffix", "expected"),
    [
        ({"fid": [7, 7], "name": ["a", "b"]}, ".gpkg", {"fid_": [7, 7], "name": ["a", "b"]}),
        ({"Name": ["a", "b"], "NAME": ["c", "d"]}, ".gpkg", {"Name": ["a", "b"], "NAME_": ["c", "d"]}),
        ({"Geom": ["a", "b"], "l1_CLASS": [1, 2]}, ".gpkg", {"Geom_": ["a", "b"], "l1_CLASS_": [1, 2]}),
        ({"bbox": [{"xmin": 0.5}] * 2}, ".parquet", {"bbox_": [{"xmin": 0.5}] * 2}),
        ({"L1_class": [1, 2], "L1_class_": [3, 4]}, ".csv", {"L1_class_": [1, 2], "L1_class__": [3, 4]}),
    ],
)
def test_columns_that_a_format_has_no_room_for_get_another_name(
    class_map, tmp_path, columns, suffix, expected
):
    halves(**columns).to_parquet(tmp_path / "by.parquet")
    out = tmp_path / f"out{suffix}"
    with pytest.warns(DataNotice, match=f"Renamed columns that {suffix[1:]} has no room for: '"):
        tables = class_areas(class_map, tmp_path / "by.parquet", out, COVER)
    read = {".gpkg": partial(gpd.read_file, layer="polygons"), ".parquet": gpd.read_parquet}
    found = read[suffix](out) if suffix in read else tables.polygons
    assert {name: found[name].tolist() for name in expected} == expected
    assert "L1_class" in found.columns


def test_lists_and_objects_are_json_in_a_geopackage_and_themselves_in_parquet(class_map, tmp_path):
    crops = [{"crop": "x", "years": [2019, 2020]}, None]
    halves(crops=crops, tags=[["a"], ["b", "ü"]]).to_parquet(tmp_path / "by.parquet")
    with pytest.warns(DataNotice, match="cannot hold as JSON: crops, tags"):
        class_areas(class_map, tmp_path / "by.parquet", tmp_path / "out.gpkg", COVER)
    found = gpd.read_file(tmp_path / "out.gpkg", layer="polygons")
    assert [None if pd.isna(text) else json.loads(text) for text in found.crops] == crops
    assert [json.loads(text) for text in found.tags] == [["a"], ["b", "ü"]]
    class_areas(class_map, tmp_path / "by.parquet", tmp_path / "out.parquet", COVER)
    assert gpd.read_parquet(tmp_path / "out.parquet").tags[1].tolist() == ["b", "ü"]


def test_an_id_column_with_a_name_of_the_table_is_kept_beside_it(class_map, tmp_path):
    halves(level=["x", "y"], fid=[3, 4]).to_parquet(tmp_path / "by.parquet")
    by_level = class_areas(class_map, tmp_path / "by.parquet", tmp_path / "a.csv", COVER, id_column="level")
    assert set(by_level.classes.level_) == {"x", "y"}
    assert set(by_level.classes.level) == {1, 2}
    with pytest.warns(DataNotice, match="'fid' to 'fid_'"):
        class_areas(class_map, tmp_path / "by.parquet", tmp_path / "b.gpkg", COVER, id_column="fid")
    assert set(gpd.read_file(tmp_path / "b.gpkg", layer="classes").fid_) == {3, 4}
