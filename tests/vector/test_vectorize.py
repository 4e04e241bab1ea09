"""From the files of a prediction to files for a GIS, and every way that it can go wrong."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pyogrio
import pytest
import rasterio.features
import shapely
from affine import Affine
from geopandas import read_file, read_parquet
from pandas.testing import assert_frame_equal
from raster_factory import write_raster
from vector_factory import UTM_TRANSFORM

from hierars_geo.cli import main
from hierars_geo.errors import (
    DataError,
    MissingFileError,
    OptionError,
    OutputError,
    RasterError,
    TaxonomyError,
)
from hierars_geo.maps.styles import vector_qml
from hierars_geo.polygons.vector_file import forget_times
from hierars_geo.taxonomy import Taxonomy
from hierars_geo.vector import vectorize

COLUMNS = ["class_value", "class_name", "level", "parent_value", "area_m2", "confidence"]
MORE = ["id", "parent_id", "area_ha", "perimeter_m", "confidence_min", "children"]
SIZE = (40, 60)
CDL = Path(__file__).parents[2] / "../shared/data/cdl_iowa/cdl_2016_train.tif"
MM5B = Taxonomy.from_yaml("mm5b")


def write(path, array, nodata=0, crs="EPSG:32633", transform=UTM_TRANSFORM, **tags):
    return write_raster(path, array, nodata=nodata, crs=crs, transform=transform, tags=tags)


def fields(seed=0, classes=18):
    """(H, W) leaf index in blobs, with a corner of -1."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[: SIZE[0], : SIZE[1]]
    at = rng.uniform(0, 1, (30, 2)) * SIZE
    leaf = rng.integers(0, classes, 30)[np.argmin([(rows - r) ** 2 + (cols - c) ** 2 for r, c in at], axis=0)]
    leaf[:6, :9] = -1
    return leaf


def write_scene(folder, tree=MM5B, leaf=None, confidence=True, item=True, name="scene"):
    folder.mkdir(exist_ok=True)
    leaf = fields() if leaf is None else leaf
    rng = np.random.default_rng(1)
    for level in range(1, tree.num_levels + 1):
        index = tree.paths[np.maximum(leaf, 0), level - 1]
        values = np.where(leaf < 0, tree.nodata_value, tree.index_to_value(index, level)).astype(np.uint8)
        write(folder / f"{name}_L{level}.tif", values, tree.nodata_value, HIERARS_TAXONOMY=tree.name)
        if confidence:
            per_cent = rng.integers(30, 101, SIZE).astype(np.uint8)
            per_cent[leaf < 0] = 255
            write(folder / f"{name}_conf_L{level}.tif", per_cent, 255)
    if item:
        (folder / f"{name}.json").write_text(json.dumps({"properties": {"hierars:taxonomy": tree.to_dict()}}))
    return folder


@pytest.fixture
def scene(tmp_path):
    return write_scene(tmp_path / "maps")


def read_levels(path, levels=(1, 2, 3)):
    return {level: read_file(path, layer=f"L{level}") for level in levels}


