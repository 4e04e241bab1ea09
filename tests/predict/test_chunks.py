"""Chunks: the same bits however a scene is cut, wherever it is taken up again."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hierars_geo.errors import OptionError
from hierars_geo.grid import Window
from hierars_geo.predict import ChunkPlan, Runtime, WindowPlan, stream_blocks
from hierars_geo.predict.arrays import ArraySource
from hierars_geo.predict.chunks import MOST_CHUNK_PX
from hierars_geo.predict.memory import MemoryBudget, machine_bytes


def batch_sensitive_model(image, valid):
    """Like a real model, its last bits depend on a window's place in its batch and on the batch's size."""
    place = np.arange(len(image), dtype=np.float32)[:, None, None, None] * 1e-3 + len(image) * 1e-2
    pooled = image.mean(axis=(2, 3), keepdims=True)
    return np.concatenate([image + pooled, image[:, :1] * pooled[:, 1:]], axis=1) + place


def scene(height, width, hole, seed=0):
    rng = np.random.default_rng(seed)
    valid = np.ones((height, width), dtype=bool)
    rows, cols = np.mgrid[:height, :width]
    if hole == "disc":
        valid[(rows - height // 2) ** 2 + (cols - width // 3) ** 2 < (min(height, width) / 3) ** 2] = False
    elif hole == "half":
        valid[:, width // 2 :] = False
    elif hole == "speckle":
        valid &= rng.random((height, width)) > 0.5
    return ArraySource(rng.normal(size=(2, height, width)).astype(np.float32), valid)


def assemble(source, plan, batch_size, from_row=None):
    """Put the chunks' blocks where they belong; NaN where none came."""
    runtime = Runtime(batch_sensitive_model, 3)
    logits = np.full((3, *plan.shape), np.nan, np.float32)
    for number in range(len(plan)):
        chunk = plan[number]
        start = None if from_row is None else max(chunk.window.row, min(from_row, chunk.window.row_stop))
        if start == chunk.window.row_stop:
            continue
        part = chunk.below(chunk.window.row if start is None else start)
        seen = np.zeros(plan.shape, int)
        for block in stream_blocks(source, runtime, plan.windows, batch_size, part):
            rows, cols = block.window.slices()
            seen[rows, cols] += 1
            logits[:, rows, cols] = block.path_logits
        assert (seen[part.slices()] == 1).all()
        assert seen.sum() == part.height * part.width
    return logits


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 60),
    width=st.integers(1, 60),
    window=st.integers(1, 17),
    overlap=st.floats(0, 0.8),
    batch_size=st.integers(1, 5),
    blend=st.sampled_from(["none", "hann", "linear", "trim"]),
    hole=st.sampled_from(["none", "disc", "half", "speckle"]),
    chunk=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    share=st.floats(0, 1),
)
def test_any_cut_gives_the_same_bits(height, width, window, overlap, batch_size, blend, hole, chunk, share):
    source = scene(height, width, hole)
    windows = WindowPlan.of((height, width), window, overlap, blend)
    whole = assemble(source, ChunkPlan.of((height, width), windows, 3), batch_size)
    cut = ChunkPlan.of((height, width), windows, 3, *chunk)
    np.testing.assert_array_equal(assemble(source, cut, batch_size), whole)
    row = int(share * (height - 1))
    later = assemble(source, cut, batch_size, from_row=row)
    np.testing.assert_array_equal(later[:, row:], whole[:, row:])
    assert (windows.weights() > 0).all()


def test_chunks_cover_the_raster_once():
    windows = WindowPlan.of((100, 70), 16, 0.25)
    plan = ChunkPlan.of((100, 70), windows, 3, chunk_px=32, chunk_rows=41)
    seen = np.zeros((100, 70), int)
    for number in range(len(plan)):
        assert plan[number].number == number
        assert plan[number].window.width <= 32
        assert plan[number].window.height <= 41
        seen[plan[number].window.slices()] += 1
    assert (seen == 1).all()
    assert plan.num_windows >= len(windows)


