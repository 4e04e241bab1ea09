"""Carry a trained model over to another domain: two backbones that share what they know."""

from typing import TYPE_CHECKING

from ...imports import lazy_face

if TYPE_CHECKING:
    from .attention import CrossAttention, DeformableAttention
    from .block_groups import ConvFFN, Interaction, InteractionPair, split_encoder
    from .cdks import CDKS, StreamMerge, match_groups, stages_read
    from .cdsa import CDSA
    from .translu import TransLU
else:
    __getattr__ = lazy_face(__name__, __file__)

__all__ = (
    "CDKS",
    "CDSA",
    "ConvFFN",
    "CrossAttention",
    "DeformableAttention",
    "Interaction",
    "InteractionPair",
    "StreamMerge",
    "TransLU",
    "match_groups",
    "split_encoder",
    "stages_read",
)
