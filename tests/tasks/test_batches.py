"""What a distributed sampler repeats is scored once."""

import pytest
import torch
from torch.utils.data import DataLoader
from torch.utils.data.distributed import DistributedSampler

from hierars_geo.tasks.batches import unlabel_repeated


class Chips(torch.utils.data.Dataset):
    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return {"mask": torch.full((2, 2), index), "label_set": torch.full((2, 2), index)}


@pytest.mark.parametrize("count", [7, 8, 9, 10, 1])
@pytest.mark.parametrize("processes", [1, 2, 4])
def test_every_chip_keeps_its_label_in_one_process(count, processes):
    found, levels, given = [], [], 0
    for rank in range(processes):
        sampler = DistributedSampler(Chips(count), processes, rank, shuffle=False)
        loader = DataLoader(Chips(count), batch_size=2, sampler=sampler)
        for number, batch in enumerate(loader):
            given += len(batch["mask"])
            kept = unlabel_repeated(batch, number, loader)
            found += kept["mask"][kept["mask"] >= 0][::4].tolist()
            levels += kept["label_set"][kept["label_set"] >= 0][::4].tolist()
    assert sorted(found) == sorted(levels) == list(range(count))
    assert given == -(-count // processes) * processes


def test_one_process_alone_keeps_its_batch():
    loader = DataLoader(Chips(3), batch_size=2)
    batch = next(iter(loader))
    assert unlabel_repeated(batch, 0, loader) is batch
    assert unlabel_repeated(batch, 0, None) is batch
