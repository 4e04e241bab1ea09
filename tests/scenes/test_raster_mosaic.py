"""A mosaic of many tiles keeps few of them open."""

import numpy as np
import pytest
from affine import Affine
from raster_factory import NORTH_UP, coordinates

from hierars_geo.grid import Window
from hierars_geo.scenes import Mosaic


def open_tiles(scene):
    return len(scene._reader.pool)


def test_few_of_many_tiles_are_open_and_every_pixel_is_right(make_raster, monkeypatch):
    monkeypatch.setattr("hierars_geo.scenes.scene._MOST_OPEN_FILES", 5)
    whole = coordinates(1, 24, 30)
    paths = [
        make_raster(
            f"t{row}_{col}.tif",
            whole[:, row : row + 4, col : col + 5],
            transform=NORTH_UP @ Affine.translation(col, row),
        )
        for row in range(0, 24, 4)
        for col in range(0, 30, 5)
    ]
    most = 0
    with Mosaic.of_tiles(paths) as scene:
        assert len(scene._tiles) == 36
        for row in range(0, 20, 3):
            for col in range(0, 20, 3):
                window = Window(row, col, 6, 10)  # touches up to nine tiles: more than may be open
                image, valid = scene.read(window)
                rows, cols = window.slices()
                inside = whole[:, rows, cols]
                assert valid[: inside.shape[1], : inside.shape[2]].all()
                np.testing.assert_array_equal(image[:, : inside.shape[1], : inside.shape[2]], inside)
                most = max(most, open_tiles(scene))
        assert 3 < most <= 5
    assert open_tiles(scene) == 0


def test_a_released_tile_is_opened_again(make_raster):
    path = make_raster("a.tif", coordinates(1, 4, 4))
    with Mosaic.of_tiles([path]) as scene:
        window = Window(0, 0, 4, 4)
        before = scene.read(window).data
        scene._reader.pool.close()
        assert open_tiles(scene) == 0
        np.testing.assert_array_equal(scene.read(window).data, before)
    with pytest.raises(Exception, match="closed"):
        scene.read(window)
