"""Pictures and figures: exact class colours, bands by name, stretch, confusion; the same bytes always."""

from io import BytesIO

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image
from pyproj import CRS, Transformer
from raster_factory import write_raster
from report_factory import UTM, Place

from hierars_geo.errors import OutputError, RasterError
from hierars_geo.grid import GeoGrid
from hierars_geo.maps import Maps
from hierars_geo.report import write_report
from hierars_geo.report.confusion import draw_confusion, row_normalised
from hierars_geo.report.figures import draw_map
from hierars_geo.report.png import index_png, rgb_png
from hierars_geo.report.scene_section import build_scene_section
from hierars_geo.report.source_image import read_true_color, stretch
from hierars_geo.scenes import Scene
from hierars_geo.taxonomy import Taxonomy

SHAPE = (40, 60)
GRID = GeoGrid(CRS.from_string(UTM[0]), UTM[1], SHAPE)
MAPPED = np.ones(SHAPE, bool)
MM5B = Taxonomy.from_yaml("mm5b")


def decode(png):
    return np.array(Image.open(BytesIO(png)).convert("RGBA"))


@pytest.mark.parametrize("classes", [3, 200, 700])
def test_every_pixel_has_exactly_its_colour(classes):
    rng = np.random.default_rng(0)
    index = rng.integers(-1, classes, (50, 70))
    index.flat[: classes + 1] = np.arange(-1, classes)
    colors = {k: tuple(rng.integers(0, 256, 3).tolist()) for k in range(classes)}
    pixels = decode(index_png(index, colors))
    assert np.array_equal(pixels[..., 3], np.where(index < 0, 0, 255))
    for k, color in colors.items():
        assert (pixels[index == k, :3] == color).all()


def test_image_is_transparent_where_it_has_no_data():
    valid = np.array([[True, False]])
    pixels = decode(rgb_png(np.full((3, 1, 2), 7, np.uint8), valid))
    assert pixels.tolist() == [[[7, 7, 7, 255], [255, 255, 255, 0]]]


def test_stretch_spans_the_middle_96_per_cent():
    plane = np.arange(101, dtype=np.float32).reshape(1, -1)
    valid = np.ones_like(plane, bool)
    stretched = stretch(plane, valid)
    assert stretched[0, [0, 2, 50, 98, 100]].tolist() == [0, 0, 128, 255, 255]
    assert stretch(np.full((2, 2), 5, np.float32), np.ones((2, 2), bool)).max() == 0


@pytest.fixture
def write_bands(tmp_path):
    """Write a gradient per band: red to the right, green downwards, blue both, the rest constant."""
    rows, cols = np.mgrid[: SHAPE[0], : SHAPE[1]]
    planes = {"red": cols * 10, "green": rows * 10, "blue": (rows + cols) * 10, "other": rows * 0 + 5}
    place = Place(MM5B, SHAPE)

    def write(names, order, nodata=None, name="image.tif", **options):
        stack = np.stack([planes[key] for key in order]).astype(np.uint16) + 1
        return place.write_tif(tmp_path / name, stack, nodata, names, **options)

    return write


def is_true(picture):
    """Red grows to the right, green downwards."""
    red, green, blue = picture[0].astype(int)
    return (
        red[0, -1] > red[0, 0]
        and red[-1, 0] == red[0, 0]
        and green[-1, 0] > green[0, 0]
        and green[0, -1] == green[0, 0]
        and blue[-1, -1] > blue[0, 0]
    )


@pytest.mark.parametrize(
    ("names", "order"),
    [
        (("B02", "B03", "B04", "B08"), ("blue", "green", "red", "other")),
        (("red", "green", "blue"), ("red", "green", "blue")),
        (("nir", "blue", "red", "green"), ("other", "blue", "red", "green")),
        (("B1 (blue)", "B2 (green)", "B3 (red)", "red edge 1"), ("blue", "green", "red", "other")),
    ],
)
def test_bands_are_found_by_name(write_bands, names, order):
    assert is_true(read_true_color(write_bands(names, order), GRID, SHAPE, MAPPED))


