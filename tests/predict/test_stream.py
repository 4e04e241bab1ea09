"""Streaming against a plain in-memory reference: any size, any stride, nodata, coordinates, blending."""

import threading
import time
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
import torch
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS

from hierars_geo.errors import OptionError
from hierars_geo.grid import GeoGrid, Window
from hierars_geo.models import level_confidence
from hierars_geo.predict import Block, OutputOptions, Runtime, WindowPlan, stream_blocks
from hierars_geo.predict.layers import LayerDecoder, wanted_layers
from hierars_geo.predict.memory import MemoryBudget
from hierars_geo.taxonomy import Taxonomy


class ArraySource:
    """A scene in memory."""

    def __init__(self, image, valid):
        self.image, self.valid = image, valid
        self.grid = GeoGrid(CRS.from_epsg(32650), Affine(10, 0, 0, 0, -10, 0), image.shape[1:])
        self.reads = []

    def read(self, window: Window):
        self.reads.append(window)
        rows, cols = window.slices()
        valid = self.valid[rows, cols]
        return np.where(valid, self.image[:, rows, cols], 0).astype(np.float32), valid


def make_source(height, width, seed=0, hole=True):
    rng = np.random.default_rng(seed)
    image = rng.normal(size=(2, height, width)).astype(np.float32)
    valid = np.ones((height, width), dtype=bool)
    if hole:
        valid[height // 3 : height // 2, : width // 2] = False
    return ArraySource(image, valid)


def window_mean_model(image, valid):
    """Like BHCCM's gates, a pixel's value depends on its whole window: three paths from two bands."""
    pooled = image.mean(axis=(2, 3), keepdims=True)
    return np.concatenate([image + pooled, (image[:, :1] * pooled[:, 1:])], axis=1)


RUNTIME = Runtime(window_mean_model, 3)


def reference(source, plan, model):
    """Add every window into full-size arrays, then divide."""
    height, width = source.grid.shape
    total = np.zeros((3, height, width))
    weight = np.zeros((height, width))
    kernel = plan.weights().astype(np.float64)
    for window in plan.windows:
        image, valid = source.read(window)
        if not valid.any():
            continue
        rows, cols = window.slices()
        values = model(image[None], valid[None])[0]
        total[:, rows, cols] += values * kernel
        weight[rows, cols] += kernel
    return np.where(source.valid, total / np.where(weight == 0, 1, weight), 0)


def collect(blocks, source):
    """Put blocks where they belong: every pixel comes once."""
    logits = np.full((blocks[0].path_logits.shape[0], *source.grid.shape), np.nan, np.float32)
    valid = np.zeros(source.grid.shape, bool)
    for block in blocks:
        rows, cols = block.window.slices()
        assert np.isnan(logits[:, rows, cols]).all()
        logits[:, rows, cols] = block.path_logits
        valid[rows, cols] = block.valid
    np.testing.assert_array_equal(valid, source.valid)
    assert not np.isnan(logits).any()
    return logits


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    window=st.integers(1, 17),
    overlap=st.floats(0, 0.9),
    batch_size=st.integers(1, 5),
    blend=st.sampled_from(["none", "hann", "linear", "trim"]),
)
def test_any_size_equals_the_reference(height, width, window, overlap, batch_size, blend):
    source = make_source(height, width)
    plan = WindowPlan.of(source.grid.shape, window, overlap, blend)
    got = collect(list(stream_blocks(source, RUNTIME, plan, batch_size)), source)
    np.testing.assert_allclose(got, reference(source, plan, window_mean_model), rtol=1e-4, atol=1e-4)


@settings(max_examples=150, deadline=None)
@given(
    shape=st.tuples(st.integers(20, 60), st.integers(20, 40)),
    islands=st.lists(st.tuples(st.integers(0, 59), st.integers(0, 39), st.integers(1, 6)), max_size=9),
    window=st.integers(3, 12),
    overlap=st.floats(0, 0.85),
    blend=st.sampled_from(["none", "hann", "trim"]),
)
def test_islands_in_an_empty_scene_equal_the_reference(shape, islands, window, overlap, blend):
    """What is empty is not computed with; what was there before must not show through."""
    source = make_source(*shape, hole=False)
    source.valid[:] = False
    for row, col, side in islands:
        source.valid[row : row + side, col : col + side] = True
    plan = WindowPlan.of(source.grid.shape, window, overlap, blend)
    got = collect(list(stream_blocks(source, RUNTIME, plan)), source)
    np.testing.assert_allclose(got, reference(source, plan, window_mean_model), rtol=1e-4, atol=1e-4)


def test_every_pixel_is_blended_with_itself():
    """A model that returns coordinates gets them back exactly where windows overlap: no shift anywhere."""
    rows, cols = np.mgrid[:57, :83].astype(np.float32)
    source = ArraySource(np.stack([rows, cols]), np.ones((57, 83), dtype=bool))
    plan = WindowPlan.of((57, 83), 16, 0.25)
    got = collect(list(stream_blocks(source, Runtime(lambda image, valid: image, 2), plan)), source)
    np.testing.assert_allclose(got, source.image, rtol=1e-5)


def test_windows_without_data_are_not_run():
    source = make_source(32, 32, hole=False)
    source.valid[:, 16:] = False
    seen = []

    def model(image, valid):
        seen.append(image.shape[0])
        assert valid.any(axis=(1, 2)).all()
        return window_mean_model(image, valid)

    list(stream_blocks(source, Runtime(model, 3), WindowPlan.of((32, 32), 8, 0.0), batch_size=3))
    assert sum(seen) == 8  # the left half of 16 windows
    source.valid[:] = False
    blocks = list(stream_blocks(source, Runtime(model, 3), WindowPlan.of((32, 32), 8, 0.0)))
    assert sum(seen) == 8
    assert not any(block.valid.any() for block in blocks)


