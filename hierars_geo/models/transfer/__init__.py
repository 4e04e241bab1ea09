"""Carry a trained model over to another domain: two backbones that share what they know."""

from typing import TYPE_CHECKING

from ...imports import lazy_face

if TYPE_CHECKING:
    from ..record import ATTENTIONS, CDKSOptions
    from .attention import CrossAttention, DeformableAttention
    from .block_groups import BlockGroups, ConvFFN, Interaction, InteractionPair, Stream, split_encoder
    from .cdks import CDKS, Segment, SourceState, StreamMerge, match_groups, stages_read
    from .cdsa import CDSA, AnchoredLevel, anchored_levels
    from .translu import TransLU
else:
    __getattr__ = lazy_face(__name__, __file__)

__all__ = (
    "ATTENTIONS",
    "CDKS",
    "CDSA",
    "AnchoredLevel",
    "BlockGroups",
    "CDKSOptions",
    "ConvFFN",
    "CrossAttention",
    "DeformableAttention",
    "Interaction",
    "InteractionPair",
    "Segment",
    "SourceState",
    "Stream",
    "StreamMerge",
    "TransLU",
    "anchored_levels",
    "match_groups",
    "split_encoder",
    "stages_read",
)