def test_geopackage_has_the_layers_columns_and_values_of_the_maps(scene, tmp_path):
    out = tmp_path / "deep" / "scene.gpkg"
    steps = []
    summary = vectorize(scene, out, progress=lambda done, total: steps.append((done, total)))
    assert steps[-1] == (4 * SIZE[0], 4 * SIZE[0])
    assert steps == sorted(steps)
    assert summary.files == (out,)
    assert summary.pixels == np.count_nonzero(fields() >= 0)
    tables = read_levels(out)
    for level, table in tables.items():
        assert list(table.columns) == [*COLUMNS, *MORE, "geometry"]
        assert len(table) == summary.features[level]
        assert table.crs.to_epsg() == 32633
        assert set(table.geom_type) == {"Polygon"}
        assert table.level.unique().tolist() == [level]
        assert table.area_m2.sum() == pytest.approx(summary.area_m2, rel=1e-12)
        assert table.area.sum() == summary.pixels * 100
        np.testing.assert_allclose(table.area_m2, table.area / 0.9996**2, rtol=1e-6)
        assert table.class_name.tolist() == [
            MM5B.class_names(level)[MM5B.class_values(level).index(value)] for value in table.class_value
        ]
        with rasterio.open(scene / f"scene_L{level}.tif") as classes:
            numbered = rasterio.features.rasterize(
                zip(table.geometry, range(1, len(table) + 1), strict=True), SIZE, transform=classes.transform
            )
            np.testing.assert_array_equal(np.append(0, table.class_value)[numbered], classes.read(1))
        with rasterio.open(scene / f"scene_conf_L{level}.tif") as confidence:
            per_cent = confidence.read(1).astype(float)
        means = [per_cent[numbered == number + 1].mean() for number in range(len(table))]
        np.testing.assert_allclose(table.confidence, means)
        least = [per_cent[numbered == number + 1].min() for number in range(len(table))]
        np.testing.assert_array_equal(table.confidence_min, least)
        assert table.id.tolist() == list(range(1, len(table) + 1))
        np.testing.assert_allclose(table.area_ha, table.area_m2 / 1e4)
        np.testing.assert_allclose(table.perimeter_m, table.length / 0.9996, rtol=1e-6)
    assert tables[1].parent_value.isna().all()
    assert tables[1].parent_id.isna().all()
    assert tables[3].children.isna().all()
    for level in (2, 3):
        for row in tables[level].itertuples():
            inside = tables[level - 1].covers(row.geometry)
            assert inside.sum() == 1
            assert tables[level - 1].class_value[inside].item() == row.parent_value
            assert tables[level - 1].id[inside].item() == row.parent_id
        for row in tables[level - 1].itertuples():
            within = tables[level][tables[level].parent_id == row.id]
            shares = within.groupby("class_name").area_m2.sum().sort_values(ascending=False) / row.area_m2
            listed = json.loads(row.children)
            assert list(listed.values()) == pytest.approx(shares.tolist(), abs=1e-4)
            assert listed == pytest.approx(shares.to_dict(), abs=1e-4)
    assert sorted(path.name for path in out.parent.iterdir()) == ["scene.gpkg"]


def test_geopackage_carries_the_styles_as_qgis_expects_them(scene, tmp_path):
    out = tmp_path / "scene.gpkg"
    vectorize(scene, out)
    assert {name for name, _ in pyogrio.list_layers(out)} == {"L1", "L2", "L3", "layer_styles"}
    styles = pyogrio.read_dataframe(out, layer="layer_styles")
    assert styles.f_table_name.tolist() == ["L1", "L2", "L3"]
    assert styles.f_geometry_column.unique().tolist() == ["geom"]
    assert styles.useAsDefault.all()
    assert styles.styleQML.tolist() == [vector_qml(MM5B, level) for level in (1, 2, 3)]
    with closing(sqlite3.connect(out)) as database:
        kinds = dict(database.execute("SELECT table_name, data_type FROM gpkg_contents").fetchall())
        assert kinds == {"L1": "features", "L2": "features", "L3": "features", "layer_styles": "attributes"}
        column = "SELECT column_name FROM gpkg_geometry_columns WHERE table_name = 'L3'"
        assert database.execute(column).fetchone() == ("geom",)
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_same_maps_same_bytes(scene, tmp_path):
    for name in ("a.gpkg", "b.gpkg"):
        vectorize(scene, tmp_path / name)
    assert (tmp_path / "a.gpkg").read_bytes() == (tmp_path / "b.gpkg").read_bytes()


def test_all_formats_read_back_equal(scene, tmp_path):
    vectorize(scene, tmp_path / "s.gpkg")
    assert vectorize(scene, tmp_path / "s.parquet").files == tuple(
        tmp_path / f"s_L{level}.parquet" for level in (1, 2, 3)
    )
    vectorize(scene, tmp_path / "s.fgb")
    for level, table in read_levels(tmp_path / "s.gpkg").items():
        parquet = read_parquet(tmp_path / f"s_L{level}.parquet")
        assert list(parquet.columns) == list(table.columns)
        flat = read_file(tmp_path / f"s_L{level}.fgb")
        for other in (parquet, flat):
            assert other.crs == table.crs
            both = [one.sort_values("id").reset_index(drop=True) for one in (table, other)]
            assert shapely.equals_identical(*(one.geometry.to_numpy() for one in both)).all()
            assert_same_attributes(*both)


