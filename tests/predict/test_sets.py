"""Sets of sibling classes: against a search through all sets, pixel by pixel."""

from itertools import combinations

import numpy as np
import pytest
import torch

from hierars_geo.errors import OptionError
from hierars_geo.grid import Window
from hierars_geo.models.decode import level_confidence
from hierars_geo.models.siblings import Ladder
from hierars_geo.predict.accumulator import Block
from hierars_geo.predict.layers import LayerDecoder, wanted_layers
from hierars_geo.predict.options import OutputOptions
from hierars_geo.taxonomy import Taxonomy
from hierars_geo.taxonomy.depth import adaptive_taxonomy

SIDE = 12


def drawn(tree, seed=0):
    rng = np.random.default_rng(seed)
    sharp = rng.uniform(0.3, 3, (1, SIDE, SIDE))
    return (sharp * rng.normal(size=(tree.num_paths, SIDE, SIDE))).astype(np.float32)


def said_of(scores, tree, threshold, most):
    """Name of what is shown of a pixel: the smallest set below the finest class that is sure enough."""
    chance = np.exp(scores.astype(np.float64))
    chance /= chance.sum()
    paths = tree.paths
    best = paths[scores.argmax()]
    shown = "no level sure"
    for level in range(tree.num_levels):
        above = (paths[:, :level] == best[:level]).all(axis=1)
        share = {c: chance[above & (paths[:, level] == c)].sum() for c in set(paths[above, level].tolist())}
        name, own = tree.class_names(level + 1), int(best[level])
        others = sorted(set(share) - {own})
        for size in range(1, min(most, max(len(share) - 1, 1)) + 1):
            sets = [(own, *more) for more in combinations(others, size - 1)]
            best_set = max(sets, key=lambda each: sum(share[c] for c in each))
            if sum(share[c] for c in best_set) >= threshold:
                *first, last = [name[c] for c in sorted(best_set)]
                named = f"{', '.join(first)} or {last}" if first else last
                shown = f"{tree.level_names[level]} {named}"
                break
        else:
            return shown
    return shown


@pytest.mark.parametrize(("name", "most"), [("mm5b", 3), ("crop10m", 3), ("cdl", 2)])
def test_the_smallest_set_that_is_sure_enough_is_shown_on_every_kind_of_array(name, most):
    tree = Taxonomy.from_yaml(name)
    scores = drawn(tree)
    valid = np.ones((SIDE, SIDE), bool)
    valid[0, :3] = False
    legend = adaptive_taxonomy(tree, sets=True)
    names = dict(zip(legend.class_values(1), legend.class_names(1), strict=True))
    assert len(set(names.values())) == len(names)
    plain = adaptive_taxonomy(tree)
    assert legend.class_names(1)[: plain.num_classes[0]] == plain.class_names(1)
    assert legend.colors(1)[: plain.num_classes[0]] == plain.colors(1)
    seen = set()
    for threshold in (0.5, 0.75, 0.97):
        layers = wanted_layers(OutputOptions(sets=True, depth_threshold=threshold), (1,))
        decoder = LayerDecoder(tree, layers, threshold)
        window = Window(0, 0, SIDE, SIDE)
        found = decoder.decode(Block(window, scores.copy(), valid)).layers["adaptive"]
        of_torch = Block(window, torch.from_numpy(scores.copy()), torch.from_numpy(valid))
        np.testing.assert_array_equal(found, decoder.decode(of_torch).layers["adaptive"])
        assert (found[~valid] == legend.nodata_value).all()
        for row, col in np.argwhere(valid):
            assert names[found[row, col]] == said_of(scores[:, row, col], tree, threshold, most)
            seen.add(names[found[row, col]].count(" or ") + names[found[row, col]].count(", "))
    assert seen >= {0, 1}


def test_steps_hold_the_truth_where_the_set_does():
    tree = Taxonomy.from_yaml("mm5b")
    scores = drawn(tree, 1).reshape(tree.num_paths, -1)
    chance = np.exp(scores) / np.exp(scores).sum(axis=0)
    truth = np.random.default_rng(2).integers(0, tree.num_paths, scores.shape[1])
    ladder = Ladder(tree.paths, 3)
    climb = ladder.climb(chance, scores.argmax(axis=0))
    confidence = np.stack(climb.confidence)
    assert confidence.shape[0] == 9
    assert (np.diff(confidence, axis=0) <= 0).all()
    held = climb.holds([group[truth] for group in ladder.groups])
    assert (np.diff(held.astype(int), axis=0) <= 0).all()  # a step lies in the one before it
    right = tree.paths[scores.argmax(axis=0)] == tree.paths[truth]
    np.testing.assert_array_equal(held[2::3], right.cumprod(axis=1).T > 0)
    for pixel in range(20):  # the three most probable beginnings at level 1
        shares = [chance[tree.paths[:, 0] == c, pixel].sum() for c in range(tree.num_classes[0])]
        own = tree.paths[scores[:, pixel].argmax(), 0]
        others = sorted((s, c) for c, s in enumerate(shares) if c != own)[::-1]
        three = {own, *(c for _, c in others[:2])}
        assert held[0, pixel] == (tree.paths[truth[pixel], 0] in three)
        assert confidence[0, pixel] == pytest.approx(sum(shares[c] for c in three), rel=1e-5)


def test_curves_of_a_calibrated_model_change_confidence_and_no_class():
    tree = Taxonomy.from_yaml("mm5b")
    curves = (
        ((0.0, 0.1), (0.6, 0.3), (1.0, 1.0)),
        ((0.0, 0.0), (1.0, 0.9)),
        ((0.0, 0.0), (0.5, 0.8), (1.0, 0.95)),
    )
    layers = wanted_layers(OutputOptions(confidence=True, sets=True, depth_threshold=0.5), (1, 2, 3))
    window, scores = Window(0, 0, SIDE, SIDE), drawn(tree)
    block = Block(window, scores, np.ones((SIDE, SIDE), bool))
    found = LayerDecoder(tree, layers, 0.5, curves).decode(block).layers
    plain = LayerDecoder(tree, layers, 0.5).decode(block).layers
    of_torch = Block(window, torch.from_numpy(scores), torch.ones(SIDE, SIDE, dtype=torch.bool))
    tensors = LayerDecoder(tree, layers, 0.5, curves).decode(of_torch).layers
    chance = np.exp(scores.astype(np.float64))
    chance /= chance.sum(axis=0)
    best, before = tree.paths[scores.argmax(axis=0)], np.ones((SIDE, SIDE))
    depth = np.zeros((SIDE, SIDE), int)
    for level in (1, 2, 3):
        np.testing.assert_array_equal(found[f"L{level}"], plain[f"L{level}"])
        alike = (tree.paths[:, None, None, :level] == best[None, ..., :level]).all(axis=-1)
        sure = np.interp((chance * alike).sum(axis=0), *zip(*curves[level - 1], strict=True))
        before = np.minimum(sure, before)
        depth += before >= 0.5
        assert np.abs(found[f"conf_L{level}"] - 100 * before).max() < 0.51
    np.testing.assert_array_equal(found["depth"], depth)
    for name in found:
        np.testing.assert_array_equal(found[name], tensors[name])
    confidence = level_confidence(torch.from_numpy(scores[None]), tree.paths, curves)[0, 2].numpy()
    np.testing.assert_allclose(confidence, before, atol=1e-5)


def test_sets_ask_how_sure_to_be():
    with pytest.raises(OptionError, match="risk or depth_threshold with sets, but got neither"):
        OutputOptions(sets=True)
