"""The forest on single pixels: what it learns, and that it costs the same however much is shown."""

import numpy as np
import pytest
import torch

from hierars_geo.errors import DataError
from hierars_geo.models import PixelForest


def ring(count, seed):
    """Pixels of four bands, two of them noise, whose class 3 lies in a ring around class 0."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(count, 4))
    radius = np.hypot(values[:, 0], values[:, 1])
    classes = np.where((radius > 0.8) & (radius < 1.8), 3, 0)
    return torch.from_numpy(1000 + 300 * values).float(), torch.from_numpy(classes)


def scores(forest, values):
    """(n, K) of pixels that lie side by side."""
    return forest(values.T[None, :, None])[0, :, 0].T


def test_it_learns_what_no_single_gaussian_tells_and_is_sure_by_how_much_it_is_right():
    forest = PixelForest(5)
    values, classes = ring(6000, 0)
    for part in np.split(np.arange(6000), [10, 2500]):
        forest.add(values[part], classes[part])
    new, truth = ring(4000, 1)
    found = scores(forest, new)
    torch.testing.assert_close(found.sum(dim=1), torch.ones(4000))
    assert (found[:, [1, 2, 4]] == 0).all()  # never shown
    right = found.argmax(dim=1) == truth
    assert right.float().mean() > 0.93
    surest = found.max(dim=1).values > 0.9
    assert 0.5 < surest.float().mean() < 0.95
    assert right[surest].float().mean() > 0.98
    assert torch.equal(scores(forest, new[:7]), found[:7])


def test_any_amount_may_be_shown_and_each_pixel_counts_alike():
    forest = PixelForest(2)
    generator = torch.Generator().manual_seed(0)
    for batch in range(30):  # the class turns with time, so that the last pixels alone would be wrong
        classes = torch.full((2000,), int(batch >= 20))
        forest.add(torch.rand(2000, 1, generator=generator), classes)
    kept, labels = forest._sample.kept()
    assert kept.shape == (20_000, 1)
    assert labels.mean() == pytest.approx(1 / 3, abs=0.02)
    with pytest.raises(DataError, match="to learn a forest from"):
        scores(PixelForest(2), torch.zeros(3, 1))