def test_geojson_is_what_rfc_7946_wants(scene, tmp_path):
    vectorize(scene, tmp_path / "s.gpkg")
    vectorize(scene, tmp_path / "s.geojson")
    for level, table in read_levels(tmp_path / "s.gpkg").items():
        path = tmp_path / f"s_L{level}.geojson"
        content = json.loads(path.read_text())
        assert "crs" not in content  # always WGS 84
        rings = [ring for feature in content["features"] for ring in feature["geometry"]["coordinates"]]
        assert all(round(x, 7) == x and round(y, 7) == y for ring in rings for x, y in ring)
        other = read_file(path)
        assert shapely.is_ccw(other.exterior.to_numpy()).all()
        assert not shapely.is_ccw(shapely.get_rings(other.interiors.explode().dropna().to_numpy())).any()
        assert_same_attributes(table, other)
        expected = table.to_crs(4326).normalize()
        assert shapely.equals_exact(expected.to_numpy(), other.normalize().to_numpy(), 1e-7).all()
        # rounding does not part neighbours: they were the same point before
        assert shapely.coverage_is_valid(other.geometry.to_numpy())


def assert_same_attributes(one, other):
    children = [
        [text if isinstance(text, dict) else json.loads(text) for text in table.children.dropna()]
        for table in (one, other)
    ]
    assert children[0] == children[1]
    # a column without any number has another type in every format
    numbers = dict.fromkeys(("parent_value", "parent_id"), "float64")
    plain = (table.drop(columns=["geometry", "children"]).astype(numbers) for table in (one, other))
    assert_frame_equal(*plain, check_dtype=False)


def test_geoparquet_carries_the_metadata_of_the_specification(scene, tmp_path):
    vectorize(scene, tmp_path / "s.parquet")
    path = tmp_path / "s_L3.parquet"
    table = read_parquet(path)
    metadata = json.loads(pyarrow.parquet.read_metadata(path).metadata[b"geo"])
    assert metadata["version"] == "1.1.0"
    column = metadata["columns"][metadata["primary_column"]]
    assert column["bbox"] == table.total_bounds.tolist()
    assert column["geometry_types"] == ["Polygon"]
    # readers that skip by the boxes find what a search in the polygons finds
    left, bottom, _, _ = table.total_bounds
    window = (left + 55, bottom + 55, left + 215, bottom + 135)
    found = read_parquet(path, bbox=window)
    assert set(table.id[table.intersects(shapely.box(*window))]) <= set(found.id)
    assert 0 < len(found) < len(table) / 2


