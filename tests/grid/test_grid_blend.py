import numpy as np
import pytest

from hierars_geo.errors import OptionError
from hierars_geo.grid import blend_weights, window_starts

KINDS = ("none", "hann", "linear", "trim")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("overlap", [(0, 0), (1, 2), (5, 3), (8, 15), (15, 8)])
def test_weights_are_positive_symmetric_and_at_most_one(kind, overlap):
    weights = blend_weights((16, 17), overlap, kind)
    assert weights.shape == (16, 17)
    assert weights.dtype == np.float32
    assert weights.min() > 0
    assert weights.max() <= 1
    np.testing.assert_array_equal(weights, weights[::-1, ::-1])


@pytest.mark.parametrize("kind", ["hann", "linear"])
@pytest.mark.parametrize(("size", "overlap"), [(16, 4), (17, 5), (16, 8), (512, 128)])
def test_neighbours_add_up_to_one(kind, size, overlap):
    length, stride = 4 * size - 3 * overlap, size - overlap
    total = np.zeros(length)
    for start in window_starts(length, size, stride):
        total[start : start + size] += blend_weights((1, size), (0, overlap), kind)[0]
    np.testing.assert_allclose(total[overlap:-overlap], 1, atol=1e-6)


def test_weights_fall_towards_the_edge():
    for kind in ("hann", "linear"):
        row = blend_weights((1, 20), (0, 6), kind)[0]
        assert (np.diff(row[:6]) > 0).all()
        assert (row[6:14] == 1).all()


def test_none_is_flat_and_trim_keeps_the_inner_half_of_the_overlap():
    assert (blend_weights((9, 9), (4, 4), "none") == 1).all()
    np.testing.assert_allclose(blend_weights((1, 10), (0, 4), "trim")[0], [1e-4] * 2 + [1] * 6 + [1e-4] * 2)


def test_bad_options():
    with pytest.raises(OptionError, match="blend to be one of none, hann, linear, trim, but got 'cosine'"):
        blend_weights((8, 8), (2, 2), "cosine")
    for overlap in (-1, 8):
        with pytest.raises(OptionError, match=rf"an overlap of 0\.\.7 px, but got {overlap}"):
            blend_weights((8, 8), (2, overlap))
