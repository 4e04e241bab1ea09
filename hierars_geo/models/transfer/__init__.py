"""Carry a trained model over to another domain: two backbones that share what they know."""

from .attention import ATTENTIONS, CrossAttention, DeformableAttention
from .block_groups import BlockGroups, Stream, split_encoder
from .cdks import CDKS, CDKSOptions, Segment, SourceState, match_groups
from .cdsa import CDSA, AnchoredLevel, anchored_levels
from .interaction import ConvFFN, Interaction, InteractionPair
from .merge import StreamMerge, stages_read
from .translu import TransLU

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