def test_the_number_of_transactions_leaves_no_trace(scene, tmp_path):
    vectorize(scene, tmp_path / "once.gpkg")
    often = tmp_path / "often.gpkg"
    often.write_bytes((tmp_path / "once.gpkg").read_bytes())
    for _ in range(3):
        with closing(sqlite3.connect(often)) as database, database:
            database.execute("UPDATE gpkg_contents SET identifier = identifier")
    assert often.read_bytes() != (tmp_path / "once.gpkg").read_bytes()
    forget_times(often)
    assert often.read_bytes() == (tmp_path / "once.gpkg").read_bytes()
    with closing(sqlite3.connect(often)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.parametrize("rows", [1, 7])
def test_the_result_does_not_depend_on_the_blocks(scene, tmp_path, monkeypatch, rows):
    options = {"min_area_m2": 1000, "simplify_m": 12}
    vectorize(scene, tmp_path / "whole.gpkg", **options)
    monkeypatch.setattr("hierars_geo.maps.path_map.STRIP_ROWS", rows)
    vectorize(scene, tmp_path / "strips.gpkg", **options)
    assert (tmp_path / "whole.gpkg").read_bytes() == (tmp_path / "strips.gpkg").read_bytes()
    monkeypatch.setattr("hierars_geo.vector.rings.trace_rings.__defaults__", (rows * 10,))
    vectorize(scene, tmp_path / "batches.gpkg", **options)
    for level, table in read_levels(tmp_path / "whole.gpkg").items():
        assert_frame_equal(table, read_file(tmp_path / "batches.gpkg", layer=f"L{level}"))


def test_the_raster_of_a_local_crs_has_no_place_on_the_earth(tmp_path):
    local = 'LOCAL_CS["site",UNIT["metre",1]]'
    path = write(tmp_path / "local.tif", np.ones(SIZE, dtype=np.uint8), crs=local)
    with pytest.raises(RasterError, match="Expected a CRS on the Earth, but got"):
        vectorize(path, tmp_path / "local.gpkg", taxonomy="mm5b")
    path = write(tmp_path / "flat.tif", np.ones(SIZE, dtype=np.uint8), transform=Affine(10, 0, 0, 0, 0, 0))
    with pytest.raises(RasterError, match="Expected"):
        vectorize(path, tmp_path / "flat.gpkg", taxonomy="mm5b")
    assert not list(tmp_path.glob("*.gpkg*"))


def test_one_level_goes_into_the_file_itself(scene, tmp_path):
    summary = vectorize(scene, tmp_path / "only.parquet", levels=[2])
    assert summary.files == (tmp_path / "only.parquet",)
    assert list(summary.features) == [2]
    assert set(read_parquet(tmp_path / "only.parquet").level) == {2}


def test_sieve_and_simplification_reach_the_file(scene, tmp_path):
    plain = vectorize(scene, tmp_path / "a.gpkg")
    both = vectorize(scene, tmp_path / "b.gpkg", min_area_m2=20_000, simplify_m=30)
    assert both.sieved == plain.features[3] - both.features[3] > 0
    assert both.area_m2 == pytest.approx(plain.area_m2, rel=1e-10)
    before, after = (read_file(tmp_path / name, layer="L3") for name in ("a.gpkg", "b.gpkg"))
    assert after.area_m2.min() > 19_000 > before.area_m2.min()
    assert after.confidence.between(30, 100).all()
    assert shapely.coverage_is_valid(after.geometry.to_numpy())


def test_a_leaf_raster_alone_is_lifted(scene, tmp_path):
    leaf = (scene / "scene_L3.tif").rename(tmp_path / "any_name.tif")
    vectorize(leaf, tmp_path / "leaf.gpkg")  # the tag names the tree
    write_scene(scene)
    vectorize(scene / "scene_L1.tif", tmp_path / "scene.gpkg")  # any of its files stands for the scene
    for level in (1, 2, 3):
        one, other = (read_file(tmp_path / name, layer=f"L{level}") for name in ("leaf.gpkg", "scene.gpkg"))
        known = ["confidence", "confidence_min"]
        assert one[known].isna().all(axis=None)
        assert_frame_equal(one.drop(columns=known), other.drop(columns=known))


def test_without_the_finest_map_the_others_are_used(scene, tmp_path):
    (scene / "scene_L3.tif").unlink()
    (scene / "scene_L1.tif").unlink()
    assert list(vectorize(scene, tmp_path / "a.gpkg").features) == [1, 2]
    with pytest.raises(
        OptionError, match=r"within 1\.\.2, as L2 is the finest map of mm5b there is, but got \[3\]"
    ):
        vectorize(scene, tmp_path / "b.gpkg", levels=[3])


def test_rasters_of_other_types_and_nodata(tmp_path):
    leaf = MM5B.index_to_value(fields().clip(0), 3)
    bytes_map = write(tmp_path / "byte.tif", leaf.astype(np.uint8), None)
    signed = leaf.astype(np.int32)
    signed[0, :5] = -9999
    expected = vectorize(bytes_map, tmp_path / "byte.gpkg", taxonomy="mm5b").pixels
    summary = vectorize(
        write(tmp_path / "signed.tif", signed, -9999), tmp_path / "signed.gpkg", taxonomy=MM5B, levels=(3, 1)
    )
    assert summary.pixels == expected - 5
    assert list(summary.features) == [1, 3]


def test_a_leaf_with_two_paths_needs_all_levels(tmp_path):
    tree = Taxonomy.from_yaml("crop10m")
    path = fields(classes=tree.num_paths)
    folder = write_scene(tmp_path / "maps", tree, path, confidence=False)
    vectorize(folder, tmp_path / "crops.gpkg")
    leaf = read_file(tmp_path / "crops.gpkg", layer="L3")
    other = leaf[leaf.class_name == "other"]
    assert set(other.parent_value) == {0, 1}
    assert other.area.sum() == 100 * np.count_nonzero(np.isin(path, np.flatnonzero(tree.paths[:, 2] == 0)))
    (folder / "scene_L1.tif").unlink()
    vectorize(folder, tmp_path / "crops.gpkg", overwrite=True)  # L2 tells the two apart
    (folder / "scene_L2.tif").unlink()
    with pytest.raises(
        DataError, match=r"class 'other' of taxonomy crop10m has several legal paths.*got none of L1, L2"
    ):
        vectorize(folder, tmp_path / "crops.gpkg", overwrite=True)


def test_levels_that_contradict_each_other_are_counted(scene, tmp_path):
    with rasterio.open(scene / "scene_L2.tif", "r+") as dataset:
        values = dataset.read(1)
        values[20, 7:9] = values[20, 7:9] % 9 + 1
        values[30, 3] = 0
        dataset.write(values, 1)
    with pytest.raises(
        DataError, match=r"but 3 pixels do not, first at row 20, column 7 \(L1 = \d+, L2 = \d+"
    ):
        vectorize(scene, tmp_path / "a.gpkg")
    assert not list(tmp_path.glob("*.gpkg*"))


@pytest.mark.parametrize("level", [2, 3])
def test_values_outside_the_taxonomy_are_named(scene, tmp_path, level):
    with rasterio.open(scene / f"scene_L{level}.tif", "r+") as dataset:
        values = dataset.read(1)
        values[20, 7] = 77
        dataset.write(values, 1)
    with pytest.raises(TaxonomyError, match=rf"but got 77 on 1 pixel \(in .*scene_L{level}\.tif\)"):
        vectorize(scene, tmp_path / "a.gpkg")


def test_bad_sources_are_one_clear_line(scene, tmp_path):
    out = tmp_path / "out.gpkg"
    blank = np.zeros(SIZE, dtype=np.uint8)
    (tmp_path / "empty").mkdir()
    cases = [
        (MissingFileError, "nowhere to be a folder of maps", tmp_path / "nowhere", None),
        (MissingFileError, "to hold class rasters", tmp_path / "empty", None),
        (
            RasterError,
            "class raster with one integer band",
            write(tmp_path / "f.tif", blank.astype("f4")),
            "mm5b",
        ),
        (DataError, "but all are nodata", write(tmp_path / "n.tif", blank), "mm5b"),
        (OptionError, "Name it: --taxonomy NAME", write(tmp_path / "u.tif", blank + 1), None),
        (MissingFileError, "catalog entry of taxonomies", scene, "mm5c"),
        (DataError, "levels 1..1 of taxonomy whdld, but got one of level 3", scene, "whdld"),
        (TaxonomyError, "nodata value to be no class", write(tmp_path / "d.tif", blank + 1, 3), "mm5b"),
        (RasterError, "with a CRS", write(tmp_path / "c.tif", blank + 1, crs=None), "mm5b"),
        (TaxonomyError, "but got 300", write(tmp_path / "b.tif", blank.astype("int16") + 300), "mm5b"),
    ]
    for error, message, source, taxonomy in cases:
        with pytest.raises(error, match=message) as caught:
            vectorize(source, out, taxonomy=taxonomy)
        assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("*.gpkg*"))


