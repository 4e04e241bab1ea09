"""Rare classes are met at the chosen rate, and chips keep the rules, whatever reads them."""

import dataclasses
import warnings

import numpy as np
import pytest
import shapely
from scene_files import X0, Y0, coordinates, tree, write
from torch.utils.data import DataLoader
from torchgeo.datasets import stack_samples

from hierars_geo.datasets import HierarchicalLabels, SceneRaster, open_labels
from hierars_geo.datasets.label_index import LabelIndex
from hierars_geo.datasets.statistics import data_statistics
from hierars_geo.errors import OptionError
from hierars_geo.samplers import RandomChipSampler
from hierars_geo.samplers.balanced_sampler import BalancedChipSampler, class_rates
from hierars_geo.samplers.chips import CandidateSampler, ChipRules, ChosenChips, dominant_share

SIZE = 300
TREE = tree()


@pytest.fixture(scope="module")
def labels():
    """Class 1 west, 2 east, 3 in two spots that are 0.1 % of the ground, 4 nowhere."""
    values = np.where(coordinates(SIZE, SIZE)[1] < 200, 1, 2).astype(np.uint8)
    values[100:106, 60:66] = values[290:298, 10:17] = 3
    values[:20] = 0
    assert (values == 3).sum() == 92
    return values


@pytest.fixture(scope="module")
def scene(tmp_path_factory, labels):
    folder = tmp_path_factory.mktemp("rare")
    image = coordinates(SIZE, SIZE) + 1
    image[:, :, 280:] = 0
    return SceneRaster(write(folder / "i.tif", image, nodata=0)) & HierarchicalLabels(
        write(folder / "l.tif", labels), TREE
    )


@pytest.fixture(scope="module")
def index(scene):
    return LabelIndex.build(scene, TREE, 8, window_px=50)


def place(slices):
    x, y, _ = slices
    return round((Y0 - y.stop) / 10), round((x.start - X0) / 10)


def test_the_index_counts_every_block_at_every_level(index, labels):
    seen = labels.copy()
    seen[:, 280:] = 0  # without an image there is nothing to learn from
    assert index.totals[1] == [(seen == value).sum() for value in (1, 2, 3, 4)]
    assert index.totals[0] == [((seen == 1) | (seen == 3)).sum(), (seen == 2).sum()]
    column = index.column(2, 2)
    for row, col, _, _, count, top, left, bottom, right in index.blocks_of(column).astype(int).tolist():
        rows, cols = np.nonzero(seen[row * 8 : row * 8 + 8, col * 8 : col * 8 + 8] == 3)
        rows, cols = rows + row * 8, cols + col * 8
        assert len(rows) == count
        assert (top, left, bottom, right) == (rows.min(), cols.min(), rows.max() + 1, cols.max() + 1)
    assert index.blocks_of(column)[:, 4].sum() == 92
    again = LabelIndex.from_arrays(index.to_arrays())
    np.testing.assert_array_equal(again.entries, index.entries)


