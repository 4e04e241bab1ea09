from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hierars_geo.errors import OptionError
from hierars_geo.grid import Window, cover, overlap_to_stride, spread_starts, window_starts


@pytest.mark.parametrize("lay", [window_starts, spread_starts])
@settings(deadline=None)
@given(st.integers(1, 300), st.integers(1, 64), st.data())
def test_starts_cover_the_axis_and_stay_inside(lay, length, size, data):
    stride = data.draw(st.integers(1, size))
    starts = lay(length, size, stride)
    covered = np.zeros(length, dtype=bool)
    for start in starts:
        covered[start : start + size] = True
    assert covered.all()
    assert list(starts) == sorted(set(starts))
    assert starts[0] == 0
    assert length <= size or starts[-1] + size == length
    assert all(b - a <= stride for a, b in pairwise(starts))
    # no window more than needed
    assert len(starts) == (1 if length <= size else 1 + -(-(length - size) // stride))
    steps = [b - a for a, b in pairwise(starts)]
    assert lay is window_starts or not steps or max(steps) - min(steps) <= 1


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 20), st.integers(1, 20), st.data())
def test_cover_reaches_every_pixel_row_by_row(height, width, rows, cols, data):
    stride = data.draw(st.tuples(st.integers(1, rows), st.integers(1, cols)))
    windows = list(cover((height, width), (rows, cols), stride))
    seen = np.zeros((height + rows, width + cols), dtype=bool)
    for window in windows:
        assert (window.height, window.width) == (rows, cols)
        seen[window.slices()] = True
    assert seen[:height, :width].all()
    assert windows == sorted(windows)
    assert len(set(windows)) == len(windows)


@pytest.mark.parametrize("arguments", [(0, 4, 2), (5, 0, 1), (5, 4, 0), (5, 4, 5)])
def test_gaps_and_empty_axes_are_refused(arguments):
    with pytest.raises(
        OptionError, match=r"a stride of 1\.\.size, but got " + ", ".join(map(str, arguments[:2]))
    ):
        window_starts(*arguments)


@pytest.mark.parametrize(
    ("size", "overlap", "stride"), [(512, 0.25, 384), (512, 0, 512), (3, 0.99, 1), (7, 0.5, 4)]
)
def test_overlap_to_stride(size, overlap, stride):
    assert overlap_to_stride(size, overlap) == stride


@pytest.mark.parametrize("overlap", [-0.1, 1.0, 25, float("nan")])
def test_overlap_out_of_range(overlap):
    with pytest.raises(OptionError, match=f"share of the window, 0 <= overlap < 1, but got {overlap}"):
        overlap_to_stride(512, overlap)


@settings(deadline=None)
@given(*[st.tuples(st.integers(-9, 9), st.integers(-9, 9), st.integers(1, 9), st.integers(1, 9))] * 2)
def test_intersection_is_that_of_the_pixels(a, b):
    def pixels(window):
        return {
            (r, c) for r in range(window.row, window.row_stop) for c in range(window.col, window.col_stop)
        }

    first, second = Window(*a), Window(*b)
    common = first.intersection(second)
    assert (pixels(common) if common else set()) == pixels(first) & pixels(second)
    assert common == second.intersection(first)


def test_shifted_and_slices():
    window = Window(-2, 3, 4, 5).shifted(2, -3)
    assert window == Window(0, 0, 4, 5)
    assert np.arange(42).reshape(6, 7)[Window(1, 2, 2, 3).slices()].tolist() == [[9, 10, 11], [16, 17, 18]]
