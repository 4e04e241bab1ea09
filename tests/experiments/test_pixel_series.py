"""Series of single pixels: places are dealt whole, and a training that sees some of the dates learns."""

import argparse

import numpy as np
import pixel_series


def samples():
    """Two crops that peak at other times, three to five samples of each of 16 parcels."""
    random = np.random.default_rng(0)
    place = np.repeat(np.arange(16), random.integers(3, 6, 16))
    leaf, doy = place % 2, np.arange(0, 360, 12)
    peak = np.where(leaf == 0, 150, 230)[:, None]
    values = np.exp(-(((doy - peak) / 40) ** 2))[..., None] + random.normal(0, 0.1, (len(leaf), len(doy), 1))
    return pixel_series.Samples(values.astype(np.float32), np.tile(doy, (len(leaf), 1)), leaf, place)


def test_a_place_is_in_one_fold_and_every_fold_holds_every_class():
    whole = samples()
    parts = pixel_series.folds(whole, 4, seed=1)
    assert sorted(np.concatenate([held for _, held in parts])) == list(range(len(whole.leaf)))
    for fit, held in parts:
        assert not set(whole.place[fit]) & set(whole.place[held])
        assert set(whole.leaf[held]) == {0, 1}
        assert abs(len(held) - len(whole.leaf) / 4) <= 4


def test_a_training_on_ten_of_thirty_dates_tells_crops_apart_by_their_time():
    whole = samples()
    options = {"temporal": "ltae", "epochs": 25, "batch": 16, "width": 16, "rate": 3e-3, "decay": 0.05}
    options |= {"dropout": 0.1, "jitter": 0.05, "shift": 5, "drop_dates": 0.0, "dates": 10}
    tree = pixel_series._tree({"crops": ["early", "late"]}, flat=True)
    ((fit, held), *_) = pixel_series.folds(whole, 4, seed=0)
    model = pixel_series.train(tree, whole.at(fit), argparse.Namespace(**options), seed=0)
    assert pixel_series.accuracy(model, tree, whole.at(held)) >= [0.9]
