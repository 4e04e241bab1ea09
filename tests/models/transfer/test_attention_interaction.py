"""Attention between maps against NumPy, and how two streams talk."""

import numpy as np
import pytest
import torch
from torch import nn

from hierars_geo.errors import OptionError
from hierars_geo.models.transfer import (
    ConvFFN,
    CrossAttention,
    DeformableAttention,
    Interaction,
    InteractionPair,
)
from hierars_geo.models.transfer.attention import build_attention


def linear(layer, x):
    return x @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()


def softmax(x, axis):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def read(plane, row, column):
    """Bilinear value of (h, w, d) at a place counted in positions, 0 outside."""
    total = np.zeros(plane.shape[2])
    top, left = int(np.floor(row)), int(np.floor(column))
    for i in (top, top + 1):
        for j in (left, left + 1):
            if 0 <= i < plane.shape[0] and 0 <= j < plane.shape[1]:
                total += (1 - abs(row - i)) * (1 - abs(column - j)) * plane[i, j]
    return total


def deformable(layer, query, query_size, value, value_size):
    """Attention of one sample, place by place: (h*w, D)."""
    heads, points = layer.heads, layer.points
    values = linear(layer.value, value).reshape(*value_size, heads, -1)
    places = linear(layer.places, query).reshape(len(query), heads, 3, points)
    weights = softmax(places[:, :, 2], axis=-1)
    gathered = np.zeros((len(query), heads, values.shape[-1]))
    for index in range(len(query)):
        i, j = divmod(index, query_size[1])
        # the query's centre, in positions of the other map
        row = (i + 0.5) * value_size[0] / query_size[0] - 0.5
        column = (j + 0.5) * value_size[1] / query_size[1] - 0.5
        for head in range(heads):
            for point in range(points):
                x, y = places[index, head, :2, point]
                found = read(values[:, :, head], row + y, column + x)
                gathered[index, head] += weights[index, head, point] * found
    return linear(layer.output, gathered.reshape(len(query), -1))


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.mark.parametrize(("query_size", "value_size"), [((4, 6), (4, 6)), ((5, 3), (2, 7))])
@pytest.mark.parametrize("options", [{}, {"heads": 4, "points": 3, "value_ratio": 0.75}])
def test_deformable_attention_reads_where_numpy_reads(query_size, value_size, options):
    layer = DeformableAttention(16, **options).double()
    for parameter in layer.parameters():
        nn.init.normal_(parameter, std=0.6)
    query = torch.randn(2, query_size[0] * query_size[1], 16, dtype=torch.float64)
    value = torch.randn(2, value_size[0] * value_size[1], 16, dtype=torch.float64)
    with torch.no_grad():
        attended = layer(query, query_size, value, value_size).numpy()
    for sample in range(2):
        expected = deformable(layer, query[sample].numpy(), query_size, value[sample].numpy(), value_size)
        np.testing.assert_allclose(attended[sample], expected, rtol=1e-9, atol=1e-9)


def test_deformable_attention_starts_as_a_ring_of_equal_weights():
    layer = DeformableAttention(64, heads=16, points=4)
    bias = layer.places.bias.detach().reshape(16, 3, 4)
    assert torch.equal(bias[:, 2], torch.zeros(16, 4))
    far = bias[:, :2].abs().amax(dim=1)  # chessboard distance of each point
    torch.testing.assert_close(far, torch.arange(1.0, 5.0).expand(16, 4))
    assert len({tuple(direction) for direction in bias[:, :2, 0].round(decimals=3).tolist()}) == 16


