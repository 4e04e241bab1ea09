"""Areas inside polygons, against an overlay of the maps' own polygons."""

from contextlib import nullcontext

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from affine import Affine
from raster_factory import write_raster
from vector_factory import UTM_TRANSFORM

from hierars_geo.cli import main
from hierars_geo.errors import DataError, MissingFileError, OptionError
from hierars_geo.maps import Maps
from hierars_geo.scenes import DataNotice
from hierars_geo.taxonomy import Taxonomy
from hierars_geo.vector import class_areas, polygon_areas_m2, vectorize

SIZE = (40, 60)
MM5B = Taxonomy.from_yaml("mm5b")
DEGREES = Affine(0.01, 0, 11.0, 0, -0.01, 61.0)


def write(path, array, nodata, crs="EPSG:32633", transform=UTM_TRANSFORM):
    write_raster(path, array, dtype="uint8", nodata=nodata, crs=crs, transform=transform)


@pytest.fixture
def write_maps(tmp_path):
    """Write the three levels of a scene and the confidence of the finest; return folder, leaves, percent."""

    def made(crs="EPSG:32633", transform=UTM_TRANSFORM):
        rng = np.random.default_rng(3)
        leaf = np.kron(rng.integers(0, 18, (8, 12)), np.ones((5, 5), dtype=int))
        leaf[:6, :9] = -1
        confidence = np.where(leaf < 0, 255, rng.integers(0, 101, SIZE))
        folder = tmp_path / f"maps_{str(crs)[5:]}"
        folder.mkdir()
        for level in (1, 2, 3):
            write(
                folder / f"scene_L{level}.tif",
                MM5B.index_to_value(np.where(leaf < 0, -100, MM5B.lift(np.maximum(leaf, 0), level)), level),
                0,
                crs,
                transform,
            )
        write(folder / "scene_conf_L3.tif", confidence, 255, crs, transform)
        return folder, leaf, confidence

    return made


def zones_of(transform, crs):
    """Two polygons on no pixel edge that overlap, one of them partly off the map, and one beside it."""
    shapes = [
        shapely.Polygon([(3.3, 2.2), (30.7, 4.1), (25.4, 33.3), (8.8, 30.2)]),
        shapely.box(20.5, 15.25, 70, 50),
        shapely.box(100, 100, 110, 110),
    ]
    corners = [
        shapely.transform(shape, lambda xy: np.stack(transform @ (xy[:, 0], xy[:, 1]), axis=1))
        for shape in shapes
    ]
    return gpd.GeoDataFrame({"name": ["a", "b", "far"], "L1_class": [1, 2, 3]}, geometry=corners, crs=crs)


SOUTH_UP = Affine(10, 0, 500_000, 0, 10, 5_600_000)
TURNED = Affine.translation(500_000, 5_600_000) @ Affine.rotation(30) @ Affine.scale(10, -10)


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        ("EPSG:32633", UTM_TRANSFORM),
        ("EPSG:4326", DEGREES),
        ("EPSG:32632", SOUTH_UP),
        ("EPSG:32634", TURNED),
    ],
)
def test_areas_are_those_of_an_overlay_with_the_polygons_of_the_map(write_maps, tmp_path, crs, transform):
    folder, _, _ = write_maps(crs, transform)
    zones = zones_of(transform, crs)
    zones.to_file(tmp_path / "zones.gpkg")
    with pytest.warns(DataNotice, match="'L1_class' to 'L1_class_'"):
        tables = class_areas(
            folder, tmp_path / "zones.gpkg", tmp_path / "areas.gpkg", "mm5b", id_column="name"
        )
    vectorize(folder, tmp_path / "maps.gpkg", "mm5b")
    for level in (1, 2, 3):
        polygons = gpd.read_file(tmp_path / "maps.gpkg", layer=f"L{level}")
        for name, zone in zip(zones["name"], zones.geometry, strict=True):
            cut = polygons.geometry.intersection(zone).to_numpy()
            expected = pd.Series(polygon_areas_m2(cut, polygons.crs)).groupby(polygons["class_value"]).sum()
            rows = tables.classes.loc[
                lambda t, key=(level, name): (t["level"] == key[0]) & (t["name"] == key[1])
            ]
            rows = rows.set_index("class_value")
            found = rows["area_m2"].reindex(expected.index).fillna(0)
            np.testing.assert_allclose(found, expected, rtol=2e-5, atol=0.5)
            assert len(rows) == (expected > 0.5).sum()
            assert rows["share"].sum() == pytest.approx(1 if len(rows) else 0)


def test_the_class_of_most_ground_and_its_confidence_stand_beside_every_polygon(write_maps, tmp_path):
    folder, leaf, confidence = write_maps()
    whole = shapely.box(*[500_000 + 20 * 10, 5_600_000 - 30 * 10, 500_000 + 37 * 10, 5_600_000 - 10 * 10])
    gpd.GeoDataFrame(geometry=[whole], crs="EPSG:32633").to_crs(4326).to_parquet(tmp_path / "zone.parquet")
    tables = class_areas(folder, tmp_path / "zone.parquet", tmp_path / "out.parquet", "mm5b", levels=[3])
    inside, sure = leaf[10:30, 20:37], confidence[10:30, 20:37]
    counts = np.bincount(inside.ravel(), minlength=18)
    row = gpd.read_parquet(tmp_path / "out.parquet").iloc[0]
    assert row["L3_value"] == MM5B.class_values(3)[counts.argmax()]
    assert row["L3_class"] == MM5B.class_names(3)[counts.argmax()]
    # the box went through degrees and back: a millimetre at its edges
    assert row["L3_share"] == pytest.approx(counts.max() / inside.size, abs=1e-5)
    assert row["L3_confidence"] == pytest.approx(sure[inside == counts.argmax()].mean(), abs=1e-3)
    assert row["mapped_m2"] == pytest.approx(row["polygon_m2"], rel=1e-6)
    assert set(tables.classes["level"]) == {3}