def test_blocks_and_classes_count_by_the_weight_of_their_labels(tmp_path, scene, labels):
    """A survey of weight 2 in few pixels beside a product of weight 0.25, and one that weighs nothing."""
    layers = {
        "survey": np.zeros_like(labels),
        "product": np.zeros_like(labels),
        "mute": np.zeros_like(labels),
    }
    layers["survey"][40:42, 40:42] = 1
    layers["survey"][200, 200] = 4
    layers["product"][96:104, 96:104] = 1
    layers["mute"][160:192, 160:192] = 1
    layers["mute"][240:260, 20:40] = 3  # a class that nothing else says
    weights = {"survey": 2.0, "product": 0.25, "mute": 0.0}
    entries = [
        {"path": str(write(tmp_path / f"{name}.tif", values)), "weight": weights[name]}
        for name, values in layers.items()
    ]
    both = scene.images[0] & open_labels(entries, TREE)
    index = LabelIndex.build(both, TREE, 8, window_px=50)
    column = index.column(2, 0)
    found = {(row, col): pixels for row, col, _, _, pixels, *_ in index.blocks_of(column).tolist()}
    assert found == {(5, 5): 8.0, (12, 12): 16.0}
    assert index.totals == [[24, 2], [24, 0, 0, 2]] == data_statistics(both, TREE, with_bands=False).classes
    rates = class_rates(index, TREE, 0.8)
    np.testing.assert_allclose(rates, [0, 0, 0.4, 0, 0, 0.4])  # none for what weighs nothing
    sampler = BalancedChipSampler(both, 16, 3000, index, class_rates(index, TREE, {"leaf 1": 1.0}))
    at_survey = np.mean([place(slices)[0] < 60 for slices in sampler])
    assert at_survey == pytest.approx(1 / 3, abs=0.04)
    few = dataclasses.replace(index, entries=index.entries * ([1] * 4 + [0.01] + [1] * 4))
    assert few.totals == [[1, 1], [1, 0, 0, 1]]  # little weight is not none

    def fault(row, col):
        left, top = X0 + 10 * col, Y0 - 10 * row
        return ChipRules().fault(both[left : left + 80, top - 80 : top])

    assert not any(fault(40, 40))
    assert fault(170, 170)[0]  # labels that weigh nothing are none
    assert fault(270, 270)[0]


def test_a_class_of_a_tenth_of_a_per_cent_is_met_at_the_chosen_rate(scene, index, labels):
    def share_with_class_3(sampler):
        corners = [place(slices) for slices in sampler]
        assert all(0 <= row <= SIZE - 32 and 0 <= col <= SIZE - 32 for row, col in corners)
        return np.mean([(labels[row : row + 32, col : col + 32] == 3).any() for row, col in corners])

    by_chance = share_with_class_3(RandomChipSampler(scene, 32, 2000))
    assert by_chance < 0.04
    # three classes occur, so each is aimed at by a third of the chosen share
    even = BalancedChipSampler(scene, 32, 2000, index, class_rates(index, TREE, 0.9))
    assert share_with_class_3(even) == pytest.approx(0.3 + 0.7 * by_chance, abs=0.04)
    named = BalancedChipSampler(scene, 32, 2000, index, class_rates(index, TREE, {"leaf 3": 0.6}))
    assert share_with_class_3(named) == pytest.approx(0.6 + 0.4 * by_chance, abs=0.04)
    both = {place(slices)[0] > 200 for slices in named}
    assert both == {True, False}  # both spots, not one of them
    none = BalancedChipSampler(scene, 32, 500, index, class_rates(index, TREE, 0.0))
    assert share_with_class_3(none) < 0.05


def test_aimed_chips_stay_in_their_region(scene, labels):
    region = shapely.box(X0, Y0 - 1400, X0 + 1200, Y0)
    part = scene.within(region)
    index = LabelIndex.build(part, TREE, 8)
    sampler = BalancedChipSampler(part, 40, 300, index, class_rates(index, TREE, {"leaf 3": 1.0}), seed=1)
    for slices in sampler:
        row, col = place(slices)
        assert 0 <= row <= 100
        assert 0 <= col <= 80
        assert (labels[row : row + 40, col : col + 40] == 3).any()


def test_rates_that_cannot_be_are_refused(scene, index):
    with pytest.raises(OptionError, match="'leaf 4' has no pixel"):
        class_rates(index, TREE, {"leaf 4": 0.1})
    with pytest.raises(OptionError, match="got 'leaf 33'"):
        class_rates(index, TREE, {"leaf 33": 0.1})
    with pytest.raises(OptionError, match="add up to at most 1"):
        class_rates(index, TREE, {"leaf 1": 0.7, "leaf 2": 0.7})
    with pytest.raises(OptionError, match="no larger than a chip"):
        BalancedChipSampler(scene, 4, 10, index, class_rates(index, TREE, 0.5))
    assert class_rates(index, TREE, {"a": 0.25})[index.column(1, 0)] == 0.25


