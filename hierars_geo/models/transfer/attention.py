"""Attention from one map to another of any other size: deformable, or between all positions."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...errors import OptionError
from ..record import ATTENTIONS

Size = tuple[int, int]


class DeformableAttention(nn.Module):
    """Let every position of a map read a few places of another one (Zhu et al. 2021, one level).

    ``Attn(q, V) = W_o concat_heads( sum_p A_p(q) V_head(r(q) + o_p(q)) )``: the reference r(q) is the place
    of the query in the other map, where a position's centre counts; the offsets o, in positions of the other
    map, and the weights A (softmax over the points) are linear in the query; V is sampled bilinearly, with
    0 outside. At first the weights are equal and the offsets a ring: head i looks in direction i,
    point p goes p positions far.

    All of it is kept channels first between the two projections, so that nothing is copied into another
    layout: the points' coordinates and weights come out of one product as the sampling takes them.
    The backward pass on a GPU adds in no fixed order, as that of ``grid_sample`` does.

    Args:
        channels: D, of query, value and output.
        heads: Wanted number of heads; the greatest common divisor with the value's width is taken.
        points: P, places per head, > 0.
        value_ratio: Width of the values as a share of D.

    Raises:
        OptionError: An argument is out of range.
    """

    def __init__(self, channels: int, heads: int = 16, points: int = 4, value_ratio: float = 0.5) -> None:
        super().__init__()
        if points < 1:
            raise OptionError(f"Expected points to be at least 1, but got {points}.")
        self.width, self.heads = _width_and_heads(channels, heads, value_ratio)
        self.points = points
        self.value = nn.Linear(channels, self.width)
        self.places = nn.Linear(channels, self.heads * points * 3)  # per head: P x, P y, P weights
        self.output = nn.Linear(self.width, channels)
        self._initialise()

    def _initialise(self) -> None:
        nn.init.xavier_uniform_(self.value.weight)
        nn.init.zeros_(self.value.bias)
        nn.init.xavier_uniform_(self.output.weight)
        nn.init.zeros_(self.output.bias)
        nn.init.zeros_(self.places.weight)
        angle = torch.arange(self.heads) * (2.0 * math.pi / self.heads)
        ring = torch.stack([angle.cos(), angle.sin()], dim=1)
        ring = ring / ring.abs().amax(dim=1, keepdim=True)
        steps = torch.arange(1, self.points + 1)
        bias = torch.zeros(self.heads, 3, self.points)
        bias[:, :2] = ring[:, :, None] * steps
        with torch.no_grad():
            self.places.bias.copy_(bias.flatten())

    def forward(self, query: Tensor, query_size: Size, value: Tensor, value_size: Size) -> Tensor:
        """Attend.

        Args:
            query: (B, h*w, D), row after row.
            query_size: (h, w).
            value: (B, h'*w', D).
            value_size: (h', w').

        Returns:
            (B, h*w, D).
        """
        batch, length, _ = query.shape
        values = _channels_first(self.value, value).reshape(-1, self.width // self.heads, *value_size)
        places = _channels_first(self.places, query).reshape(-1, 3, self.points, length)
        # never in half precision: the far end of a large map must be told from its neighbour
        places = places.to(torch.promote_types(places.dtype, torch.float32))
        weights = places[:, 2:].softmax(dim=2)  # (B * heads, 1, P, h*w)
        grid = self._grid(places[:, :2], query_size, value_size)
        sampled = F.grid_sample(values.to(grid.dtype), grid.permute(0, 2, 3, 1), align_corners=False)
        gathered = (sampled * weights).sum(dim=2).reshape(batch, self.width, length)
        attended: Tensor = self.output(gathered.transpose(1, 2).to(query.dtype))
        return attended

    @staticmethod
    def _grid(offsets: Tensor, query_size: Size, value_size: Size) -> Tensor:
        """Turn offsets (n, 2, P, h*w) in positions of the value map into coordinates from -1 to 1."""
        (rows, columns), (value_rows, value_columns) = query_size, value_size
        x = _centres(columns, offsets)
        y = _centres(rows, offsets)
        reference = torch.stack([x.expand(rows, columns), y[:, None].expand(rows, columns)])
        scale = torch.stack([x.new_full((), 2 / value_columns), x.new_full((), 2 / value_rows)])
        return torch.addcmul(reference.reshape(2, 1, -1), offsets, scale[:, None, None])


class CrossAttention(nn.Module):
    """Let every position of a map read all positions of another one.

    ``Attn(q, V) = W_o softmax(Q K^T / sqrt(d)) V`` per head. Cost grows with the product of both maps'
    positions; deformable attention is the one for large maps.

    Args:
        channels: D, of query, value and output.
        heads: Wanted number of heads; the greatest common divisor with the inner width is taken.
        value_ratio: Width of queries, keys and values as a share of D.

    Raises:
        OptionError: An argument is out of range.
    """

    def __init__(self, channels: int, heads: int = 16, value_ratio: float = 0.5) -> None:
        super().__init__()
        self.width, self.heads = _width_and_heads(channels, heads, value_ratio)
        self.query = nn.Linear(channels, self.width)
        self.key_value = nn.Linear(channels, 2 * self.width)
        self.output = nn.Linear(self.width, channels)
        for layer in (self.query, self.key_value, self.output):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, query: Tensor, query_size: Size, value: Tensor, value_size: Size) -> Tensor:
        """Attend; shapes as in :meth:`DeformableAttention.forward`, the sizes do not matter."""
        queries = self.query(query).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        pair = self.key_value(value).unflatten(-1, (2, self.heads, -1))
        keys, values = pair.permute(2, 0, 3, 1, 4).unbind(0)
        gathered = F.scaled_dot_product_attention(queries, keys, values)
        attended: Tensor = self.output(gathered.transpose(1, 2).flatten(2))
        return attended


def build_attention(
    kind: str, channels: int, heads: int = 16, points: int = 4, value_ratio: float = 0.5
) -> DeformableAttention | CrossAttention:
    """Build one of :data:`ATTENTIONS`; the options are those of the classes.

    Raises:
        OptionError: There is no such attention, or an option is out of range.
    """
    if kind == "deformable":
        return DeformableAttention(channels, heads, points, value_ratio)
    if kind == "cross":
        return CrossAttention(channels, heads, value_ratio)
    raise OptionError(f"Expected attention to be one of {', '.join(ATTENTIONS)}, but got '{kind}'.")


def _centres(count: int, like: Tensor) -> Tensor:
    """Return the centres of ``count`` positions that fill -1 to 1."""
    return (torch.arange(count, dtype=like.dtype, device=like.device) * 2 + 1) / count - 1


def _channels_first(layer: nn.Linear, tokens: Tensor) -> Tensor:
    """Apply a linear layer to (B, L, D); return (B, D', L), contiguous without a copy."""
    weight = layer.weight.expand(tokens.shape[0], -1, -1)
    return torch.baddbmm(layer.bias[:, None], weight, tokens.transpose(1, 2))


def _width_and_heads(channels: int, heads: int, value_ratio: float) -> tuple[int, int]:
    if heads < 1:
        raise OptionError(f"Expected heads to be at least 1, but got {heads}.")
    if not 0 < value_ratio <= 1:
        raise OptionError(f"Expected value_ratio to be above 0 and at most 1, but got {value_ratio}.")
    width = max(1, round(channels * value_ratio))
    return width, math.gcd(width, heads)
