"""Synthetic scenes: same seed, same bytes; one place for all sensors; labels where the image shows them."""

import hashlib
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from rasterio.enums import Resampling

from hierars_geo.errors import OptionError, OutputError
from hierars_geo.synthetic import (
    CropSpec,
    SceneFiles,
    SceneSpec,
    crop_series,
    scene_series,
    write_crop_scene,
    write_land_cover_scene,
)
from hierars_geo.synthetic.crops import crop_layout
from hierars_geo.synthetic.geometry import (
    blob,
    box_corners,
    boxes,
    boxes_inside,
    cast_shadows,
    meander,
    ribbon,
    ring_area,
    strips,
    subdivide,
)
from hierars_geo.synthetic.landscape import land_cover_layout
from hierars_geo.synthetic.layout import View
from hierars_geo.synthetic.plan import Crop, LandCover
from hierars_geo.taxonomy import Taxonomy

SIZE_M = 1200.0
SPEC = SceneSpec("place", SIZE_M, seed=3, google_size_m=400.0)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> SceneFiles:
    return write_land_cover_scene(SPEC, tmp_path_factory.mktemp("scenes"))


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> SceneFiles:
    return write_crop_scene(CropSpec("crops", 2000.0, seed=3), tmp_path_factory.mktemp("crops"))


def digests(files: SceneFiles) -> dict[str, str]:
    paths = (files.labels, *files.images.values())
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def test_same_seed_gives_the_same_bytes_and_another_seed_another_place(
    scene: SceneFiles, tmp_path: Path
) -> None:
    again = write_land_cover_scene(SPEC, tmp_path)
    assert digests(again) == digests(scene)
    other = write_land_cover_scene(
        SceneSpec("place", SIZE_M, seed=4, sensors=("sentinel2",), google_size_m=400.0), tmp_path / "other"
    )
    with rasterio.open(scene.labels) as first, rasterio.open(other.labels) as second:
        assert np.mean(first.read(1) == second.read(1)) < 0.6


def test_one_sensor_alone_is_the_same_as_among_others(scene: SceneFiles, tmp_path: Path) -> None:
    alone = write_land_cover_scene(SceneSpec("place", SIZE_M, seed=3, sensors=("gaofen2",)), tmp_path)
    assert alone.images["gaofen2"].read_bytes() == scene.images["gaofen2"].read_bytes()


def test_crop_scene_is_deterministic(crops: SceneFiles, tmp_path: Path) -> None:
    assert digests(write_crop_scene(CropSpec("crops", 2000.0, seed=3), tmp_path)) == digests(crops)


