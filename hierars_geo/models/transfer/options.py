"""CDKSOptions: how two backbones talk, as plain values."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from ...errors import OptionError

#: ``deformable``, or ``cross`` (between all positions).
AttentionKind = Literal["deformable", "cross"]
ATTENTIONS: tuple[AttentionKind, ...] = get_args(AttentionKind)


@dataclass(frozen=True)
class CDKSOptions:
    """How two backbones talk; plain values, carried by the checkpoint.

    Attributes:
        attention: ``deformable``, or ``cross`` (between all positions: for small windows).
        heads: Heads of an attention; the greatest common divisor with its inner width is taken.
        points: Places that a head of a deformable attention reads at each position.
        value_ratio: Inner width of an attention as a share of the stream's, above 0 to 1.
        ffn_ratio: Inner width of the feed-forward layers as a share of the stream's, > 0.
        drop_path: Probability that a sample skips a feed-forward layer in training, 0..1 (1 excluded).

    Raises:
        OptionError: An option is out of range.
    """

    attention: str = "deformable"
    heads: int = 16
    points: int = 4
    value_ratio: float = 0.5
    ffn_ratio: float = 0.25
    drop_path: float = 0.4

    def __post_init__(self) -> None:
        """Refuse what no interaction could be built with."""
        checks: dict[str, tuple[bool, str]] = {
            "attention": (self.attention in ATTENTIONS, f"one of {', '.join(ATTENTIONS)}"),
            "heads": (self.heads >= 1, "at least 1"),
            "points": (self.points >= 1, "at least 1"),
            "value_ratio": (0 < self.value_ratio <= 1, "above 0 and at most 1"),
            "ffn_ratio": (self.ffn_ratio > 0, "above 0"),
            "drop_path": (0 <= self.drop_path < 1, "in 0..1 (1 excluded)"),
        }
        for name, (good, wanted) in checks.items():
            if not good:
                raise OptionError(f"Expected {name} to be {wanted}, but got {getattr(self, name)!r}.")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)
