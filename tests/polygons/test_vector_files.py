"""Vector files that need more than one look: new CRS codes, Parquet's own geometry, databases in use."""

import subprocess
import sys

import geopandas as gpd
import pyarrow
import pyarrow.parquet
import pyogrio
import pytest
import rasterio.crs
import rasterio.errors
import shapely
from pyproj import CRS

from hierars_geo.errors import DataError
from hierars_geo.polygons import read_layer, read_polygon_table

SQUARES = [
    shapely.box(500_000, 5_000_000, 500_100, 5_000_100),
    shapely.box(500_200, 5_000_000, 500_300, 5_000_100),
]


@pytest.mark.parametrize("suffix", [".gpkg", ".fgb"])
def test_a_crs_that_gdal_knows_and_pyproj_does_not_is_read(tmp_path, suffix):
    code = "EPSG:11023"  # ETRS89-NOR / UTM 33N; unknown to pyproj 3.7, known to 3.8
    try:
        crs = CRS.from_wkt(rasterio.crs.CRS.from_user_input(code).to_wkt())
    except rasterio.errors.CRSError:
        pytest.skip("the PROJ of rasterio 1.4.3 does not know it either")
    path = tmp_path / f"new{suffix}"
    pyogrio.write_dataframe(gpd.GeoDataFrame({"kind": ["a", "b"]}, geometry=SQUARES, crs=crs), path)
    found = read_layer(path).sort_values("kind")  # FlatGeobuf keeps an order of its own
    assert found.kind.tolist() == ["a", "b"]
    assert found.geometry.tolist() == SQUARES
    assert "UTM zone 33N" in found.crs.name
    table = read_polygon_table(str(path), ["kind"])
    assert sorted(table.columns.kind) == ["a", "b"]


def test_parquet_with_a_geometry_of_its_own_needs_no_metadata(tmp_path):
    table = pyarrow.table(
        gpd.GeoDataFrame({"kind": ["a", "b"]}, geometry=SQUARES, crs=32633).to_arrow(geometry_encoding="WKB")
    )
    path = tmp_path / "native.parquet"
    pyarrow.parquet.write_table(table.replace_schema_metadata(None), path)
    found = read_layer(path)
    assert found.geometry.tolist() == SQUARES
    assert found.crs == CRS.from_epsg(32633)
    assert read_polygon_table(str(path), ["kind"]).columns.kind.tolist() == ["a", "b"]


def test_parquet_without_geometry_is_refused_in_our_words(tmp_path):
    path = tmp_path / "plain.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"kind": ["a"]}), path)
    with pytest.raises(
        DataError, match=r"neither a column of Parquet's type GEOMETRY nor the metadata 'geo'"
    ):
        read_layer(path)


@pytest.mark.slow  # GDAL asks a locked database for ten seconds
def test_a_geopackage_that_somebody_writes_to_is_named_so(tmp_path):
    path = tmp_path / "open.gpkg"
    gpd.GeoDataFrame({"kind": ["a"]}, geometry=SQUARES[:1], crs=32633).to_file(path)
    writing = (
        "import sqlite3, sys\n"
        f"c = sqlite3.connect({str(path)!r}, isolation_level=None)\n"
        "c.execute('begin exclusive'); c.execute('create table edit(x)')\n"
        "print('ready', flush=True); sys.stdin.readline()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", writing], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as qgis:
        assert qgis.stdout.readline() == "ready\n"
        with pytest.raises(DataError, match="another program"):
            read_layer(path)
        qgis.stdin.write("\n")


def test_ground_that_a_ring_goes_round_twice_is_ground_whoever_reads_it(tmp_path):
    twice = shapely.Polygon(
        [(0, 0), (40, 0), (40, 40), (0, 40), (0, 0), (10, 10), (30, 10), (30, 30), (10, 30), (10, 10), (0, 0)]
    )
    path = tmp_path / "twice.gpkg"
    gpd.GeoDataFrame({"kind": ["a"]}, geometry=[twice], crs=32633).to_file(path)
    assert read_layer(path).geometry.area.tolist() == [1600.0]
    table = read_polygon_table(str(path), ["kind"])
    assert shapely.area(table.polygons).tolist() == [1600.0]
    assert "Repaired 1 polygons (feature 1)" in table.repaired
