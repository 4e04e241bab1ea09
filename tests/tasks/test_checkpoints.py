"""Checkpoints get their names when they are whole."""

import resource
import signal
import tempfile

import pytest
import torch

from hierars_geo.errors import OutputError
from hierars_geo.tasks import WholeCheckpoints


@pytest.fixture
def small_disk():
    """What a full disk does to writes, a limit on the size of files does, too."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def test_a_checkpoint_comes_beside_its_name_and_not_by_way_of_the_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))  # nobody may write there
    path = tmp_path / "checkpoints" / "last.ckpt"
    WholeCheckpoints().save_checkpoint({"state_dict": {"a": torch.arange(3)}}, path)
    assert torch.equal(torch.load(path, weights_only=True)["state_dict"]["a"], torch.arange(3))
    assert [item.name for item in path.parent.iterdir()] == ["last.ckpt"]


def test_a_full_disk_leaves_the_one_before(tmp_path, small_disk):
    path = tmp_path / "last.ckpt"
    WholeCheckpoints().save_checkpoint({"step": 1}, path)
    with pytest.raises(OutputError, match=r"last\.ckpt to be writable, but got"):
        WholeCheckpoints().save_checkpoint({"weights": torch.rand(10_000)}, path)
    assert torch.load(path, weights_only=True) == {"step": 1}
    assert [item.name for item in tmp_path.iterdir()] == ["last.ckpt"]