def test_files_that_do_not_belong_together_are_refused(scene, tmp_path):
    out = tmp_path / "out.gpkg"
    write(
        scene / "scene_conf_L2.tif",
        np.zeros(SIZE, dtype=np.uint8),
        255,
        transform=Affine(9, 0, 5e5, 0, -9, 5.6e6),
    )
    with pytest.raises(RasterError, match=r"scene_conf_L2\.tif to have the CRS, size and pixels"):
        vectorize(scene, out)
    write(scene / "scene_conf_L2.tif", np.zeros(SIZE, dtype=np.uint16), 255)
    with pytest.raises(RasterError, match="confidence raster of bytes"):
        vectorize(scene, out)
    (scene / "scene_conf_L2.tif").unlink()
    write_scene(scene, name="second")
    with pytest.raises(DataError, match=r"one scene, but got 2 \(scene, second\).*scene_L3\.tif"):
        vectorize(scene, out)
    (scene / "second.json").write_text("[]")  # of something else: the tag names the tree
    vectorize(scene / "second_L3.tif", tmp_path / "second.gpkg")
    (scene / "second.json").write_text("{ no json")
    with pytest.raises(DataError, match=r"second\.json to be the STAC item"):
        vectorize(scene / "second_L3.tif", out)


def test_outputs_are_refused_or_replaced_whole(scene, tmp_path):
    out = tmp_path / "scene.gpkg"
    for name in ("scene.shp", "scene"):
        with pytest.raises(OptionError, match=r"to end in \.gpkg, \.parquet, \.fgb, \.geojson"):
            vectorize(scene, tmp_path / name)
    for options in ({"min_area_m2": -1}, {"simplify_m": float("nan")}, {"levels": []}, {"levels": [0]}):
        with pytest.raises(OptionError, match="Expected"):
            vectorize(scene, out, **options)
    vectorize(scene, out)
    with pytest.raises(OutputError, match="--overwrite"):
        vectorize(scene, out)
    # a journal of a crashed writer must not be taken for one of the new file
    (tmp_path / "scene.gpkg-wal").write_bytes(b"left behind")
    before = out.read_bytes()
    vectorize(scene, out, levels=[1], overwrite=True)
    assert out.read_bytes() != before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["maps", "scene.gpkg"]
    (tmp_path / "s_L3.parquet").touch()
    with pytest.raises(OutputError, match=r"s_L3\.parquet"):
        vectorize(scene, tmp_path / "s.parquet")