def test_bands_are_found_by_colour_interpretation(write_bands):
    path = write_bands((), ("red", "green", "blue"), photometric="RGB")
    assert is_true(read_true_color(path, GRID, SHAPE, MAPPED))


def test_bands_are_found_in_a_folder_of_band_files(write_bands, tmp_path):
    for name, key in (("B04", "red"), ("B03", "green"), ("B02", "blue")):
        write_bands((), (key,), name=f"scene_{name}.tif")
    assert is_true(read_true_color(tmp_path, GRID, SHAPE, MAPPED))


def test_bands_without_names_are_refused(write_bands):
    path = write_bands((), ("red", "green", "blue", "other"), photometric="MINISBLACK")
    with pytest.raises(RasterError, match=r"named red, green, blue or B04, B03, B02.*image\.tif"):
        read_true_color(path, GRID, SHAPE, MAPPED)


def test_image_on_a_finer_and_larger_grid_is_brought_to_the_extent(tmp_path):
    rows, cols = np.mgrid[: SHAPE[0] * 2 + 20, : SHAPE[1] * 2 + 20]
    stack = np.stack([cols, rows, rows + cols]).astype(np.uint16) + 1
    place = Place(MM5B, SHAPE)
    transform = UTM[1] @ Affine.scale(0.5) @ Affine.translation(-10, -10)
    path = place.write_tif(tmp_path / "fine.tif", stack, 0, ("red", "green", "blue"), transform=transform)
    picture = read_true_color(path, GRID, SHAPE, MAPPED)
    assert picture[1].all()
    assert is_true(picture)


def test_reduced_image_leaves_nodata_out(tmp_path):
    place = Place(MM5B, (400, 600))
    image, valid, _ = read_true_color(
        place.write_image(tmp_path / "image.tif"),
        GeoGrid(CRS.from_string(UTM[0]), UTM[1], (400, 600)),
        (100, 150),
        np.ones((100, 150), bool),
    )
    assert image.shape == (3, 100, 150)
    assert not valid[0, 0]
    assert 0.9 < valid.mean() < 1


@pytest.mark.parametrize("overviews", [False, True])
@pytest.mark.parametrize("crs", ["EPSG:32650", "EPSG:32649"])
def test_masks_and_nodata_count_as_in_a_prediction_on_any_grid(tmp_path, crs, overviews):
    """A masked half is neither shown nor stretched by; nodata in one band alone is a measurement."""
    mask = np.full((400, 600), 255, np.uint8)
    mask[:, 300:] = 0
    stack = np.where(mask == 0, 9000, np.arange(1, 401)[:, None]).astype(np.uint16)
    dark = stack.copy()
    dark[:, 50:150] = 0
    path = write_raster(
        tmp_path / "image.tif",
        np.stack([dark, stack, stack]),
        ("red", "green", "blue"),
        mask=mask,
        nodata=0,
        tiled=True,
    )
    if overviews:
        with rasterio.open(path, "r+") as file, rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
            file.build_overviews([2, 4], rasterio.enums.Resampling.average)
    with Scene.open(path) as scene:
        grid = scene.grid
    if crs != "EPSG:32650":
        corners = Transformer.from_crs(grid.crs, crs, always_xy=True).transform_bounds(*grid.bounds)
        grid = GeoGrid.from_bounds(CRS.from_string(crs), corners, (10, 10))
    image, valid, _ = read_true_color(path, grid, (80, 120), np.ones((80, 120), bool))
    middle = valid[20:60]
    assert middle[:, 5:55].all()
    assert not middle[:, 65:].any()
    assert image[:, 20:60][:, middle].max() > 150  # of the darkest to the brightest that is shown
    assert not image[:, ~valid].any()


def test_undeclared_nodata_shows_only_where_there_is_no_class(tmp_path):
    place = Place(MM5B, SHAPE)
    stack = np.full((3, *SHAPE), 9, np.uint8)
    stack[:, :5, :5] = 0
    path = place.write_tif(tmp_path / "image.tif", stack, None, ("red", "green", "blue"))
    mapped = MAPPED.copy()
    mapped[:5, :3] = False
    _, valid, _ = read_true_color(path, GRID, SHAPE, mapped)
    assert np.array_equal(valid, mapped)