def test_pixels_leave_as_soon_as_no_window_touches_them():
    source = make_source(400, 12, hole=False)
    seen = []
    plan = WindowPlan.of((400, 12), 8, 0.5)
    blocks = stream_blocks(source, RUNTIME, plan, batch_size=1, progress=seen.append)
    for block in blocks:
        last = plan[sum(seen)]  # the window whose block this is: progress is told after it
        assert block.window.row == last.row
        assert block.window.row_stop == min(last.row + 4, 400) or last.row_stop == 400


def test_reading_ahead_stops_with_the_consumer():
    source = make_source(200, 20)
    rows = stream_blocks(source, RUNTIME, WindowPlan.of((200, 20), 8, 0.5), batch_size=1)
    next(rows)
    rows.close()
    count = len(source.reads)
    assert count < 30
    assert len(source.reads) == count


def test_a_failing_read_is_raised():
    source = make_source(64, 64)

    def broken(window):
        raise OSError("tile 3 is damaged")

    source.read = broken
    with pytest.raises(OSError, match="tile 3"):
        list(stream_blocks(source, RUNTIME, WindowPlan.of((64, 64), 16, 0.5)))


def test_seams_of_blended_windows_are_no_larger_than_inside():
    """Largest step across window borders against the largest inside windows, with a random smooth model."""
    # a model with a strong window-wide term: without blending every border is a step
    smooth = np.cumsum(np.cumsum(np.random.default_rng(0).normal(size=(1, 128, 128)), axis=1), axis=2) / 40
    source = ArraySource(np.concatenate([smooth, smooth]).astype(np.float32), np.ones((128, 128), dtype=bool))
    steps = {}
    for blend in ("none", "hann"):
        overlap = 0.0 if blend == "none" else 0.5
        plan = WindowPlan.of((128, 128), 32, overlap, blend)
        got = collect(list(stream_blocks(source, RUNTIME, plan)), source)[0]
        difference = np.abs(np.diff(got - source.image[0], axis=1))  # what the window adds, image taken out
        steps[blend] = difference.max()
    assert steps["hann"] < 0.2 * steps["none"]


def test_options_out_of_range_are_named():
    with pytest.raises(OptionError, match="overlap to be a share"):
        WindowPlan.of((10, 10), 4, 1.0)


def test_no_thread_reads_after_the_stream_is_closed():
    """The scene's files are closed right after the stream: nothing may read them any more."""
    source = make_source(300, 20)
    slow = source.read

    def read(window):
        time.sleep(0.01)
        return slow(window)

    source.read = read
    stream = stream_blocks(source, RUNTIME, WindowPlan.of((300, 20), 8, 0.5), batch_size=2)
    with closing(stream):
        next(stream)
        assert [thread for thread in threading.enumerate() if thread.name.startswith("read-ahead")]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("read-ahead")]


@pytest.mark.parametrize(("budget", "ahead"), [(1, 1), (100, 2)])
def test_what_is_read_ahead_stays_within_its_share(budget, ahead):
    source = make_source(1024, 128, hole=False)
    run, seen = [], []

    def model(image, valid):
        run.append(image.nbytes)
        time.sleep(0.05)  # the other thread reads what it may
        seen.append(len(source.reads) - len(run))
        return window_mean_model(image, valid)

    plan = WindowPlan.of((1024, 128), 128, 0.0)
    list(stream_blocks(source, Runtime(model, 3), plan, batch_size=1, memory=MemoryBudget(budget)))
    assert run[0] > 2**20 / 12  # two of them are more than a sixth of the smaller budget
    assert max(seen) == ahead


def test_tensors_as_on_a_gpu_are_blended_and_decoded_like_arrays():
    """What a GPU blends and decodes as tensors goes through the same lines as NumPy's arrays."""
    source = make_source(50, 70)
    plan = WindowPlan.of((50, 70), 16, 0.4)

    def on_device(image, valid):
        return torch.from_numpy(window_mean_model(image, valid))

    blocks = list(stream_blocks(source, Runtime(on_device, 3, place=torch.from_numpy), plan))
    assert all(isinstance(block.path_logits, torch.Tensor) for block in blocks)
    arrays = [replace(b, path_logits=b.path_logits.numpy(), valid=b.valid.numpy()) for b in blocks]
    np.testing.assert_array_equal(
        collect(arrays, source), collect(list(stream_blocks(source, RUNTIME, plan)), source)
    )
    tree = Taxonomy.from_yaml("mm5b")
    options = OutputOptions(confidence=True, depth_threshold=0.4, entropy=True, probabilities=True)
    decoder = LayerDecoder(tree, wanted_layers(options, (1, 2, 3)), 0.4)
    logits = 3 * np.random.default_rng(0).normal(size=(tree.num_paths, 40, 50)).astype(np.float32)
    valid = logits[0] < 4
    block = Block(Window(0, 0, 40, 50), logits, valid)
    tensors = replace(block, path_logits=torch.from_numpy(logits), valid=torch.from_numpy(valid))
    ours, theirs = decoder.decode(block).layers, decoder.decode(tensors).layers
    for name in ours:
        assert ours[name].dtype == theirs[name].dtype
        assert (ours[name] == theirs[name]).mean() > (1.0 if name.startswith("L") else 0.999) - 1e-9
    confidence = level_confidence(torch.from_numpy(logits[None]), tree.paths)[0].numpy()
    for level in (1, 2, 3):
        rounded = np.where(valid, np.round(confidence[level - 1] * 100), 255)
        assert np.abs(ours[f"conf_L{level}"] - rounded).max() <= 1