@pytest.mark.parametrize("heads", [1, 4])
def test_cross_attention_is_the_softmax_over_all_positions(heads):
    layer = CrossAttention(16, heads=heads, value_ratio=0.5).double()
    for parameter in layer.parameters():
        nn.init.normal_(parameter, std=0.6)
    query = torch.randn(1, 12, 16, dtype=torch.float64)
    value = torch.randn(1, 10, 16, dtype=torch.float64)
    with torch.no_grad():
        attended = layer(query, (3, 4), value, (5, 2)).numpy()[0]
    q = linear(layer.query, query[0].numpy()).reshape(12, heads, -1)
    k, v = np.split(linear(layer.key_value, value[0].numpy()), 2, axis=1)
    k, v = k.reshape(10, heads, -1), v.reshape(10, heads, -1)
    scores = softmax(np.einsum("qhd,khd->hqk", q, k) / np.sqrt(q.shape[-1]), axis=-1)
    expected = linear(layer.output, np.einsum("hqk,khd->qhd", scores, v).reshape(12, -1))
    np.testing.assert_allclose(attended, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", ["deformable", "cross"])
def test_gradients_of_attention(kind):
    layer = build_attention(kind, 8, heads=2, points=2).double()
    for parameter in layer.parameters():
        nn.init.normal_(parameter, std=0.4)
    query = torch.randn(1, 6, 8, dtype=torch.float64, requires_grad=True)
    value = torch.randn(1, 4, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda q, v: layer(q, (2, 3), v, (2, 2)), (query, value))


def test_half_precision_does_not_move_the_places():
    """At a position far from the origin, bfloat16 would round by whole positions."""
    layer = DeformableAttention(8, heads=1, points=1, value_ratio=1.0)
    nn.init.zeros_(layer.places.bias)
    nn.init.eye_(layer.value.weight)
    nn.init.eye_(layer.output.weight)
    size = (1, 1000)
    value = torch.arange(1000.0)[None, :, None].expand(1, 1000, 8).remainder(2).contiguous()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        attended = layer(torch.zeros_like(value), size, value, size)
    torch.testing.assert_close(attended.float(), value, rtol=0, atol=0.01)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"kind": "dense"}, "attention to be one of deformable, cross, but got 'dense'"),
        ({"kind": "cross", "heads": 0}, "heads to be at least 1, but got 0"),
        ({"kind": "deformable", "points": 0}, "points to be at least 1"),
        ({"kind": "deformable", "value_ratio": 1.5}, "value_ratio to be above 0 and at most 1"),
    ],
)
def test_options_out_of_range(options, match):
    with pytest.raises(OptionError, match=match):
        build_attention(channels=8, **options)


def test_the_feed_forward_layer_mixes_neighbours_only():
    ffn = ConvFFN(16, 0.25)
    tokens = torch.randn(1, 35, 16)
    nudged = tokens.clone()
    nudged[:, 2 * 7 + 3] += 1  # row 2, column 3 of 5 x 7
    with torch.no_grad():
        changed = (ffn(nudged, (5, 7)) != ffn(tokens, (5, 7))).any(dim=2).reshape(5, 7)
    expected = torch.zeros(5, 7, dtype=torch.bool)
    expected[1:4, 2:5] = True
    assert torch.equal(changed, expected)


@pytest.mark.parametrize("attention", ["deformable", "cross"])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_nothing_is_told_at_first_and_the_layout_stays(attention, layout):
    pair = InteractionPair(12, 20, attention=attention).train()
    x = torch.randn(2, 12, 6, 5).contiguous(memory_format=layout)
    o = torch.randn(2, 20, 3, 4).contiguous(memory_format=layout)
    new_x, new_o = pair(x, o)
    assert torch.equal(new_x, x)
    assert torch.equal(new_o, o)
    assert new_x.is_contiguous(memory_format=layout)
    assert new_o.is_contiguous(memory_format=layout)


def test_the_layout_does_not_matter():
    interaction = Interaction(12, 20).eval()
    for gain in (interaction.attention_gain, interaction.ffn_gain):
        nn.init.normal_(gain)
    x, o = torch.randn(2, 12, 6, 5), torch.randn(2, 20, 3, 4)
    last = [each.contiguous(memory_format=torch.channels_last) for each in (x, o)]
    with torch.no_grad():
        torch.testing.assert_close(interaction(x, o), interaction(*last))


def test_one_direction_is_the_published_formula():
    interaction = Interaction(12, 20).eval()
    for parameter in interaction.parameters():
        nn.init.normal_(parameter, std=0.5)
    x, o = torch.randn(1, 12, 4, 5), torch.randn(1, 20, 4, 5)
    with torch.no_grad():
        tokens, other = (each.permute(0, 2, 3, 1).reshape(1, 20, -1) for each in (x, o))
        told = interaction.other_norm(interaction.project(other))
        attended = interaction.attention(interaction.attention_norm(tokens), (4, 5), told, (4, 5))
        tokens = tokens + interaction.attention_gain * attended
        tokens = tokens + interaction.ffn_gain * interaction.ffn(interaction.ffn_norm(tokens), (4, 5))
        torch.testing.assert_close(interaction(x, o), tokens.reshape(1, 4, 5, 12).permute(0, 3, 1, 2))


def test_the_source_hears_the_target_as_it_became():
    pair = InteractionPair(12, 12).eval()
    for parameter in pair.parameters():
        nn.init.normal_(parameter, std=0.5)
    x, o = torch.randn(1, 12, 4, 5), torch.randn(1, 12, 4, 5)
    with torch.no_grad():
        new_x, new_o = pair(x, o)
        assert torch.equal(new_x, pair.target(x, o))
        assert torch.equal(new_o, pair.source(o, new_x))
        assert not torch.allclose(new_o, pair.source(o, x))
