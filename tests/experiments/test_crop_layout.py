"""Painting a real map's fields: labels are its pixels, fields of a crop differ, dates lie between seasons."""

import numpy as np
import pytest
import rasterio
from crop_layout import Paint, paint_classes
from crop_layout import main as crop_layout
from raster_factory import write_raster

from hierars_geo.errors import DataError, OptionError
from hierars_geo.synthetic.layout import KEEP, View
from hierars_geo.synthetic.materials import MATERIAL_INDEX, season_shares
from hierars_geo.synthetic.surface import Surface

PAINTS = {1: Paint("maize", 11, fields=True), 5: Paint("soybean", 12), 9: Paint("pond_water", 0)}
GROUND = Paint("meadow", 255)


@pytest.fixture
def classes():
    values = np.ones((120, 120), np.uint8)
    values[:, 60:] = 5
    values[30:50, 30:70] = 9
    return values


def test_labels_are_the_pixels_of_the_map(classes):
    layout = paint_classes(np.random.default_rng(0), classes, 10.0, PAINTS, GROUND, field_m=400)
    seen = layout.class_map(View(0, 0, 120, 120, 10.0))
    wanted = np.select([classes == value for value in PAINTS], [paint.label for paint in PAINTS.values()])
    assert (seen == wanted).all()
    shown = layout.materials[layout.object_map(View(0, 0, 120, 120, 10.0))]
    assert (shown[classes == 1] == MATERIAL_INDEX["maize"]).all()
    assert (shown != KEEP).all()


def test_only_patches_of_field_crops_are_cut(classes):
    layout = paint_classes(np.random.default_rng(0), classes, 10.0, PAINTS, GROUND, field_m=400)
    objects = layout.object_map(View(0, 0, 120, 120, 10.0))
    maize = {int(number) for number in np.unique(objects[classes == 1])}
    assert len(maize) >= 4  # three rows of fields, and several fields in some
    assert len(np.unique(objects[classes == 5])) == 1
    # no field reaches across the end of a row of fields
    for number in maize:
        rows = np.flatnonzero((objects == number).any(axis=1))
        assert rows[0] // 40 == rows[-1] // 40


def test_a_class_without_a_paint_and_an_unknown_material_are_refused(classes):
    with pytest.raises(DataError, match=r"none for \[9\]"):
        paint_classes(np.random.default_rng(0), classes, 10.0, {1: GROUND, 5: GROUND}, GROUND)
    with pytest.raises(OptionError, match="'moss'"):
        Paint("moss", 1)


def test_a_date_between_seasons_lies_between_their_spectra(classes):
    layout = paint_classes(np.random.default_rng(0), classes, 10.0, PAINTS, GROUND)
    surface = Surface.draw(np.random.default_rng(1), layout)

    def look(stage):
        view = View(0, 0, 60, 60, 10.0)
        _, band = surface.reflectance(view, stage, (2, 6), np.random.default_rng(2))
        return band

    summer, autumn = look("summer"), look("autumn")
    between = look({"summer": 3, "autumn": 1})
    np.testing.assert_allclose(between, 0.75 * summer + 0.25 * autumn, rtol=1e-4)
    for wrong in ({"winter": 1.0}, {"summer": -1.0, "autumn": 2.0}, {}):
        with pytest.raises(OptionError, match="shares of spring"):
            season_shares(wrong)


def test_the_script_writes_two_places_of_a_map(tmp_path, capsys):
    rng = np.random.default_rng(0)
    blocks = rng.choice(np.array([1, 5, 121, 141, 176], np.uint8), (21, 23))
    values = np.kron(blocks, np.ones((80, 80), np.uint8))
    layer = write_raster(tmp_path / "cdl.tif", values, crs="EPSG:32615", left=475_500, top=4_752_500)
    assert crop_layout([str(layer), "-o", str(tmp_path), "--size-m", "600"]) == 0
    scenes = []
    for name in ("iowa_train", "iowa_test"):
        with rasterio.open(tmp_path / name / f"{name}_S2.tif") as image:
            scenes.append((image.count, image.bounds, image.tags()["ACQUISITION_DATE"][:7]))
            assert image.read().min() > 0
        with rasterio.open(tmp_path / name / f"{name}_labels.tif") as labels:
            assert labels.bounds == scenes[-1][1]
            assert set(np.unique(labels.read(1))) <= {0, 1, 2, 3, 4}
    assert scenes[0][1].left == 478_500
    assert scenes[0][1].right < scenes[1][1].left
    assert [scene[2] for scene in scenes] == ["2016-07", "2016-09"]
    assert crop_layout([str(layer), "-o", str(tmp_path), "--size-m", "6000"]) == 1
    assert "Make the scenes smaller" in capsys.readouterr().err
