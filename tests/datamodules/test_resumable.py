"""A loader that goes on in the middle of an epoch."""

import pytest

from hierars_geo.datamodules.datamodule import ResumableBatches, ResumableLoader


class Counted:
    """Numbers, and how many of them were read."""

    def __init__(self):
        self.read = []

    def __len__(self):
        return 10

    def __getitem__(self, index):
        self.read.append(index)
        return index


def loader(data, workers=0):
    batches = ResumableBatches(range(10), 3, drop_last=True)
    kept = {"num_workers": workers, "persistent_workers": workers > 0}
    return ResumableLoader(data, batch_sampler=batches, collate_fn=list, **kept)


@pytest.mark.parametrize("stop", [1, 2])
def test_it_goes_on_with_the_next_batch_and_reads_no_other(stop):
    first = loader(Counted())
    batches = iter(first)
    given = [next(batches) for _ in range(stop)]
    second = loader(data := Counted())
    second.load_state_dict(first.state_dict())
    rest = list(second)
    assert given + rest == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert data.read == [number for batch in rest for number in batch]
    assert len(list(second)) == len(second) == 3


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_go_on_with_the_next_batch(workers):
    """PyTorch then makes two iterators of the batches and takes from the second alone."""
    second = loader(Counted(), workers)
    second.load_state_dict({"batches": 1})
    assert list(second) == [[3, 4, 5], [6, 7, 8]]
    assert second.state_dict() == {"batches": 0}
    assert list(second) == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]


def test_at_the_end_of_an_epoch_nothing_is_skipped():
    first = loader(Counted())
    list(first)
    assert first.state_dict() == {"batches": 0}


def test_within_a_resumed_epoch_the_skipped_batches_count():
    resumed = loader(Counted())
    resumed.load_state_dict({"batches": 1})
    next(iter(resumed))
    assert resumed.state_dict() == {"batches": 2}
