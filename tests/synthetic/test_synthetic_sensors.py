"""The optics of synthetic sensors against plain NumPy: mixed pixels, haze, noise, textures."""

import numpy as np
import pytest
import shapely

from hierars_geo.errors import OptionError
from hierars_geo.synthetic.imaging import Atmosphere, strips_of
from hierars_geo.synthetic.layout import Canvas, View
from hierars_geo.synthetic.materials import BANDS, SURFACES, blend_reflectance
from hierars_geo.synthetic.noise import NoiseField
from hierars_geo.synthetic.sensors import SENSORS, block_mean, digitise, spread, through_air


def test_block_mean_equals_a_loop() -> None:
    fine = np.random.default_rng(0).random((15, 20), dtype=np.float32)
    expected = [[fine[5 * r : 5 * r + 5, 5 * c : 5 * c + 5].mean() for c in range(4)] for r in range(3)]
    np.testing.assert_allclose(block_mean(fine, 5), expected, rtol=1e-6)


def test_a_pixel_on_a_border_is_the_mixture_of_both_sides() -> None:
    """A field edge at x = 26 m: the third 10 m pixel is 60 % left, 40 % right."""
    canvas = Canvas(50.0, "balk", 0)
    canvas.paint(shapely.box(26, -100, 200, 200), "asphalt", 14)
    shown = canvas.finish().object_map(View(0, 0, 25, 25, 2.0))
    fine = np.array([0.3, 0.1], dtype=np.float32)[shown]
    np.testing.assert_allclose(block_mean(fine, 5)[2], [0.3, 0.3, 0.6 * 0.3 + 0.4 * 0.1, 0.1, 0.1], rtol=1e-6)


def test_labels_are_the_topmost_class_at_the_pixel_centre() -> None:
    canvas = Canvas(40.0, "balk", 2)
    canvas.paint(shapely.box(0, 0, 21, 9), "lake_water", 7)
    canvas.paint(shapely.box(0, 0, 4, 40), "roof_blue")  # a material without a class of its own
    canvas.paint(shapely.box(30, 0, 40, 40), None, 0)
    layout = canvas.finish()
    np.testing.assert_array_equal(
        layout.class_map(View(0, 0, 4, 4, 10.0)), [[7, 7, 2, 0], [2, 2, 2, 0], [2, 2, 2, 0], [2, 2, 2, 0]]
    )
    np.testing.assert_array_equal(layout.object_map(View(0, 0, 4, 1, 10.0)), [[1, 1, 0, 0]])


def test_views_of_strips_join_without_a_step() -> None:
    layout = Canvas(100.0, "balk", 2)
    layout.paint(shapely.Point(50, 50).buffer(31), "asphalt", 14)
    whole = View(0, 0, 50, 50, 2.0)
    finished = layout.finish()
    joined = np.concatenate([finished.class_map(strip) for _, strip in strips_of(whole, 16)])
    np.testing.assert_array_equal(joined, finished.class_map(whole))


def test_spread_keeps_light_and_softens_edges() -> None:
    edge = np.repeat(np.array([[0.1] * 10 + [0.5] * 10], dtype=np.float32), 12, axis=0)
    seen = spread(edge, 0.6)
    assert seen.mean() == pytest.approx(edge.mean(), rel=1e-4)
    assert 0.1 < seen[5, 9] < 0.3 < seen[5, 10] < 0.5


def test_haze_brightens_blue_and_lowers_contrast() -> None:
    ground = np.array([[0.02, 0.40]], dtype=np.float32)
    clear = np.zeros_like(ground)
    blue, swir = SENSORS["sentinel2"].bands.path[0], SENSORS["sentinel2"].bands.path[-1]
    np.testing.assert_array_equal(through_air(ground, clear, blue, clear), ground)
    hazy = through_air(ground, clear + 1, blue, clear)
    assert hazy[0, 0] - ground[0, 0] > 10 * (through_air(ground, clear + 1, swir, clear)[0, 0] - ground[0, 0])
    assert np.ptp(hazy) < np.ptp(ground)


def test_numbers_follow_the_gain_and_never_mean_nodata() -> None:
    sensor = SENSORS["sentinel2"]
    numbers = digitise(sensor, 0, np.full((200, 200), 0.2, np.float32), np.random.default_rng(0))
    assert numbers.dtype == np.uint16
    assert numbers.mean() == pytest.approx(2000, abs=2)
    assert numbers.std() == pytest.approx(10_000 * (sensor.noise + sensor.relative_noise * 0.2), rel=0.05)
    dark = digitise(SENSORS["google_earth"], 0, np.zeros((50, 50), np.float32), np.random.default_rng(0))
    assert dark.min() == 1


def test_swath_edge_is_a_straight_line_across_one_corner() -> None:
    view = View(0, 0, 100, 100, 10.0)
    for seed in range(8):
        unseen = Atmosphere.draw(np.random.default_rng(seed), view, 0.3, True).unseen(view)
        assert sum(unseen[row, column] for row in (0, -1) for column in (0, -1)) == 1
        counts = unseen.sum(axis=1)
        steps = np.diff(counts[counts > 0])[1:-1]
        assert np.ptp(steps) <= 1
    assert not Atmosphere.draw(np.random.default_rng(0), view, 0.3, False).unseen(view).any()


def test_noise_is_the_same_on_any_grid() -> None:
    field = NoiseField.draw(np.random.default_rng(1), 10.0, octaves=2)
    ys, xs = np.linspace(-50, 900, 40), np.linspace(3, 5000, 60)
    grid = field.on_grid(ys, xs)
    points = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)
    np.testing.assert_allclose(grid.ravel(), field.at(points), atol=1e-5)
    assert field.tile.mean() == pytest.approx(0, abs=1e-3)
    assert field.tile.std() == pytest.approx(1, abs=1e-3)


def test_blends_are_linear_and_unknown_surfaces_are_refused() -> None:
    mixed = blend_reflectance({"soil": 1.0, "rice": 3.0})
    np.testing.assert_allclose(mixed, 0.25 * SURFACES["soil"] + 0.75 * SURFACES["rice"], rtol=1e-6)
    assert mixed.shape == (len(BANDS),)
    with pytest.raises(OptionError, match="lava"):
        blend_reflectance({"lava": 1.0})
