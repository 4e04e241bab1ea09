"""The STAC item of a prediction: valid, says what the rasters hold, points to what it was made from."""

import json

import pystac.validation
import pytest
import rasterio
from affine import Affine
from pyproj import Transformer

from hierars_geo.predict import PredictOptions, Predictor
from hierars_geo.taxonomy import Taxonomy

MM5B = Taxonomy.from_yaml("mm5b")


@pytest.fixture
def predict(save_checkpoint, tmp_path):
    def run(scene, **options):
        predictor = Predictor(
            save_checkpoint(), PredictOptions(confidence=True, depth_threshold=0.5), device="cpu"
        )
        return json.loads(predictor.predict(scene, tmp_path / "out" / "maps").item.read_text())

    return run


def test_the_item_is_valid_and_agrees_with_the_rasters(predict, write_scene, tmp_path):
    item = predict(write_scene())
    pystac.validation.validate_dict(item, extensions=[])
    properties, assets = item["properties"], item["assets"]
    assert {url.split("/")[3] for url in item["stac_extensions"]} == {
        "classification",
        "processing",
        "projection",
        "raster",
    }
    assert properties["processing:level"] == "L4"
    assert "mm5b" in properties["processing:lineage"]
    assert not [link for link in item["links"] if link["rel"] == "derived_from"]
    for name, asset in assets.items():
        with rasterio.open(tmp_path / "out" / "maps" / asset["href"]) as dataset:
            assert (asset["data_type"], asset["nodata"]) == (dataset.dtypes[0], dataset.nodata)
            assert properties["proj:shape"] == list(dataset.shape)
            assert properties["proj:transform"] == list(dataset.transform)[:6]
        assert asset["raster:spatial_resolution"] == pytest.approx(properties["gsd"])
        assert ("classification:classes" in asset) == (not name.startswith("conf"))
    classes = assets["L3"]["classification:classes"]
    assert [(entry["value"], entry["title"]) for entry in classes] == list(
        zip(MM5B.class_values(3), MM5B.class_names(3), strict=True)
    )
    assert [entry["value"] for entry in assets["depth"]["classification:classes"]] == [0, 1, 2, 3]


def test_the_item_of_the_source_is_linked_relative_to_the_maps(predict, write_scene):
    scene = write_scene()
    source = {"type": "Feature", "stac_version": "1.1.0", "id": "scene"}
    scene.with_suffix(".json").write_text(json.dumps(source))
    (link,) = [link for link in predict(scene)["links"] if link["rel"] == "derived_from"]
    assert link["href"] == "../../scene.json"


@pytest.mark.parametrize("text", ["{", "[]", '{"type": "Feature"}'])
def test_another_file_of_that_name_is_no_source(predict, write_scene, text):
    scene = write_scene()
    scene.with_suffix(".json").write_text(text)
    assert not [link for link in predict(scene)["links"] if link["rel"] == "derived_from"]


def test_a_scene_across_180_and_a_sign_in_its_name(predict, write_scene, tmp_path):
    x, y = Transformer.from_crs(4326, 32601, always_xy=True).transform(180, 65)
    transform = Affine(10, 0, x - 650, 0, -10, y + 750)
    item = predict(write_scene("x#1", crs="EPSG:32601", transform=transform))
    pystac.validation.validate_dict(item, extensions=[])
    assert item["bbox"][::2] == pytest.approx([179.986, -179.986], abs=0.001)
    assert item["geometry"]["type"] == "MultiPolygon"
    assert item["assets"]["L1"]["href"] == "./x%231_L1.tif"
    assert (tmp_path / "out" / "maps" / "x#1_L1.tif").is_file()
