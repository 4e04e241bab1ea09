"""Outlines of items across the 180th meridian, over poles and beyond 180 degrees; signs in names."""

import json

import numpy as np
import pystac
import pystac.validation
import pytest
import shapely
from affine import Affine
from pyproj import Transformer
from scene_files import write

from hierars_geo.catalog import BuildOptions, build_catalog, validate_catalog
from hierars_geo.maps.styles.stac import href_of, joint_bbox, path_of

DAY = BuildOptions(time="2020-06-01")


def built(tmp_path, name="am.tif", **place):
    write(tmp_path / "scenes" / name, np.full((192, 256), 500, "uint16"), **place)
    path = build_catalog(tmp_path / "scenes", tmp_path / "c", DAY).path
    collection = pystac.Collection.from_file(str(path))
    (item,) = collection.get_items()
    pystac.validation.validate_dict(item.to_dict(), extensions=[])
    assert collection.extent.spatial.bboxes == [item.bbox]
    assert validate_catalog(tmp_path / "c") == []
    return item


def test_a_utm_scene_across_180_is_cut_there_and_its_bbox_runs_eastwards(tmp_path):
    x, y = Transformer.from_crs(4326, 32601, always_xy=True).transform(180, 65)
    item = built(tmp_path, crs="EPSG:32601", transform=Affine(100, 0, x - 12800, 0, -100, y + 9600))
    assert item.bbox == pytest.approx([179.72, 64.91, -179.72, 65.09], abs=0.01)
    west, east = sorted(shapely.get_parts(shapely.geometry.shape(item.geometry)), key=lambda p: p.bounds[0])
    assert (west.bounds[0], east.bounds[2]) == (-180, 180)
    assert west.exterior.is_ccw


def test_a_scene_over_a_pole_reaches_to_it(tmp_path):
    item = built(tmp_path, crs="EPSG:3413", transform=Affine(100, 0, -12800, 0, -100, 9600))
    assert item.bbox == pytest.approx([-180, 89.85, 180, 90], abs=0.01)
    outline = shapely.geometry.shape(item.geometry)
    assert shapely.contains_xy(outline, [-170, 0, 90], [89.95] * 3).all()


def test_longitudes_beyond_180_are_written_as_others_write_them(tmp_path):
    item = built(tmp_path, crs="EPSG:4326", transform=Affine(0.1, 0, 170, 0, -0.1, 10))
    assert item.bbox == [170, pytest.approx(-9.2), pytest.approx(-164.4), 10]


@pytest.mark.parametrize("name", ["x#1.tif", "50% of?it.tif", "a b ü.tif"])
def test_signs_in_names_do_not_end_a_reference(tmp_path, name):
    item = built(tmp_path, name, transform=Affine(100, 0, 5e5, 0, -100, 4e6))
    (asset,) = item.assets.values()
    assert path_of(asset.get_absolute_href()) == str(tmp_path / "scenes" / name)
    assert "#" not in asset.href


def test_references_are_read_back():
    for name in ("./a#b.tif", "50%25.tif", "?x", "plain ä.tif"):
        assert path_of(href_of(name)) == name
    assert href_of("plain ä.tif") == "plain ä.tif"


def test_boxes_join_across_180_only_where_one_of_them_is_there():
    assert joint_bbox([(179, 0, -179, 1), (-170, -5, -160, 0)]) == [179, -5, -160, 1]
    assert joint_bbox([(179, 0, -179, 1), (170, 0, 175, 1)]) == [170, 0, -179, 1]
    assert joint_bbox([(-120, 30, -110, 40), (130, 30, 140, 40)]) == [-120, 30, 140, 40]
    assert joint_bbox([(-180, 80, 180, 90), (5, 0, 6, 1)]) == [-180, 0, 180, 90]


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda item: item["geometry"].update(type="Polygon", coordinates=WORLD_BAND), "outline"),
        (lambda item: item["geometry"].update(type="Polygon", coordinates=ELSEWHERE), "outline"),
        (lambda item: item.update(bbox=[-179.99, 36.1, 179.99, 36.3]), "bbox"),
    ],
)
def test_an_outline_that_its_raster_contradicts_is_found(tmp_path, change, kind):
    built(tmp_path, transform=Affine(100, 0, 5e5, 0, -100, 4e6))
    (path,) = (path for path in (tmp_path / "c").rglob("*.json") if path.name != "collection.json")
    item = json.loads(path.read_text())
    change(item)
    path.write_text(json.dumps(item))
    assert kind in {problem.kind for problem in validate_catalog(tmp_path / "c")}


def ring(west, south, east, north):
    return [[[west, south], [east, south], [east, north], [west, north], [west, south]]]


WORLD_BAND = ring(-179.99, 35.9, 179.99, 36.2)
ELSEWHERE = ring(117.0, 35.97, 117.05, 36.14)
