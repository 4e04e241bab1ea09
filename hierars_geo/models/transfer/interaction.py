"""How two streams of maps talk: attention, then a convolutional feed-forward layer, both ways in turn."""

from timm.layers.drop import DropPath
from torch import Tensor, addcmul, nn, zeros

from .attention import Size, build_attention


class ConvFFN(nn.Module):
    """Narrow, mix neighbours by a 3x3 depthwise convolution, activate, widen.

    ``Linear(D -> ratio D) -> 3x3 depthwise convolution -> GELU -> Linear(ratio D -> D)``.

    Args:
        channels: D.
        ratio: Inner width as a share of D.
    """

    def __init__(self, channels: int, ratio: float = 0.25) -> None:
        super().__init__()
        width = max(1, round(channels * ratio))
        self.narrow = nn.Linear(channels, width)
        self.neighbours = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.activation = nn.GELU()
        self.widen = nn.Linear(width, channels)

    def forward(self, tokens: Tensor, size: Size) -> Tensor:
        """Map (B, h*w, D) of a map of ``size`` (h, w) to the same shape."""
        narrowed = from_tokens(self.narrow(tokens), size)
        widened: Tensor = self.widen(to_tokens(self.activation(self.neighbours(narrowed))))
        return widened


class Interaction(nn.Module):
    """Tell one stream what the other sees (Ai et al. 2026, cross-domain knowledge sharing).

    ``x <- x + g Attn(LN(x), LN(Linear(o)))``, then ``x <- x + g' DropPath(ConvFFN(LN(x)))``, where o is the
    other stream. The gains g, g' are per channel and start at 0: at first nothing is told.

    Args:
        channels: D of the stream that is told.
        other_channels: D' of the stream that tells.
        attention: ``deformable`` or ``cross``.
        heads: See :class:`DeformableAttention`.
        points: See :class:`DeformableAttention`.
        value_ratio: See :class:`DeformableAttention`.
        ffn_ratio: See :class:`ConvFFN`.
        drop_path: Probability that a sample skips the feed-forward layer in training.

    Raises:
        OptionError: There is no such attention, or an option of it is out of range.
    """

    def __init__(
        self,
        channels: int,
        other_channels: int,
        attention: str = "deformable",
        heads: int = 16,
        points: int = 4,
        value_ratio: float = 0.5,
        ffn_ratio: float = 0.25,
        drop_path: float = 0.4,
    ) -> None:
        super().__init__()
        self.project = nn.Linear(other_channels, channels)
        self.other_norm = nn.LayerNorm(channels)
        self.attention_norm = nn.LayerNorm(channels)
        self.attention = build_attention(attention, channels, heads, points, value_ratio)
        self.attention_gain = nn.Parameter(zeros(channels))
        self.ffn_norm = nn.LayerNorm(channels)
        self.ffn = ConvFFN(channels, ffn_ratio)
        self.ffn_gain = nn.Parameter(zeros(channels))
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        """Map x (B, D, h, w) and the other stream's (B, D', h', w') to (B, D, h, w)."""
        size, other_size = _size(x), _size(other)
        tokens = to_tokens(x)
        told = self.other_norm(self.project(to_tokens(other)))
        attended = self.attention(self.attention_norm(tokens), size, told, other_size)
        tokens = addcmul(tokens, self.attention_gain, attended)
        fed = self.drop_path(self.ffn(self.ffn_norm(tokens), size))
        return from_tokens(addcmul(tokens, self.ffn_gain, fed), size)


class InteractionPair(nn.Module):
    """Both directions: the target is told first, and the source then hears what became of it.

    Args:
        target_channels: D of the target's stream.
        source_channels: D' of the source's.
        **options: Of :class:`Interaction`.
    """

    def __init__(self, target_channels: int, source_channels: int, **options: str | float) -> None:
        super().__init__()
        self.target = Interaction(target_channels, source_channels, **options)  # type: ignore[arg-type]
        self.source = Interaction(source_channels, target_channels, **options)  # type: ignore[arg-type]

    def forward(self, x_target: Tensor, x_source: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, D, h, w) and (B, D', h', w') to the same shapes."""
        x_target = self.target(x_target, x_source)
        return x_target, self.source(x_source, x_target)


def to_tokens(x: Tensor) -> Tensor:
    """View (B, D, h, w) as (B, h*w, D); contiguous where the map is channels last."""
    return x.flatten(2).transpose(1, 2)


def from_tokens(tokens: Tensor, size: Size) -> Tensor:
    """View (B, h*w, D) as (B, D, h, w); the layout in memory stays."""
    return tokens.transpose(1, 2).reshape(tokens.shape[0], tokens.shape[2], *size)


def _size(x: Tensor) -> Size:
    return x.shape[-2], x.shape[-1]


__all__ = ("ConvFFN", "Interaction", "InteractionPair", "from_tokens", "to_tokens")
