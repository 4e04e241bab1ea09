"""A land-cover model carried over to crops, through the command line alone."""

import json
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import yaml
from shapely.geometry import box

from hierars_geo.cli import main
from hierars_geo.taxonomy import Taxonomy

CROPS = Taxonomy.from_yaml("crop10m")


@pytest.fixture(scope="module")
def crops(tmp_path_factory):
    """Two crop scenes."""
    folder = tmp_path_factory.mktemp("crops")
    options = ["--size-m", "1280", "--sensors", "sentinel2", "--scenes", "1", "--crops"]
    assert main(["synth", str(folder), *options]) == 0
    return folder


@pytest.fixture(scope="module")
def transfer_config(workplace, crops, checkpoint):
    """A configuration for the crops, with the land-cover model as the source."""

    def write(folder, **changes):
        path = Path(
            workplace.config(
                folder,
                data__images=[str(crops / "crop_train" / "crop_train_S2.tif")],
                data__labels=[str(crops / "crop_train" / "crop_train_labels.tif")],
                data__taxonomy="crop10m",
                trainer__max_steps=6,
            )
        )
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        groups = {"optimizer": {"lr": 0.003}, "interaction": {"heads": 2}}
        options = {"source": checkpoint} | groups | changes
        content["model"] = {"class_path": "hierars_geo.tasks.TransLUTask", "init_args": options}
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return str(path)

    return write


@pytest.fixture(scope="module")
def crop_maps(crops, transfer_config, tmp_path_factory):
    """Maps of the test scene by a model of two branches."""
    folder = tmp_path_factory.mktemp("transfer")
    assert main(["fit", "--config", transfer_config(folder)]) == 0
    model = folder / "runs" / "lightning_logs" / "version_0" / "checkpoints" / "last.ckpt"
    image = crops / "crop_test" / "crop_test_S2.tif"
    options = ["--confidence", "--device", "cpu"]
    assert main(["predict", str(model), str(image), "-o", str(folder / "maps"), *options]) == 0
    return folder / "maps"


def test_from_a_land_cover_model_to_the_area_of_every_crop_in_every_field(crop_maps, tmp_path):
    with rasterio.open(crop_maps / "crop_test_S2_L3.tif") as dataset:
        crs, bounds, leaves = dataset.crs, dataset.bounds, dataset.read(1)
    levels = [rasterio.open(crop_maps / f"crop_test_S2_L{level}.tif").read(1) for level in (1, 2)]
    found = set(zip(*(level.ravel().tolist() for level in (*levels, leaves)), strict=True))
    assert found <= {tuple(path) for path in CROPS.paths.tolist()} | {(255, 255, 255)}
    item = json.loads((crop_maps / "crop_test_S2.json").read_text(encoding="utf-8"))
    transfer = item["properties"]["hierars:model"]["transfer"]
    assert (transfer["source"]["taxonomy"], transfer["cdks"], transfer["cdsa"]) == ("mm5b", True, True)

    assert main(["vectorize", str(crop_maps), "-o", str(tmp_path / "crops.gpkg")]) == 0
    layer = geopandas.read_file(tmp_path / "crops.gpkg", layer="L3")
    assert set(layer["class_value"]) == set(np.unique(leaves).tolist()) - {CROPS.nodata_value}
    assert layer["confidence"].between(0, 100).all()

    middle = (bounds.left + bounds.right) / 2
    halves = [(bounds.left, middle), (middle, bounds.right)]
    fields = geopandas.GeoDataFrame(
        {"field": ["west", "east"]},
        geometry=[box(left, bounds.bottom, right, bounds.top) for left, right in halves],
        crs=crs,
    )
    fields.to_file(tmp_path / "fields.gpkg")
    options = ["--by", str(tmp_path / "fields.gpkg"), "--id", "field", "--levels", "3"]
    assert main(["areas", str(crop_maps), *options, "-o", str(tmp_path / "areas.gpkg")]) == 0
    table = geopandas.read_file(tmp_path / "areas.gpkg", layer="classes")
    columns = leaves.shape[1] // 2
    for name, half in (("west", leaves[:, :columns]), ("east", leaves[:, columns:])):
        of_field = table[table["field"] == name].set_index("class_value")
        mapped = half[half != CROPS.nodata_value]
        for value, pixels in zip(*np.unique(mapped, return_counts=True), strict=True):
            expected = 100.0 * pixels  # pixels of 10 m; on the ellipsoid within the UTM scale
            assert of_field.loc[value, "area_m2"] == pytest.approx(expected, rel=2e-3)
            assert 0 <= of_field.loc[value, "confidence"] <= 100


def test_a_source_for_other_bands_or_without_the_anchored_class_is_one_line(
    transfer_config, tmp_path, capsys
):
    tree = CROPS.to_dict() | {"name": "crops", "anchors": {"L2/cropland": "mm5b/L2/Crops"}}
    (tmp_path / "crops.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    config = transfer_config(tmp_path)
    capsys.readouterr()
    anchors = ["--data.init_args.taxonomy", str(tmp_path / "crops.yaml")]
    assert main(["fit", "--config", config, *anchors]) == 1
    said = capsys.readouterr().err
    assert "but got 'Crops'. Did you mean: Cropland" in said
    bands = ["--data.init_args.bands", '["red", "nir"]']
    assert main(["fit", "--config", config, *bands]) in (1, 2)
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert "The source model was trained on the bands" in said
    assert main(["fit", "--config", config, "--model.init_args.source", str(tmp_path / "no.ckpt")]) == 1
    assert "no.ckpt to be a checkpoint, but it does not exist" in capsys.readouterr().err