def test_image_elsewhere_gives_nothing(write_bands):
    path = write_bands(
        ("red", "green", "blue"), ("red", "green", "blue"), transform=UTM[1] @ Affine.translation(900, 0)
    )
    assert read_true_color(path, GRID, SHAPE, np.zeros(SHAPE, bool)) is None


def test_rows_of_a_confusion_matrix_add_up_to_one():
    shares = row_normalised(np.array([[3, 1], [0, 0]]))
    assert shares[0].tolist() == [0.75, 0.25]
    assert np.isnan(shares[1]).all()


def test_confusion_figure_leaves_out_what_does_not_occur():
    confusion = np.zeros((18, 18), dtype=np.int64)
    assert draw_confusion(confusion, MM5B, 3) is None
    confusion[2, 2], confusion[2, 5] = 80, 20
    small = draw_confusion(confusion, MM5B, 3)
    confusion[np.arange(18), np.arange(18)] = 50
    large = draw_confusion(confusion, MM5B, 3)
    assert decode(small.png).shape[1] < decode(large.png).shape[1]
    assert large.width_px == pytest.approx(decode(large.png).shape[1] * 96 / 160, abs=1)


def test_confusion_figure_takes_any_class_name():
    names = ["$x$ and \\frac", "水田", "a_b^c {", "x" * 80]
    classes = [{"name": name, "value": k + 1, "color": [k, k, k]} for k, name in enumerate(names)]
    tree = Taxonomy.from_dict({"name": "odd", "levels": [{"name": "L1", "classes": classes}]})
    figure = draw_confusion(np.eye(4, dtype=np.int64) * 7, tree, 1)
    assert decode(figure.png).shape[1] > 100


def test_many_classes_make_a_figure_without_numbers():
    corine = Taxonomy.from_yaml("corine")
    figure = draw_confusion(np.eye(44, dtype=np.int64), corine, 3)
    assert figure.width_px < 1400


TREE = Taxonomy.from_yaml("whdld")


@pytest.fixture
def folder(tmp_path):
    return Place(TREE, shape=(40, 60)).write_prediction(tmp_path / "maps", confidence=False)


def test_a_map_becomes_png_and_pdf_in_its_own_colours(folder, tmp_path):
    figures = tmp_path / "figures"
    write_report(folder, tmp_path / "report.html", figures=figures)
    with Image.open(figures / "scene_L1.png") as image:
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
    colors, counts = np.unique(pixels, axis=0, return_counts=True)
    drawn = {tuple(color) for color, count in zip(colors.tolist(), counts, strict=True) if count > 500}
    place = Place(TREE, shape=(40, 60))
    present = np.unique(place.predicted[place.predicted >= 0])
    assert {TREE.colors(1)[index] for index in present} <= drawn
    pdf = (figures / "scene_L1.pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    assert b"CreationDate" not in pdf

    with pytest.raises(OutputError, match=r"scene_L1\.png.*--overwrite"):
        write_report(folder, tmp_path / "again.html", figures=figures)
    write_report(folder, tmp_path / "again.html", figures=figures, overwrite=True)
    assert (figures / "scene_L1.pdf").read_bytes() == pdf


def test_ramps_and_doubt_are_drawn(tmp_path):
    maps = Place(TREE, shape=(40, 60)).write_prediction(tmp_path / "maps")
    section = build_scene_section(Maps.open(maps).scene, None, None)
    ramp = section.rows[-1].panels[0]
    for panel in (ramp, section.doubt.panel):
        axes = draw_map(panel, section.frame, "scene").axes
        texts = {text.get_text() for each in axes for text in each.texts}
        assert {"N", section.frame.scale_bar.label} <= texts
        assert {"0 %", "100 %"} <= texts if panel is ramp else "Below 25 %" in texts