def chips(scene, index, workers, epochs=(0,)):
    """Bounds and labels of the chips of some epochs, from a loader built anew."""
    sampler = BalancedChipSampler(scene, 32, 12, index, class_rates(index, TREE, 0.5), seed=7)
    candidates = CandidateSampler(sampler, tries=3)
    loader = DataLoader(
        ChosenChips(scene, ChipRules(0.75)),
        batch_size=4,
        sampler=candidates,
        num_workers=workers,
        collate_fn=stack_samples,
    )
    found = []
    for epoch in epochs:
        candidates.set_epoch(epoch)
        found.append([(batch["bounds"], batch["mask"].tolist()) for batch in loader])
    return found


def test_the_same_chips_for_any_number_of_workers_and_after_a_restart(scene, index):
    first, second = chips(scene, index, 0, epochs=(0, 1))
    assert chips(scene, index, 2, epochs=(0, 1)) == [first, second]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="This DataLoader will create 4 worker")  # of fewer cores
        assert chips(scene, index, 4) == [first]
    assert chips(scene, index, 0, epochs=(1,)) == [second]  # a run that starts with the second epoch
    assert first != second


def test_no_class_is_dominant_where_a_try_finds_better(scene):
    sampler = RandomChipSampler(scene, 64, 60, seed=3)
    plain = [dominant_share(scene[slices]) for slices in sampler]
    chosen = [
        dominant_share(ChosenChips(scene, ChipRules(0.75))[places]) for places in sampler.candidates(10)
    ]
    assert np.mean(np.array(plain) > 0.75) > 0.8
    assert np.mean(np.array(chosen) > 0.75) < 0.4
    assert [places[0] for places in sampler.candidates(10)] == list(sampler)
    for slices, places in zip(list(sampler)[:20], list(sampler.candidates(4))[:20], strict=True):
        tried = [dominant_share(scene[one]) for one in places]
        got = dominant_share(ChosenChips(scene, ChipRules(0.75))[places])
        keeping = [share for share in tried if share <= 0.75]
        assert got == (keeping[0] if keeping else min(tried))
        assert dominant_share(scene[slices]) == tried[0]


def test_a_class_dominates_by_the_weight_of_its_labels(tmp_path):
    image = write(tmp_path / "i.tif", np.ones((8, 8), dtype=np.uint8))
    west, east = np.zeros((2, 8, 8), dtype=np.uint8)
    west[:, :6], east[:, 6:] = 1, 3

    def share(weights, **options):
        entries = [
            {"path": str(write(tmp_path / f"{name}.tif", values)), "weight": weight} | options
            for name, values, weight in zip("we", (west, east), weights, strict=True)
        ]
        scene = SceneRaster(image) & open_labels(entries, TREE)
        return dominant_share(scene[scene.bounds[0], scene.bounds[1]])

    assert share((1.0, 1.0)) == pytest.approx(0.75)
    assert share((0.1, 1.0)) == pytest.approx(1 / 1.3)  # of 4.8 that class 1 counts for, and 16
    assert share((0.0, 1.0)) == 1.0
    assert share((0.0, 0.0)) == 2.0  # no label at all


def test_chips_hold_the_least_share_of_data(scene):
    sampler = RandomChipSampler(scene, 40, 40, seed=0, regions=[(X0 + 2000, Y0 - 3000, X0 + 3000, Y0)])
    share = lambda sample: sample["valid"].float().mean().item()  # noqa: E731
    assert min(share(scene[slices]) for slices in sampler) < 0.8
    rules = ChipRules(min_valid_share=0.9)
    assert min(share(ChosenChips(scene, rules)[places]) for places in sampler.candidates(20)) >= 0.9


def test_wrong_rules_are_refused():
    with pytest.raises(OptionError, match="max_class_share"):
        ChipRules(max_class_share=0)
    with pytest.raises(OptionError, match="min_valid_share"):
        ChipRules(min_valid_share=1.5)