def test_how_much_lies_outside_the_area_of_applicability_is_counted_in_every_table(
    write_maps, tmp_path, capsys
):
    folder, leaf, _ = write_maps()
    rng = np.random.default_rng(8)
    aoa = np.where(leaf < 0, 255, rng.random(SIZE) < 0.7)
    write(folder / "scene_aoa.tif", aoa, 255)
    crop = gpd.GeoDataFrame(geometry=[shapely.box(0, 0, 20, 40), shapely.box(20, 0, 60, 40)], crs=32633)
    crop.geometry = crop.geometry.affine_transform([10, 0, 0, -10, 500_000, 5_600_000])
    crop.to_file(tmp_path / "halves.gpkg")
    out = tmp_path / "areas.parquet"
    by = ["--by", str(tmp_path / "halves.gpkg"), "--taxonomy", "mm5b"]
    assert main(["areas", str(folder), "-o", str(out), *by]) == 0
    found = gpd.read_parquet(out)
    outside = aoa == 0
    expected = [outside[:, half].sum() / (leaf[:, half] >= 0).sum() for half in (slice(0, 20), slice(20, 60))]
    np.testing.assert_allclose(found["outside_share"], expected, rtol=1e-4)  # pixels differ a little in area
    whole = 100 * outside.sum() / (leaf >= 0).sum()
    assert f"{whole:.1f} % of that outside the area of applicability" in capsys.readouterr().out
    areas = Maps.open(folder, "mm5b").areas()
    for level in (1, 2, 3):
        rows = areas[areas["level"] == level]
        assert np.average(rows["outside_share"], weights=rows["area_m2"]) == pytest.approx(
            whole / 100, rel=1e-4
        )
    (water,) = areas[areas["level"] == 3].iloc[:1].itertuples()
    mine = leaf == MM5B.class_values(3).index(water.class_value)
    assert water.outside_share == pytest.approx((mine & outside).sum() / mine.sum(), rel=1e-4)


def test_a_geopackage_holds_both_tables_and_keeps_the_columns_of_the_layer(write_maps, tmp_path, capsys):
    folder, _, _ = write_maps()
    zones_of(UTM_TRANSFORM, "EPSG:32633").to_file(tmp_path / "zones.shp")
    out = tmp_path / "areas.gpkg"
    command = [
        "areas",
        str(folder),
        "--by",
        str(tmp_path / "zones.shp"),
        "-o",
        str(out),
        "--taxonomy",
        "mm5b",
    ]
    assert main(command) == 0, capsys.readouterr().err
    assert "3 polygons" in capsys.readouterr().out
    polygons = pyogrio.read_dataframe(out, layer="polygons")
    assert polygons["L1_class_"].tolist() == [1, 2, 3]  # the layer's own column, under another name
    far = polygons.set_index("name").loc["far"]
    assert far["mapped_m2"] == 0
    assert pd.isna(far["L3_class"])
    assert pd.isna(far["L3_value"])
    classes = pyogrio.read_dataframe(out, layer="classes")
    assert classes.groupby("level")["area_m2"].sum().to_numpy() == pytest.approx(polygons["mapped_m2"].sum())
    assert main(command) == 1
    assert "--overwrite" in capsys.readouterr().err
    csv = tmp_path / "areas.csv"
    assert main([*command[:4], "-o", str(csv), "--taxonomy", "mm5b", "--id", "name"]) == 0
    assert pd.read_csv(csv)["area_m2"].sum() == pytest.approx(classes["area_m2"].sum())


def test_what_cannot_be_measured_is_said_in_one_line(write_maps, tmp_path):
    folder, _, _ = write_maps()
    good = zones_of(UTM_TRANSFORM, "EPSG:32633")
    good.to_file(tmp_path / "good.gpkg")
    cases = {
        "nowhere.gpkg": (None, MissingFileError, "does not exist"),
        "points.gpkg": (good.set_geometry(good.centroid), DataError, "3 Point .feature 1, 2, 3"),
        "far.gpkg": (good.iloc[2:], DataError, "touch the maps"),
        "no_crs.shp": (good.set_crs(None, allow_override=True), DataError, "with a CRS"),
    }
    for name, (table, error, words) in cases.items():
        if table is not None:
            with nullcontext() if table.crs else pytest.warns(UserWarning, match="crs"):
                table.to_file(tmp_path / name)
        with pytest.raises(error, match=words):
            class_areas(folder, tmp_path / name, tmp_path / "out.csv", "mm5b")
    with pytest.raises(OptionError, match=r"name, L1_class.*'fid2'"):
        class_areas(folder, tmp_path / "good.gpkg", tmp_path / "out.csv", "mm5b", id_column="fid2")
    with pytest.raises(OptionError, match=r"\.csv, \.gpkg, \.parquet"):
        class_areas(folder, tmp_path / "good.gpkg", tmp_path / "out.xlsx", "mm5b")
    with pytest.raises(OptionError, match=r"levels within 1\.\.3"):
        class_areas(folder, tmp_path / "good.gpkg", tmp_path / "out.csv", "mm5b", levels=[4])
    assert not (tmp_path / "out.csv").exists()
