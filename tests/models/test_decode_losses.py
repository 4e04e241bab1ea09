"""Path logits, JSPS, confidences and losses against plain NumPy, for a tree and for a leaf with two paths."""

import numpy as np
import pytest
import torch

from hierars_geo.errors import OptionError
from hierars_geo.losses import HCCLoss, HSCLoss
from hierars_geo.models import is_legal, jsps, level_confidence, path_index, path_logits
from hierars_geo.taxonomy import Taxonomy

TREES = ["mm5b", "crop10m"]


def make_case(name, seed=0, size=(2, 6, 7)):
    tree = Taxonomy.from_yaml(name)
    generator = torch.Generator().manual_seed(seed)
    logits = [torch.randn(size[0], c, *size[1:], generator=generator) * 3 for c in tree.num_classes]
    return tree, logits, torch.from_numpy(tree.paths.copy())


def log_softmax(x, axis):
    x = x - x.max(axis=axis, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=axis, keepdims=True))


def reference_scores(logits, paths):
    """Sum of log-softmaxes by path, the paper's own form: (B, T, H, W) float64."""
    logs = [log_softmax(z.double().numpy(), 1) for z in logits]
    return np.stack([sum(log[:, c] for log, c in zip(logs, path, strict=True)) for path in paths], axis=1)


@pytest.mark.parametrize("name", TREES)
def test_summed_raw_logits_give_the_same_argmax_and_probabilities(name):
    tree, logits, paths = make_case(name)
    scores = reference_scores(logits, tree.paths)
    ours = path_logits(logits, paths)
    np.testing.assert_array_equal(ours.argmax(dim=1).numpy(), scores.argmax(axis=1))
    np.testing.assert_allclose(ours.log_softmax(dim=1).numpy(), log_softmax(scores, 1), atol=1e-5)
    decoded = jsps(ours, paths)
    np.testing.assert_array_equal(decoded.numpy(), tree.paths[scores.argmax(axis=1)].transpose(0, 3, 1, 2))
    assert bool(is_legal(decoded, paths).all())
    assert torch.equal(jsps(path_logits(logits, tree.paths), tree.paths), decoded)  # an array does as well


def test_path_logits_of_a_flat_model_use_the_leaves():
    _tree, logits, paths = make_case("mm5b")
    torch.testing.assert_close(path_logits(logits[-1:], paths), logits[-1])


@pytest.mark.parametrize("name", TREES)
def test_confidence_is_the_sum_over_agreeing_paths_and_never_rises(name):
    tree, logits, paths = make_case(name)
    scores = path_logits(logits, paths)
    got = level_confidence(scores, paths).numpy()
    p = np.exp(log_softmax(scores.double().numpy(), 1))
    best = scores.argmax(dim=1).numpy()
    for b, r, c in np.ndindex(best.shape):
        own = tree.paths[best[b, r, c]]
        for level in range(tree.num_levels):
            agree = (tree.paths[:, : level + 1] == own[: level + 1]).all(axis=1)
            assert got[b, level, r, c] == pytest.approx(p[b, agree, r, c].sum(), abs=1e-5)
    assert (np.diff(got, axis=1) <= 0).all()


@pytest.mark.parametrize("name", TREES)
def test_path_index_finds_legal_tuples_only(name):
    tree, _, paths = make_case(name)
    ranges = [range(-1, count + 1) for count in tree.num_classes]
    tuples = np.array(np.meshgrid(*ranges, indexing="ij")).reshape(len(ranges), -1)
    rows = {tuple(path): t for t, path in enumerate(tree.paths.tolist())}
    want = [rows.get(tuple(column), -1) for column in tuples.T.tolist()]
    got = path_index(torch.from_numpy(tuples)[None, :, :, None], paths)
    assert got[0, :, 0].tolist() == want


def reference_losses(logits, levels, paths, leaf=None):
    """HCE, HPC and the divergence of HCC by loops over pixels; leaves allow for all of their paths."""
    logs = [log_softmax(z.double().numpy(), 1) for z in logits]
    hce = 0.0
    for log, y in zip(logs, levels, strict=True):
        picked = [-log[b, y[b, r, c], r, c] for b, r, c in np.ndindex(y.shape) if y[b, r, c] >= 0]
        hce += np.mean(picked) if picked else 0.0
    rows = {tuple(path): t for t, path in enumerate(paths.tolist())}
    log_p = log_softmax(reference_scores(logits, paths), 1)
    log_q = log_softmax(np.concatenate([z.double().numpy() for z in logits], axis=1), 1)
    offsets = np.cumsum([0] + [z.shape[1] for z in logits])
    hpc, hcc = [], []
    for b, r, c in np.ndindex(levels[0].shape):
        own = tuple(int(y[b, r, c]) for y in levels)
        if leaf is not None:
            allowed = paths[:, -1] == leaf[b, r, c]
            hpc += [-np.log(np.exp(log_p[b, allowed, r, c]).sum())] if allowed.any() else []
        elif own in rows:
            hpc.append(-log_p[b, rows[own], r, c])
        if min(own) >= 0:
            hcc.append(-sum(log_q[b, offset + k, r, c] for offset, k in zip(offsets, own, strict=False)))
    return hce, np.mean(hpc) if hpc else 0.0, np.mean(hcc) if hcc else 0.0


