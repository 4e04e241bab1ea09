"""What a training leaves out is left out of its predictions, unless they are told otherwise."""

import json

import numpy as np
import pytest
import rasterio
from raster_factory import write_raster

from hierars_geo.cli import main
from hierars_geo.errors import OptionError
from hierars_geo.predict import PredictOptions

SIDE = 64


@pytest.fixture
def cloudy(write_scene, tmp_path):
    """Two scenes with a cloud and a shadow each, by their SCL; the pixels of either."""
    values = np.full((SIDE // 2, SIDE // 2), 4, dtype="uint8")
    values[4:9, 6:12], values[20:25, 3:9] = 9, 3
    for number in range(2):
        path = write_scene(f"tiles/s_{number}", SIDE, SIDE, corner=0)
        with rasterio.open(path) as scene:
            place = {"transform": scene.transform @ scene.transform.scale(2), "crs": scene.crs}
        write_raster(path.with_name(f"s_{number}_SCL.tif"), values, **place)
    return (values == 9).repeat(2, 0).repeat(2, 1), (values == 3).repeat(2, 0).repeat(2, 1)


def test_recipe_and_command_line_say_what_is_left_out(save_checkpoint, cloudy, tmp_path, capsys):
    cloud, shadow = cloudy
    read = {
        "bands": ["B02", "B03", "B04", "B08"],
        "sensor": "sentinel2",
        "nodata": None,
        "nodata_rule": "all",
    }
    read |= {"harmonize": False, "resampling": "bilinear", "mask": {"classes": ["cloud"]}}
    checkpoint = str(save_checkpoint(read=read))
    scene = str(tmp_path / "tiles" / "s_0.tif")

    def predicted(name, *options):
        out = tmp_path / name
        assert main(["predict", checkpoint, scene, "-o", str(out), "--device", "cpu", *options]) == 0
        with rasterio.open(out / "s_0_L1.tif") as written:
            return written.read(1) != written.nodata, json.loads((out / "s_0.json").read_text())

    held, item = predicted("as_trained")
    np.testing.assert_array_equal(held, ~cloud)
    assert any("pixels of cloud are left out" in note for note in item["properties"]["hierars:notes"])
    np.testing.assert_array_equal(predicted("both", "--mask", "cloud,shadow")[0], ~(cloud | shadow))
    np.testing.assert_array_equal(predicted("all", "--mask", "none")[0], np.ones_like(cloud))
    wide = predicted("wide", "--mask", "shadow", "--mask-dilation-m", "10")[0]
    grown = shadow.copy()
    for axis in (0, 1):
        for step in (-1, 1):
            grown |= np.roll(shadow, step, axis)
    np.testing.assert_array_equal(wide, ~grown)
    # masks that a pattern finds are read, not predicted
    pattern = str(tmp_path / "tiles" / "*.tif")
    assert main(["predict", checkpoint, pattern, "-o", str(tmp_path / "tiled"), "--device", "cpu"]) == 0
    assert sorted(path.name for path in (tmp_path / "tiled").glob("*_L1.tif")) == ["s_0_L1.tif", "s_1_L1.tif"]
    assert main(["predict", checkpoint, scene, "-o", str(tmp_path / "x"), "--mask", "fog"]) == 2
    assert "got 'fog'" in capsys.readouterr().err


def test_a_width_needs_a_mask():
    from hierars_geo.types import ReadRecipe

    with pytest.raises(OptionError, match="Expected mask with mask_dilation_m"):
        PredictOptions(mask_dilation_m=20.0).reading.overruled(ReadRecipe(("B02",)))
