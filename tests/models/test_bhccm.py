"""BHCCM against a NumPy reference written from the equations, and the behaviour every mode must have."""

import numpy as np
import pytest
import torch

from hierars_geo.errors import OptionError
from hierars_geo.models import BHCCM, MODES, LocalGates

COUNTS = (2, 3, 5)


def make_head(mode, counts=COUNTS, seed=0):
    torch.manual_seed(seed)
    head = BHCCM(6, counts, mode=mode, dropout=0.3).eval()
    with torch.no_grad():
        for name, parameter in head.named_parameters():
            if parameter.ndim == 0:  # scalars away from their initial 1, each its own value
                parameter.copy_(torch.rand(()) + 0.25)
            assert parameter.requires_grad, name
    return head


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def conv7(image, kernel):
    """(2, h, w) with (2, 7, 7), zero padding, by the definition."""
    padded = np.pad(image, ((0, 0), (3, 3), (3, 3)))
    height, width = image.shape[1:]
    return np.array(
        [[(padded[:, r : r + 7, c : c + 7] * kernel).sum() for c in range(width)] for r in range(height)]
    )


def merge(block, x):
    gate = block.channel_gate.weight.detach().numpy()
    g = sigmoid(gate @ x.max(axis=(1, 2)) + gate @ x.mean(axis=(1, 2)))
    s = sigmoid(
        conv7(np.stack([x.max(axis=0), x.mean(axis=0)]), block.spatial_gate.weight.detach().numpy()[0])
    )
    projected = np.einsum("ba,ahw->bhw", block.project.weight.detach().numpy()[:, :, 0, 0], x)
    return g[:, None, None] * s[None] * projected


def reference(head, features, mode):
    x = [
        np.einsum("cd,dhw->chw", conv.weight.detach().numpy()[:, :, 0, 0], features)
        + conv.bias.detach().numpy()[:, None, None]
        for conv in head.classifiers
    ]
    n = len(x)
    mid = list(x)
    if mode in ("coarse_to_fine", "bidirectional", "residual"):
        for j in range(1, n):
            mid[j] = head.down_weight[f"{j}_{j}"].item() * x[j]
            for i in range(j):
                mid[j] = mid[j] + head.down_weight[f"{i}_{j}"].item() * merge(head.down[f"{i}_{j}"], x[i])
    out = list(mid)
    if mode in ("fine_to_coarse", "bidirectional", "residual"):
        for j in range(n - 1):
            out[j] = head.up_weight[f"{j}_{j}"].item() * mid[j]
            for k in range(j + 1, n):
                out[j] = out[j] + head.up_weight[f"{k}_{j}"].item() * merge(head.up[f"{k}_{j}"], mid[k])
    if mode == "residual":
        return [
            a + head.residual_weight[f"{j}"].item() * b for j, (a, b) in enumerate(zip(x, out, strict=True))
        ]
    return out


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_equals_the_equations(mode):
    head = make_head(mode)
    features = torch.randn(1, 6, 9, 11)
    with torch.no_grad():
        got = head(features)
    for level, want in zip(got, reference(head, features[0].numpy(), mode), strict=True):
        np.testing.assert_allclose(level[0].numpy(), want, rtol=1e-4, atol=1e-5)


def around(x, row, col, reach):
    """(C, ., .): what of (C, h, w) lies in the square around a pixel."""
    return x[:, max(0, row - reach) : row + reach + 1, max(0, col - reach) : col + reach + 1]


@pytest.mark.parametrize("cell", [1, 3])
def test_local_gates_pool_over_what_is_there_around_each_cell(cell):
    logits = torch.randn(1, 4, 6 * cell, 9 * cell)
    cells = logits[0].numpy().reshape(4, 6, cell, 9, cell)
    means, maxima = cells.mean(axis=(2, 4)), cells.max(axis=(2, 4))
    got = LocalGates(cell, 2).pool(logits)[0].numpy()
    for row, col in np.ndindex(6, 9):
        want = around(means, row, col, 2).mean(axis=(1, 2)) + around(maxima, row, col, 2).max(axis=(1, 2))
        np.testing.assert_allclose(got[:, row, col], want, rtol=1e-5, atol=1e-6)


def test_the_middle_of_a_chip_is_as_in_training():
    head = make_head("coarse_to_fine")  # what reads levels that were merged before sees their borders, too
    features = torch.randn(1, 6, 9, 9)
    with torch.no_grad():
        published = head(features)
        head.local_gates = LocalGates(cell=1, reach=4)
        for level, want in zip(head(features), published, strict=True):
            torch.testing.assert_close(level[..., 4, 4], want[..., 4, 4])


def test_local_gates_do_not_depend_on_the_window():
    head = make_head("residual")
    features = torch.randn(1, 6, 256, 96)
    gates = LocalGates.of(16, 32)
    far = 2 * gates.cell * (gates.reach + 2) + 8  # of the window's edge, down and up, with both 7 x 7 kernels
    for local, is_equal in ((gates, True), (None, False)):
        head.local_gates = local
        with torch.no_grad():
            whole, part = head(features), head(features[:, :, 32:224])
        for all_rows, rows in zip(whole, part, strict=True):
            difference = (all_rows[..., 32 + far : 224 - far, :] - rows[..., far:-far, :]).abs().max()
            assert (difference < 1e-5) == is_equal


def test_scalars_begin_at_one():
    head = BHCCM(4, COUNTS)
    scalars = [p.item() for p in head.parameters() if p.ndim == 0]
    # 2 own + 3 pairs, twice, and 3 residual weights
    assert scalars == [1.0] * 13


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("counts", [(4,), (2, 7), (1, 2, 3, 9)])
def test_any_tree_depth_trains_every_parameter(mode, counts):
    head = BHCCM(8, counts, mode=mode)
    logits = head(torch.randn(2, 8, 5, 4))
    assert [tuple(z.shape) for z in logits] == [(2, c, 5, 4) for c in counts]
    sum((z * torch.randn_like(z)).sum() for z in logits).backward()
    assert all(p.grad is not None for p in head.parameters())


def test_one_level_is_the_flat_classifier():
    head = make_head("residual", (5,))
    features = torch.randn(2, 6, 3, 3)
    torch.testing.assert_close(head(features)[0], head.classifiers[0](features))


def test_bad_arguments_are_named():
    with pytest.raises(OptionError, match="mode to be one of independent"):
        BHCCM(4, COUNTS, mode="sideways")
    with pytest.raises(OptionError, match="count >= 1 per level"):
        BHCCM(4, (3, 0))
