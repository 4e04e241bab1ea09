"""STAC documents and addresses: items alone, in collections and below catalogs, on disk and by HTTP."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pystac
import pytest
from raster_factory import coordinates

from hierars_geo.errors import MissingFileError, RasterError
from hierars_geo.grid import Window
from hierars_geo.scenes import Scene, item_addresses
from hierars_geo.scenes.raster_paths import gdal_name, resolve_href

WHOLE = Window(0, 0, 8, 9)
TIME = datetime(2021, 7, 1, 3, 25, tzinfo=UTC)


def make_item(make_raster, name, keys=("blue", "red"), first=0.0, **properties):
    """An item with a file per band; values say band and place."""
    item = pystac.Item(name, None, None, TIME, {"constellation": "sentinel-2", **properties})
    for number, key in enumerate(keys):
        make_raster(f"{name}/{key}.tif", coordinates(1, 8, 9) + first + number * 100_000)
        extra = {"eo:bands": [{"name": key, "common_name": key}]}
        item.add_asset(key, pystac.Asset(f"./{key}.tif", media_type="image/tiff", extra_fields=extra))
    return item


@pytest.fixture
def catalog(make_raster, tmp_path):
    """A catalog with a collection of two items, as pystac saves it: relative links all the way."""
    root = pystac.Catalog("root", "all")
    extent = pystac.Extent(pystac.SpatialExtent([[0, 0, 1, 1]]), pystac.TemporalExtent([[TIME, None]]))
    collection = pystac.Collection("s2", "scenes", extent)
    root.add_child(collection)
    collection.add_items([make_item(make_raster, "a"), make_item(make_raster, "b", first=0.5)])
    root.normalize_hrefs(str(tmp_path / "stac"))
    for item in root.get_items(recursive=True):
        for asset in item.assets.values():
            asset.href = f"../../../{item.id}/{asset.href.removeprefix('./')}"
    root.save(catalog_type=pystac.CatalogType.SELF_CONTAINED)
    return tmp_path / "stac" / "catalog.json"


@pytest.mark.parametrize("name", ["catalog.json", "s2/collection.json"])
def test_every_item_below_a_catalog_is_a_scene(catalog, name):
    found = item_addresses(str(catalog.parent / name))
    assert [address.rsplit("/", 1)[-1] for address in found] == ["a.json", "b.json"]
    for address, first in zip(found, (0.0, 0.5), strict=True):
        with Scene.open(address, bands=["B04", "B02"]) as scene:  # by common name, in the wanted order
            image, valid = scene.read(WHOLE)
            assert valid.all()
            np.testing.assert_array_equal(image[1], coordinates(1, 8, 9)[0] + first)
            np.testing.assert_array_equal(image[0], image[1] + 100_000)
            assert scene.acquired == TIME
            assert scene.name == address.rsplit("/", 1)[-1][0]


def test_items_of_an_item_collection_are_named_after_its_file(make_raster, tmp_path):
    items = [make_item(make_raster, name) for name in ("a", "b#2")]
    for item in items:
        for asset in item.assets.values():
            asset.href = (tmp_path / item.id / asset.href).resolve().as_uri()  # file:///...
    path = tmp_path / "found.json"
    pystac.ItemCollection(items).save_object(str(path))
    found = item_addresses(str(path))
    assert found == [f"{path}#a", f"{path}#b#2"]
    with Scene.open(found[0], bands=["blue"]) as scene:
        np.testing.assert_array_equal(scene.read(WHOLE).data, coordinates(1, 8, 9))
    with pytest.raises(RasterError, match=r"one STAC item, but got 2 of 2 .a, b#2; in .*found\.json.*#ID"):
        Scene.open(path, bands=["blue"])
    with pytest.raises(RasterError, match="one STAC item, but got 0 of 2"):
        Scene.open(f"{path}#c", bands=["blue"])


def test_one_asset_with_all_bands_is_taken_by_their_names_in_the_item(make_raster, tmp_path):
    item = make_item(make_raster, "a")
    make_raster("a/stack.tif", coordinates(3, 8, 9))
    bands = [{"name": name} for name in ("B08", "B03", "B02")]
    item.add_asset(
        "stack", pystac.Asset("./stack.tif", media_type="image/tiff", extra_fields={"bands": bands})
    )
    path = tmp_path / "a" / "item.json"
    item.save_object(False, str(path))
    with Scene.open(path, bands=["B02", "B8"]) as scene:
        np.testing.assert_array_equal(scene.read(WHOLE).data, coordinates(3, 8, 9)[[2, 0]])
    with Scene.open(path, bands=["B02", "B04"]) as scene:  # not in the stack: from the band files
        assert len(scene.paths) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"type": "FeatureCollection", "features": [{"type": "Feature"}]},
            "features without assets.*--region",
        ),
        ({"type": "FeatureCollection", "features": []}, "Expected STAC items, but got none"),
        ({"type": "Nonsense"}, "item collection, catalog or collection, but got type 'Nonsense'"),
        ([1], "it is no JSON object"),
        ({"type": "Catalog"}, "whose links can be followed"),
    ],
)
def test_what_is_no_stac_is_said(tmp_path, content, message):
    path = tmp_path / "x.json"
    path.write_text(json.dumps(content))
    with pytest.raises(RasterError, match=message):
        item_addresses(str(path))
    with pytest.raises(MissingFileError, match=r"gone\.json to be a STAC document"):
        item_addresses(str(tmp_path / "gone.json"))


@pytest.mark.parametrize(
    ("address", "opened"),
    [
        ("https://host/a/b.tif?sig=1", "/vsicurl/https://host/a/b.tif?sig=1"),
        ("s3://bucket/a/b.tif", "/vsis3/bucket/a/b.tif"),
        ("gs://bucket/b.tif", "/vsigs/bucket/b.tif"),
        ("az://container/b.tif", "/vsiaz/container/b.tif"),
        ("/vsizip/a.zip/b.tif", "/vsizip/a.zip/b.tif"),
        ("zip://a.zip!b.tif", "zip://a.zip!b.tif"),
        ("file:///data/a%20b.tif", "/data/a b.tif"),
        ("maps/a.tif", "maps/a.tif"),
    ],
)
def test_addresses_become_names_of_gdals_file_systems(address, opened):
    assert gdal_name(address) == opened


def test_relative_addresses_follow_their_document():
    assert resolve_href("../b.tif", "https://host/x/items/a.json?t=1") == "https://host/x/b.tif"
    assert resolve_href("./b.tif", "s3://bucket/x/a.json") == "s3://bucket/x/b.tif"
    assert resolve_href("/data/b.tif", "x/a.json") == "/data/b.tif"
    assert resolve_href("s3://other/b.tif", "x/a.json") == "s3://other/b.tif"


@pytest.fixture
def server(tmp_path):
    """Address of a server of the test's folder, and what tells how many bytes it sent in parts."""
    script = Path(__file__).with_name("range_server.py")
    command = [sys.executable, str(script), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:

        def sent():
            process.kill()
            return sum(map(int, process.stdout.read().split()))

        yield f"http://127.0.0.1:{int(process.stdout.readline())}", sent
        process.kill()


def test_scenes_are_read_by_http_in_parts(make_raster, catalog, server):
    """Nothing but 127.0.0.1 is asked."""
    base, sent = server
    make_raster("large.tif", coordinates(1, 512, 512), tiled=True, blockxsize=64, blockysize=64)
    found = item_addresses(f"{base}/stac/catalog.json")
    assert found[0] == f"{base}/stac/s2/a/a.json"
    with Scene.open(found[0], bands=["B02"]) as scene:
        np.testing.assert_array_equal(scene.read(WHOLE).data, coordinates(1, 8, 9))
    with pytest.raises(RasterError, match=r"gone\.tif to be a raster that GDAL can read"):
        Scene.open(f"{base}/gone.tif")
    with Scene.open(f"{base}/large.tif") as scene:
        assert scene.name == "large"
        window = Window(100, 200, 10, 20)
        rows, cols = window.slices()
        np.testing.assert_array_equal(scene.read(window).data, coordinates(1, 512, 512)[:, rows, cols])
    assert 0 < sent() < 512 * 512 * 4 / 4