def test_columns_at_once_are_bounded_by_memory():
    wide = (1000, 100_000)
    few = ChunkPlan.of(wide, WindowPlan.of(wide, 64, 0.25), 3)
    many = ChunkPlan.of(wide, WindowPlan.of(wide, 512, 0.75), 18)
    assert max(np.diff(few.col_edges)) <= MOST_CHUNK_PX
    assert max(np.diff(many.col_edges)) * 19 * many.windows.most_shared_rows * 4 <= 96 * 2**20
    less = ChunkPlan.of(wide, many.windows, 18, memory=MemoryBudget(80))
    assert 39 * 2**20 < max(np.diff(less.col_edges)) * 19 * less.windows.most_shared_rows * 4 <= 40 * 2**20


def test_without_a_word_the_budget_is_a_share_of_the_machine(monkeypatch):
    for gigabytes, budget in ((4, 64), (16, 128), (24, 192), (512, 192)):
        monkeypatch.setattr("hierars_geo.predict.memory.machine_bytes", lambda size=gigabytes: size * 2**30)
        assert MemoryBudget.of(None).total_mb == budget
    assert MemoryBudget.of(1000).total_mb == 1000


@pytest.mark.parametrize(
    ("groups", "limits", "gigabytes"),
    [
        # version 1, in a job of a batch system: the group above is the narrower one
        (
            "4:memory:/job/step\n1:cpu,cpuacct:/\n",
            {"memory/job/step/memory.limit_in_bytes": 3, "memory/job/memory.limit_in_bytes": 2},
            2,
        ),
        # version 2, in a container that sees its own group as the top
        ("0::/docker/1f\n", {"memory.max": 1}, 1),
        ("0::/docker/1f\n", {"docker/1f/memory.max": 1, "memory.max": "max"}, 1),
        ("1:cpu,cpuacct:/other\n", {"memory/other/memory.limit_in_bytes": 1}, None),
        ("0::/\n", {"memory.max": "max"}, None),
        (None, {}, None),
    ],
)
def test_memory_is_what_the_control_group_allows(groups, limits, gigabytes, tmp_path):
    if groups is not None:
        (tmp_path / "proc/self").mkdir(parents=True)
        (tmp_path / "proc/self/cgroup").write_text(groups)
    for name, size in limits.items():
        path = tmp_path / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{size if size == 'max' else size * 2**30}\n")
    machine = machine_bytes(tmp_path / "nothing")
    assert machine > 3 * 2**30
    assert machine_bytes(tmp_path) == (machine if gigabytes is None else gigabytes * 2**30)


def test_rows_of_windows_share_about_as_much_everywhere():
    assert WindowPlan.of((28, 9), 10, 0.1).most_shared_rows == 1
    assert WindowPlan.of((29, 9), 10, 0.1).most_shared_rows == 4  # four rows of windows, none moved far
    assert WindowPlan.of((10, 9), 10, 0.1).most_shared_rows == 0


def test_a_plan_of_very_many_windows_lists_none_of_them():
    shape = (1_000_000, 1_000_000)
    plan = WindowPlan.of(shape, 512, 0.25)
    assert len(plan) == 2604**2
    part = Window(999_000, 999_000, 1000, 1000)
    batches = list(plan.batches(4, part))
    assert plan.count_within(part) == 9
    assert {window for batch in batches for window in batch} >= {plan[len(plan) - 1]}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: WindowPlan.of((100_000, 100_000), 512, 0.99), "bearable number of windows"),
        (lambda: ChunkPlan.of((9, 9), WindowPlan.of((9, 9), 4, 0), 3, chunk_px=0), "chunk_px to be >= 1"),
        (lambda: ChunkPlan.of((9, 9), WindowPlan.of((9, 9), 4, 0), 3, chunk_rows=0), "chunk_rows to be >= 1"),
        (
            lambda: ChunkPlan.of((10**6, 10**6), WindowPlan.of((10**6, 10**6), 10**6, 0), 18),
            "fit into memory",
        ),
    ],
)
def test_absurd_sizes_are_refused(call, message):
    with pytest.raises(OptionError, match=message):
        call()
