"""Open files are few, belong to one process, and do not travel; the block cache holds many blocks."""

import gc
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from rasterio._env import get_gdal_config
from scene_files import coordinates, query, tree, write
from torch.utils.data import DataLoader
from torchgeo.datasets import stack_samples

from hierars_geo.datasets import HierarchicalLabels, SceneRaster
from hierars_geo.errors import MissingFileError, OptionError
from hierars_geo.samplers import RandomChipSampler
from hierars_geo.scenes import bounded_block_cache
from hierars_geo.scenes.dataset import HandlePool


@pytest.fixture
def files(tmp_path):
    return [write(tmp_path / f"{i}.tif", coordinates(8, 8) + i) for i in range(5)]


def test_the_least_recently_used_file_is_closed_first(files):
    pool = HandlePool(max_open=2)
    first = pool.get(files[0])
    second = pool.get(files[1])
    assert pool.get(files[0]) is first
    pool.get(files[2])
    assert len(pool) == 2
    assert second.closed
    assert not first.closed
    pool.close()
    assert len(pool) == 0
    assert first.closed
    with pytest.raises(OptionError, match="max_open_files"):
        HandlePool(0)
    os.remove(files[3])
    with pytest.raises(MissingFileError, match=r"3\.tif"):
        pool.get(files[3])


def test_files_are_closed_with_the_pool_and_before_the_interpreter_ends(files):
    pool = HandlePool()
    dataset = pool.get(files[0])
    del pool
    gc.collect()
    assert dataset.closed
    script = """if True:
        import atexit, sys
        kept = []
        atexit.register(lambda: print(kept[1].closed))  # runs last: it came first
        from hierars_geo.scenes.dataset import HandlePool
        kept.append(HandlePool())
        kept.append(kept[0].get(sys.argv[1]))
    """
    done = subprocess.run(
        [sys.executable, "-c", script, files[0]], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "True"


def test_a_fork_opens_its_own_and_leaves_the_inherited_alone(files):
    pool = HandlePool()
    ours = pool.get(files[0])
    read, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        theirs = pool.get(files[0])
        fine = theirs is not ours and not ours.closed and int(theirs.read(2)[3, 4]) == 4
        os.write(write_end, b"1" if fine else b"0")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 1) == b"1"
    assert pool.get(files[0]) is ours


def test_workers_read_what_the_main_process_reads(files, tmp_path):
    labels = write(tmp_path / "labels/l.tif", np.tile([1, 2, 3, 4], (8, 2)).astype(np.uint8))
    dataset = SceneRaster(files, max_open_files=2) & HierarchicalLabels(labels, tree())
    here = dataset[query(0, 0, 8, 8)]  # handles are open before the fork

    def load(workers):
        sampler = RandomChipSampler(dataset, 4, 12, seed=7)
        return list(DataLoader(dataset, 4, sampler=sampler, num_workers=workers, collate_fn=stack_samples))

    for alone, forked in zip(load(0), load(2), strict=True):
        assert torch.equal(alone["image"], forked["image"])
        assert torch.equal(alone["mask"], forked["mask"])
        assert alone["bounds"] == forked["bounds"]
    copy = pickle.loads(pickle.dumps(dataset))
    assert torch.equal(copy[query(0, 0, 8, 8)]["mask"], here["mask"])
    assert copy.images[0]._pool.max_open == 2
    assert len(dataset.images[0]._pool) <= 2
    dataset.close()
    assert len(dataset.images[0]._pool) == 0
    assert torch.equal(dataset[query(0, 0, 8, 8)]["image"], here["image"])


@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_workers_started_either_way_read_the_same_and_leave_nothing_open(files, method):
    dataset = SceneRaster(files, max_open_files=2)
    assert _open_of(files) == 0
    chips = list(RandomChipSampler(dataset, 4, 4, seed=1))
    here = [dataset[chip]["image"] for chip in chips]
    assert 0 < _open_of(files) <= 2
    loader = DataLoader(
        dataset, None, sampler=chips, num_workers=2, multiprocessing_context=method, collate_fn=_image
    )
    assert all(torch.equal(a, b) for a, b in zip(here, loader, strict=True))
    dataset.close()
    assert _open_of(files) == 0


def _image(sample):
    return sample["image"]


def _open_of(files):
    """Count the files that this process holds open."""
    links = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
    wanted = {os.path.realpath(file) for file in files}
    return sum(os.path.realpath(link) in wanted for link in links)


def test_the_bounded_cache_holds_128_mib():
    with bounded_block_cache():
        assert get_gdal_config("GDAL_CACHEMAX") == 128 * 2**20