def test_a_failure_leaves_nothing_behind(scene, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise pyogrio.errors.DataSourceError("disk full")

    monkeypatch.setattr("hierars_geo.vector.writer.pyogrio.write_arrow", fail)
    for name in ("scene.gpkg", "scene.fgb"):
        with pytest.raises(OutputError, match="to be writable, but got: disk full"):
            vectorize(scene, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["maps"]


@pytest.mark.parametrize("name", ["scene.gpkg", "scene.parquet", "scene.geojson"])
def test_what_goes_wrong_while_polygons_are_made_is_not_blamed_on_the_disk(
    scene, tmp_path, monkeypatch, name
):
    def fail(*_, **__):
        raise DataError("no such polygon")

    monkeypatch.setattr("hierars_geo.vector.attributes.LevelTable.rows", fail)
    with pytest.raises(DataError, match=r"^no such polygon$"):
        vectorize(scene, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["maps"]


def test_the_command_says_what_it_wrote(scene, tmp_path, capsys):
    out = tmp_path / "scene.gpkg"
    assert main(["vectorize", str(scene), "-o", str(out), "--min-area-m2", "2000", "--levels", "1", "3"]) == 0
    printed = capsys.readouterr().out
    counts = {level: len(read_file(out, layer=f"L{level}")) for level in (1, 3)}
    assert printed.startswith(f"{out}: L1 {counts[1]}, L3 {counts[3]} polygons, 23.")
    assert printed.count("\n") == 1
    assert "small regions joined" in printed
    assert main(["vectorize", str(scene), "-o", str(out)]) == 1
    assert main(["vectorize", str(scene), "-o", str(tmp_path / "scene.shp")]) == 2
    assert capsys.readouterr().err.count("hierars-geo:") == 2


@pytest.mark.skipif(not CDL.exists(), reason="the real crop map is not here")
def test_a_real_crop_map_of_64_megapixels(tmp_path):
    summary = vectorize(CDL, tmp_path / "fields.parquet", taxonomy="cdl", min_area_m2=2000, simplify_m=20)
    assert summary.pixels == 64_000_000
    # 3.125 m pixels by the central meridian of their UTM zone, where 1 m on the map is 1.0004 m on the ground
    assert summary.area_m2 == pytest.approx(summary.pixels * 3.125**2 / 0.9996**2, rel=2e-5)
    fields = read_parquet(tmp_path / "fields_L2.parquet")
    assert len(fields) == summary.features[2] < 22_352  # as many as GDAL traces before the sieve
    assert fields.area_m2.min() > 1500
    assert shapely.is_valid(fields.geometry.to_numpy()).all()
