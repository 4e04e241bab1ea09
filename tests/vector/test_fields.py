"""Decisions per field, against sums in NumPy over shares of pixels."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from raster_factory import write_raster
from vector_factory import UTM_TRANSFORM

from hierars_geo import Maps
from hierars_geo.cli import main
from hierars_geo.errors import DataError, OptionError
from hierars_geo.scenes import DataNotice
from hierars_geo.taxonomy import Taxonomy
from hierars_geo.vector import decide_fields, decide_paths

MM5B = Taxonomy.from_yaml("mm5b")
SIZE = (30, 40)
PATHS = MM5B.paths


@pytest.fixture
def maps(tmp_path):
    """Probabilities of 4 x 4 px patches with a corner without data, and the classes of the largest."""
    random = np.random.default_rng(5)
    patches = random.dirichlet(np.full(len(PATHS), 0.15), (8, 10))
    share = np.kron(patches.transpose(2, 0, 1), np.ones((1, 4, 4)))[:, : SIZE[0], : SIZE[1]]
    per_cent = np.rint(share * 100).astype(np.uint8)
    leaf = per_cent.argmax(axis=0)
    per_cent[:, :6, :6] = 255
    folder = tmp_path / "maps"
    folder.mkdir()
    place = {"crs": "EPSG:32633", "transform": UTM_TRANSFORM}
    write_raster(
        folder / "scene_probabilities.tif",
        per_cent,
        dtype="uint8",
        nodata=255,
        **place,
        tags={"HIERARS_TAXONOMY": "mm5b"},
    )
    for level in (1, 2, 3):
        values = MM5B.index_to_value(PATHS[leaf, level - 1], level)
        values[:6, :6] = 0
        write_raster(
            folder / f"scene_L{level}.tif",
            values,
            dtype="uint8",
            nodata=0,
            **place,
            tags={"HIERARS_TAXONOMY": "mm5b"},
        )
    return folder, per_cent, leaf


def boxes():
    """Boxes in pixels (left, top, right, bottom) that cut pixels; one half off, one in the empty corner."""
    return np.array([(2.3, 3.6, 9.8, 14.1), (20.5, 10.25, 28, 26), (35, 20.2, 60, 45), (0.5, 0.5, 5.5, 5)])


def write_parcels(path, layer=None):
    left, top, right, bottom = boxes().T
    (x, y), (x2, y2) = UTM_TRANSFORM @ (left, top), UTM_TRANSFORM @ (right, bottom)
    shapes = [shapely.box(*corners) for corners in zip(x, y2, x2, y, strict=True)]
    gpd.GeoDataFrame({"owner": list("abcd"), "level": [9] * 4}, geometry=shapes, crs="EPSG:32633").to_file(
        path
    )
    return path


def shares_of(box):
    """Share of every pixel that lies in a box, (H, W)."""
    left, top, right, bottom = box

    def axis(start, stop, length):
        edges = np.arange(length)
        return np.clip(np.minimum(stop, edges + 1) - np.maximum(start, edges), 0, None)

    return axis(top, bottom, SIZE[0])[:, None] * axis(left, right, SIZE[1])[None]


def test_fields_are_decided_by_summed_probabilities(maps, tmp_path):
    folder, per_cent, leaf = maps
    out = tmp_path / "fields.gpkg"
    parcels = write_parcels(tmp_path / "parcels.gpkg")
    options = ["--by", str(parcels), "-o", str(out), "--depth-threshold", "0.4"]
    assert main(["fields", str(folder), *options]) == 0
    found = gpd.read_file(out, layer="fields")
    assert found["owner"].tolist() == list("abcd")
    assert found["level_"].tolist() == [9] * 4
    for row, box in zip(found.itertuples(), boxes(), strict=True):
        weight = shares_of(box) * (per_cent[0] != 255)
        area = (box[2] - box[0]) * (box[3] - box[1])
        assert row.polygon_m2 == pytest.approx(area * 100, rel=1e-3)
        assert row.mapped_share == pytest.approx(weight.sum() / area, abs=1e-4)
        if not weight.any():
            assert np.isnan(row.L1_confidence)
            assert pd.isna(row.class_name)
            assert np.isnan(row.level)
            continue
        mass = (per_cent * weight).sum(axis=(1, 2)).astype(float)
        mass /= mass.sum()
        below, level = np.ones(len(PATHS), bool), 0
        for number in range(3):
            by_class = np.bincount(PATHS[below, number], mass[below], minlength=MM5B.num_classes[number])
            best = by_class.argmax()
            below &= PATHS[:, number] == best
            name, share = MM5B.class_names(number + 1)[best], by_class[best]
            assert getattr(row, f"L{number + 1}_class") == name
            assert getattr(row, f"L{number + 1}_value") == MM5B.class_values(number + 1)[best]
            assert getattr(row, f"L{number + 1}_confidence") == pytest.approx(share * 100, abs=0.01)
            if share >= 0.4:
                level, decided, sure = number + 1, name, share
        assert row.level == level
        assert row.class_name == decided if level else pd.isna(row.class_name)
        assert not level or row.confidence == pytest.approx(sure * 100, abs=0.01)
        ground = np.bincount(PATHS[leaf, 2].ravel(), weight.ravel(), minlength=MM5B.num_classes[2])
        second = np.sort(ground)[-2] / ground.sum()
        assert row.second_share == pytest.approx(second, abs=1e-4)
        assert row.mixed == (second >= 0.25)
    assert "layer_styles" in [name for name, _ in pyogrio.list_layers(out)]


def test_the_parent_is_decided_where_children_disagree_and_the_sum_beats_the_majority():
    paths = np.array([[0, 0], [0, 1], [0, 2], [1, 3]])
    classes, share = decide_paths(np.array([[20.0, 25, 15, 40], [0, 0, 0, 0]]), paths)
    assert classes[0].tolist() == [0, 1]
    np.testing.assert_allclose(share[0], [0.6, 0.25])
    assert np.isnan(share[1]).all()
    # two of three pixels say class 3 by a hair, the third is sure of class 1
    pixels = np.array([[0.0, 0.45, 0.05, 0.5], [0.0, 0.45, 0.05, 0.5], [0.0, 1.0, 0.0, 0.0]])
    assert decide_paths(pixels.sum(axis=0, keepdims=True), paths)[0].tolist() == [[0, 1]]


def test_other_formats_and_what_cannot_be_decided(maps, tmp_path):
    folder, _, _ = maps
    parcels = write_parcels(tmp_path / "parcels.gpkg")
    with pytest.warns(DataNotice, match="'level' to 'level_'"):
        table = Maps.open(folder).fields(parcels, tmp_path / "fields.parquet", threshold=1.0)
    assert (table["level"].fillna(0) == 0).all()
    with pytest.warns(DataNotice):
        decide_fields(folder, parcels, tmp_path / "fields.csv")
    assert (tmp_path / "fields.csv").read_text().count("\n") == 5
    with pytest.raises(OptionError, match=r"end in \.csv, \.gpkg, \.parquet"):
        decide_fields(folder, parcels, tmp_path / "fields.txt")
    with pytest.raises(OptionError, match="threshold to be a share"):
        decide_fields(folder, parcels, tmp_path / "other.csv", threshold=40)
    (folder / "scene_probabilities.tif").unlink()
    with pytest.warns(DataNotice), pytest.raises(DataError, match="Predict again with --probabilities"):
        decide_fields(folder, parcels, tmp_path / "other.csv")