@pytest.mark.parametrize("name", TREES)
@pytest.mark.parametrize("form", ["leaf", "levels"])
def test_losses_equal_the_reference(name, form):
    tree, logits, _ = make_case(name)
    rng = np.random.default_rng(1)
    leaf = rng.integers(-1, tree.num_classes[-1], size=(2, 6, 7))
    leaf[leaf < 0] = -100
    if form == "leaf":
        levels = [tree.lift(leaf, level) for level in range(1, tree.num_levels + 1)]
        target = torch.from_numpy(leaf)
    else:  # every level drawn alone: most tuples are illegal, and are left out of HPC only
        levels = [rng.integers(0, count, size=leaf.shape) for count in tree.num_classes]
        levels[-1][0] = -100  # known only coarsely
        levels[0][1, :3], levels[1][1, :3], levels[2][1, :3] = tree.paths[-1]
        target = [torch.from_numpy(y) for y in levels]
    hce, hpc, hcc = reference_losses(logits, levels, tree.paths, leaf if form == "leaf" else None)
    got = HSCLoss(tree.paths, tree.num_classes, alpha=1.5)(logits, target)
    assert got["hce"].item() == pytest.approx(hce, rel=1e-5)
    assert got["hpc"].item() == pytest.approx(hpc, rel=1e-5)
    assert got["loss"].item() == pytest.approx(hce + 1.5 * hpc, rel=1e-5)
    legacy = HCCLoss(tree.paths, tree.num_classes)(logits, target)
    assert legacy["loss"].item() == pytest.approx(hce + 2 * hcc, rel=1e-5)


@pytest.mark.parametrize("loss", [HSCLoss, HCCLoss])
def test_no_valid_pixel_gives_zero_that_still_has_a_gradient(loss):
    tree, logits, _ = make_case("mm5b")
    logits = [z.requires_grad_() for z in logits]
    got = loss(tree.paths, tree.num_classes)(logits, torch.full((2, 6, 7), -100))
    got["loss"].backward()
    assert got["loss"].item() == 0
    assert all(z.grad is not None and not z.grad.any() for z in logits)


def test_another_ignore_index_is_honoured():
    tree, logits, _ = make_case("mm5b")
    leaf = torch.randint(0, 18, (2, 6, 7))
    leaf[0] = 255
    ours = HSCLoss(tree.paths, tree.num_classes, ignore_index=255)(logits, leaf)
    same = HSCLoss(tree.paths, tree.num_classes)(logits, torch.where(leaf == 255, -100, leaf))
    torch.testing.assert_close(ours["loss"], same["loss"])


@pytest.mark.parametrize("label", [-1, -5, 18, 255])
def test_a_label_that_is_no_leaf_is_never_taken_for_one(label):
    tree, logits, _ = make_case("mm5b")
    with pytest.raises(IndexError):
        HSCLoss(tree.paths, tree.num_classes)(logits, torch.full((2, 6, 7), label))


def test_class_and_level_weights_scale_their_terms():
    tree, logits, _ = make_case("mm5b")
    leaf = torch.randint(0, 18, (2, 6, 7))
    plain = HSCLoss(tree.paths, tree.num_classes, alpha=0)(logits, leaf)["loss"]
    doubled = HSCLoss(tree.paths, tree.num_classes, alpha=0, level_weights=(2, 2, 2))(logits, leaf)["loss"]
    torch.testing.assert_close(doubled, 2 * plain)
    ones = [[1.0] * count for count in tree.num_classes]
    same = HSCLoss(tree.paths, tree.num_classes, alpha=0, class_weights=ones)(logits, leaf)["loss"]
    torch.testing.assert_close(same, plain)


def test_arguments_that_do_not_fit_are_named():
    tree, logits, _ = make_case("mm5b")
    with pytest.raises(OptionError, match=r"paths to be \(T, 2\)"):
        HSCLoss(tree.paths, (4, 9))
    with pytest.raises(OptionError, match="class indices below"):
        HSCLoss(tree.paths, (4, 9, 5))
    with pytest.raises(OptionError, match=r"\(4, 9, 18\) channels per level"):
        HSCLoss(tree.paths, tree.num_classes)(logits[:2], torch.zeros(2, 6, 7, dtype=torch.int64))
