"""Points as labels through the data module: where chips are read, which ground they share, what is said."""

import geopandas as gpd
import numpy as np
import pytest
import shapely
from scene_files import UTM, X0, Y0, coordinates, write

from hierars_geo.datamodules import SceneDataModule
from hierars_geo.errors import DataNotice

SIDE = 400


@pytest.fixture
def files(tmp_path):
    """An image of 400 px and 40 points in two classes; the class of a point is told by its place."""
    rng = np.random.default_rng(2)
    rows, cols = rng.integers(5, SIDE - 5, (2, 40))
    places = [shapely.Point(X0 + 10 * c + 5, Y0 - 10 * r - 5) for r, c in zip(rows, cols, strict=True)]
    kinds = ["Pond" if c < SIDE // 2 else "Road" for c in cols]
    gpd.GeoDataFrame({"kind": kinds}, geometry=places, crs=UTM).to_file(tmp_path / "points.gpkg")
    image = write(tmp_path / "i.tif", coordinates(SIDE, SIDE) + 1)
    return {
        "images": [str(image)],
        "sensor": "generic",
        "taxonomy": "mm5b",
        "labels": [{"path": str(tmp_path / "points.gpkg"), "attribute": "kind"}],
        "chips": {"size": 32, "per_epoch": 40},
        "loader": {"batch_size": 8},
        "normalization": {"method": "none"},
    }, {(r, c) for r, c in zip(rows.tolist(), cols.tolist(), strict=True)}


def labelled(loader):
    """Rows and columns of the image that chips label, and how many chips there are without a label."""
    found, empty = set(), 0
    for batch in loader:
        for mask, (left, _, _, top) in zip(batch["mask"].numpy(), batch["bounds"], strict=True):
            row, col = round((Y0 - top) / 10), round((left - X0) / 10)
            here = np.argwhere(mask >= 0)
            empty += not len(here)
            found |= {(row + r, col + c) for r, c in here.tolist()}
    return found, empty


@pytest.mark.parametrize("sampler", ["random", "balanced"])
def test_every_chip_shows_a_point_and_no_point_is_in_two_splits(files, sampler):
    options, points = files
    options["chips"] |= {"sampler": sampler}
    data = SceneDataModule(**options, splits={"val_fraction": 0.3, "test_fraction": 0.2, "block_m": 400})
    data.setup("fit")
    train, empty = labelled(data.train_dataloader())
    val, _ = labelled(data.val_dataloader())
    test, _ = labelled(data.test_dataloader())
    assert empty == 0
    assert train | val | test <= points
    assert len(train) > 10
    assert not train & (val | test)
    assert not val & test


def test_points_outside_the_images_are_counted_with_their_file(files, tmp_path):
    options, _ = files
    places = [shapely.Point(X0 + 100, Y0 - 100), shapely.Point(X0 - 9000, Y0), shapely.Point(X0, Y0 + 9000)]
    gpd.GeoDataFrame({"kind": ["Pond"] * 3}, geometry=places, crs=UTM).to_file(tmp_path / "points.gpkg")
    with pytest.warns(DataNotice, match=r"2 of 3 points and lines of .*points\.gpkg lie outside the images"):
        _ = SceneDataModule(**options, splits={"val_fraction": 0, "test_fraction": 0}).scenes.dataset