@pytest.mark.parametrize(
    ("sensor", "res_m", "dtype", "bands"),
    [
        ("sentinel2", 10.0, "uint16", ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")),
        ("gaofen2", 4.0, "uint16", ("Blue", "Green", "Red", "NIR")),
    ],
)
def test_images_share_the_corner_and_say_what_they_are(
    scene: SceneFiles, sensor: str, res_m: float, dtype: str, bands: tuple[str, ...]
) -> None:
    with rasterio.open(scene.images[sensor]) as image:
        assert image.crs.to_epsg() == 32650
        assert tuple(image.transform)[:6] == (res_m, 0, SPEC.origin[0], 0, -res_m, SPEC.origin[1])
        assert (image.width, image.height) == (SIZE_M / res_m, SIZE_M / res_m)
        assert set(image.dtypes) == {dtype}
        assert image.nodata == 0
        assert image.descriptions == bands


def test_finest_image_lies_in_the_middle_on_the_common_raster(scene: SceneFiles) -> None:
    with rasterio.open(scene.images["google_earth"]) as image:
        assert image.res == (1.0, 1.0)
        assert (image.width, image.height) == (400, 400)
        assert image.descriptions == ("Red", "Green", "Blue")
        assert set(image.dtypes) == {"uint8"}
        assert (image.transform.c, image.transform.f) == (SPEC.origin[0] + 400, SPEC.origin[1] - 400)


def test_finest_image_shares_the_corner_where_the_scene_is_small(tmp_path: Path) -> None:
    files = write_land_cover_scene(SceneSpec("small", 500.0, sensors=("google_earth",)), tmp_path)
    with rasterio.open(files.images["google_earth"]) as image, rasterio.open(files.labels) as labels:
        assert image.bounds == labels.bounds
        assert (image.width, labels.width) == (500, 125)


def test_every_sensor_has_its_own_date(scene: SceneFiles) -> None:
    days = {}
    for name, path in scene.images.items():
        with rasterio.open(path) as image:
            tags = image.tags()
        days[name] = date.fromisoformat(tags["ACQUISITION_DATE"])
        assert tags["TIFFTAG_DATETIME"].startswith(days[name].strftime("%Y:%m:%d "))
    assert days["gaofen2"].month in (4, 5)
    assert days["sentinel2"].month == 8
    assert days["google_earth"].month == 10


def test_labels_carry_nodata_and_palette_of_the_tree(scene: SceneFiles) -> None:
    taxonomy = Taxonomy.from_yaml("mm5b")
    with rasterio.open(scene.labels) as labels:
        assert labels.dtypes == ("uint8",)
        assert labels.res == (4.0, 4.0)
        assert labels.nodata == 0
        palette = labels.colormap(1)
        values = set(np.unique(labels.read(1)).tolist())
    assert [palette[value][:3] for value in taxonomy.class_values(3)] == list(taxonomy.colors(3))
    assert values <= {0, *taxonomy.class_values(3)}


def test_class_values_are_those_of_the_trees() -> None:
    names = Taxonomy.from_yaml("mm5b").class_names(3)
    assert names[LandCover.PADDY - 1] == "Paddy field"
    assert names[LandCover.OVERPASS - 1] == "Overpass"
    assert names[LandCover.BARE_LAND - 1] == "Bare land"
    crops = Taxonomy.from_yaml("crop10m")
    assert crops.class_values(3) == (Crop.OTHER, Crop.RICE, Crop.MAIZE, Crop.SOYBEAN)
    assert crops.nodata_value == Crop.NODATA


@pytest.mark.parametrize("seed", [0, 1])
def test_default_scene_holds_every_class_and_little_is_unlabelled(seed: int) -> None:
    classes = land_cover_layout(7680.0, seed).class_map(View(0, 0, 768, 768, 10.0))
    share = np.bincount(classes.ravel(), minlength=19) / classes.size
    assert (share[1:] > 0.0004).all(), dict(enumerate(share.round(5).tolist()))
    assert 0.002 < share[0] < 0.06
    assert share[1:].max() < 0.5


def test_default_crop_scene_holds_every_crop() -> None:
    classes = crop_layout(7680.0, 0).class_map(View(0, 0, 768, 768, 10.0))
    share = np.bincount(classes.ravel(), minlength=256) / classes.size
    assert set(np.flatnonzero(share)) == {0, 1, 2, 3, 255}
    assert (share[:4] > 0.05).all()
    assert share[255] < 0.05


def test_only_a_corner_is_nodata_and_labels_go_on_below_it(scene: SceneFiles) -> None:
    with rasterio.open(scene.images["sentinel2"]) as image:
        empty = (image.read() == 0).all(axis=0)
        assert ((image.read() == 0).any(axis=0) == empty).all()
    assert 0.002 < empty.mean() < 0.15
    assert sum(empty[row, column] for row in (0, -1) for column in (0, -1)) == 1
    with rasterio.open(scene.labels) as labels:
        values = labels.read(1, out_shape=empty.shape, resampling=Resampling.nearest)
    assert (values[empty] > 0).mean() > 0.5


def test_without_a_swath_edge_every_pixel_holds_data(tmp_path: Path) -> None:
    spec = SceneSpec("full", 500.0, sensors=("sentinel2",), nodata_corner=False)
    with rasterio.open(write_land_cover_scene(spec, tmp_path).images["sentinel2"]) as image:
        assert image.read().min() >= 1


def test_labels_show_the_same_place_as_the_image(scene: SceneFiles) -> None:
    with rasterio.open(scene.images["gaofen2"]) as image:
        blue, _, red, nir = image.read().astype(float)
        valid = blue > 0
    with rasterio.open(scene.labels) as labels:
        values = labels.read(1)
    ratio = nir / np.maximum(red, 1)
    water = valid & np.isin(values, [LandCover.RIVER, LandCover.LAKE, LandCover.POND])
    forest = valid & (values == LandCover.FOREST)
    assert water.sum() > 500
    assert forest.sum() > 500
    assert np.quantile(ratio[water], 0.9) < np.quantile(ratio[forest], 0.1)
    # Moved by two pixels the picture fits worse: the border of the water is where the labels say.
    shifted = np.roll(water, (2, 2), axis=(0, 1)) & valid
    assert np.std(ratio[water]) < np.std(ratio[shifted])


def test_crops_differ_in_the_short_wave(crops: SceneFiles) -> None:
    with rasterio.open(crops.images["sentinel2"]) as image, rasterio.open(crops.labels) as labels:
        assert image.bounds == labels.bounds
        assert (labels.nodata, labels.res) == (255, image.res)
        assert image.crs.to_epsg() == 32652
        assert image.tags()["ACQUISITION_DATE"].startswith("2019-08")
        bands, values = image.read().astype(float), labels.read(1)
    valid = bands[0] > 0
    swir = {
        crop: np.median(bands[8][valid & (values == crop)]) for crop in (Crop.RICE, Crop.MAIZE, Crop.SOYBEAN)
    }
    assert swir[Crop.RICE] < swir[Crop.MAIZE] < swir[Crop.SOYBEAN]


def test_series_places_scenes_apart() -> None:
    specs = [*scene_series(12, 2000.0, 0), *crop_series(2000.0, 0)]
    assert [spec.name for spec in specs[11:]] == ["train_11", "test_0", "crop_train", "crop_test"]
    assert len({spec.seed for spec in specs}) == 15
    land_cover = [spec.origin for spec in specs[:13]]
    gaps = [max(abs(a[0] - b[0]), abs(a[1] - b[1])) for i, a in enumerate(land_cover) for b in land_cover[:i]]
    assert min(gaps) >= 2000.0 + 5000.0
    assert specs[0] == scene_series(1, 2000.0, 0)[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size_m": 1010.0}, "size_m to be a multiple of 20 m .* Take 1000"),
        ({"size_m": 100.0}, "at least 500"),
        ({"size_m": float("nan")}, "size_m"),
        ({"origin": (240_010.0, 3_390_000.0)}, "origin to be multiples of 20"),
        ({"seed": -1}, "seed to be 0 or more"),
        ({"haze": 1.5}, "haze to be within 0..1"),
        ({"name": "a/b"}, "plain file name"),
        ({"sensors": ("landsat",)}, "sensors to be some of sentinel2"),
        ({"sensors": ()}, "sensors to be some of"),
        ({"google_size_m": 1005.0}, "google_size_m"),
    ],
)
def test_bad_specifications_say_what_is_wrong(changes: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        SceneSpec(**({"name": "a"} | changes))


def test_unwritable_folder_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="writable"):
        write_land_cover_scene(SceneSpec("s", 500.0, sensors=("sentinel2",)), tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


SQUARE = np.array([[0.0, 0.0], [1000.0, 0.0], [1000.0, 1000.0], [0.0, 1000.0]])


def test_subdivision_covers_the_square_without_overlap() -> None:
    pieces, cuts = subdivide(np.random.default_rng(0), SQUARE, 20_000.0)
    polygons = shapely.polygons([shapely.LinearRing(piece) for piece in pieces])
    assert shapely.area(polygons).sum() == pytest.approx(1e6)
    assert shapely.union_all(polygons).area == pytest.approx(1e6)
    assert max(map(ring_area, pieces)) < 1.5 * 20_000
    assert len(cuts) == len(pieces) - 1
    assert min(depth for _, depth in cuts) == 0


def test_parcels_stay_inside_and_apart() -> None:
    block = shapely.Polygon([(0, 0), (400, 60), (380, 500), (-30, 420)])
    parcels = strips(np.random.default_rng(1), block, 0.3, (80, 160), (20, 40), 2.0)
    assert shapely.contains(block, parcels).all()
    assert shapely.union_all(parcels).area == pytest.approx(shapely.area(parcels).sum())
    assert 0.85 < shapely.area(parcels).sum() / block.area < 0.98


def test_boxes_have_their_size_and_direction() -> None:
    made = boxes(np.array([[10.0, 20.0]]), np.array([[40.0, 10.0]]), np.pi / 2)
    assert shapely.bounds(made)[0] == pytest.approx((5, 0, 15, 40))


def test_buildings_stand_wholly_inside_the_block() -> None:
    block = blob(np.random.default_rng(2), (0.0, 0.0), 120.0)
    corners = boxes_inside(np.random.default_rng(3), block, 0.4, (12, 8), (16, 14))
    assert len(corners) > 50
    assert shapely.contains(block, shapely.polygons(corners)).all()


def test_a_shadow_joins_its_building() -> None:
    corners = box_corners(np.array([[0.0, 0.0]]), np.array([[10.0, 10.0]]), 0.0)
    shadow = cast_shadows(corners, np.array([[-6.0, -8.0]]))[0]
    assert shadow.bounds == pytest.approx((-11, -13, 5, 5))
    assert shadow.area == pytest.approx(10 * 10 + 10 * 6 + 10 * 8)


def test_river_has_its_width_along_its_course() -> None:
    axis = meander(np.random.default_rng(4), np.array([0.0, 0.0]), 0.7, 2000.0, 150.0)
    river = ribbon(axis, np.full(len(axis), 80.0))
    assert river.area == pytest.approx(80.0 * shapely.LineString(axis).length, rel=0.05)
    assert shapely.contains(river, shapely.LineString(axis[1:-2]))
