"""``labels check``: what sources say, where they contradict each other, and what it returns."""

import geopandas as gpd
import numpy as np
import pytest
import shapely
import yaml
from scene_files import UTM, X0, Y0, write

from hierars_geo.cli import main


@pytest.fixture
def configured(tmp_path):
    """A configuration of an image, a product of another legend, and two points."""
    write(tmp_path / "image.tif", np.ones((8, 8), dtype="uint16"))
    cover = np.full((8, 8), 10)
    cover[:, 4:] = 80
    product = write(tmp_path / "cover.tif", cover.astype("uint8"))
    points = [shapely.Point(X0 + 15, Y0 - 15), shapely.Point(X0 + 65, Y0 - 15)]
    frame = gpd.GeoDataFrame({"kind": ["Forest", "Road"]}, geometry=points, crs=UTM)
    frame.to_file(tmp_path / "points.gpkg")

    def write_config(**point_options):
        data = {
            "images": [str(tmp_path / "image.tif")],
            "sensor": "generic",
            "taxonomy": "mm5b",
            "labels": [
                {"path": str(product), "taxonomy": "esa_worldcover"},
                {"path": str(tmp_path / "points.gpkg"), "attribute": "kind"} | point_options,
            ],
        }
        path = tmp_path / "data.yaml"
        content = {"data": {"class_path": "hierars_geo.datamodules.SceneDataModule", "init_args": data}}
        path.write_text(yaml.safe_dump(content))
        return str(path)

    return write_config


def test_contradictions_of_one_priority_are_listed_and_fail(configured, capsys):
    assert main(["labels", "check", configured()]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "cover.tif: 64 pixels (100.00 % of the ground), priority 0; decided L1 50.0 %, L2 50.0 %" in out
    assert "points.gpkg: 2 pixels (3.12 % of the ground)" in out
    assert "2 pixels of both, 1 contradict (50.00 %); give them a priority" in out
    assert "Water against Road: 1" in out


def test_with_a_priority_nothing_is_left_to_settle_and_a_picture_is_drawn(configured, tmp_path, capsys):
    picture = tmp_path / "labels.png"
    assert main(["labels", "check", configured(priority=1), "-o", str(picture)]) == 0
    assert "1 contradict (50.00 %); the higher priority counts" in capsys.readouterr().out
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_what_is_no_data_module_is_refused_in_one_line(tmp_path, capsys):
    path = tmp_path / "x.yaml"
    path.write_text("model: {}\n")
    assert main(["labels", "check", str(path)]) == 2
    assert "to hold a data module with labels" in capsys.readouterr().err
    path.write_text("data: {class_path: a.Other, init_args: {}}\n")
    assert main(["labels", "check", str(path)]) == 2
    assert "class_path of data to be one of" in capsys.readouterr().err
