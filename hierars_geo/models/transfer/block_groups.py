"""An encoder as a chain of groups of blocks, and how two streams of maps talk between the groups."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch
from segmentation_models_pytorch.encoders.mix_transformer import MixVisionTransformerEncoder
from segmentation_models_pytorch.encoders.resnet import ResNetEncoder
from segmentation_models_pytorch.encoders.timm_universal import TimmUniversalEncoder
from timm.layers.drop import DropPath
from timm.models import FeatureListNet
from timm.models.convnext import ConvNeXtStage
from timm.models.swin_transformer import SwinTransformerStage
from torch import Tensor, addcmul, nn, zeros

from ...errors import OptionError
from ..mscan import MSCAN
from ..vit_pyramid import ViTPyramid
from .attention import Size, build_attention

#: Stages of a pyramid, at 1/4, 1/8, 1/16 and 1/32 of the image.
STAGES = 4

#: The stage that holds most of the blocks, counted from 0; the only one with more than one group.
_LONG_STAGE = 2

#: Blocks per group of the long stage: nine groups in ConvNeXt-B and three in T; a pair of plain and shifted
#: windows, so nine in Swin-B and three in T; four in ResNet-101 (23 blocks), one in ResNet-50.
_CONVNEXT_BLOCKS, _SWIN_BLOCKS, _RESNET_BLOCKS = 3, 2, 6

Layer = Callable[..., Tensor]


class Stream(NamedTuple):
    """What flows from group to group.

    Attributes:
        map: (B, D, h, w).
        prefix: (B, P, D) tokens of a transformer that have no place on the map; None where there are none.
    """

    map: Tensor
    prefix: Tensor | None = None


class BlockGroups(ABC):
    """An encoder in groups; ``enter``, every ``run``, and ``level`` of each stage make up its forward pass.

    Nothing is kept but references to the encoder's own layers: make it anew at every call, and copies of a
    model (a running average, say) work with their own weights.

    Attributes:
        groups: Layers of every group, first to last.
        stages: Stage 0..3 of every group, never falling.
        widths: D of each stage's map, in the blocks and in the pyramid.
    """

    def __init__(self, stages: Sequence[Sequence[Sequence[Layer]]], widths: Sequence[int]) -> None:
        self.groups = [group for stage in stages for group in stage]
        self.stages = [index for index, stage in enumerate(stages) for _ in stage]
        self.widths = list(widths)

    @abstractmethod
    def enter(self, image: Tensor) -> tuple[list[Tensor], Stream]:
        """Return what stands before the four maps in the encoder's list, and what the first group takes."""

    def run(self, group: int, stream: Stream) -> Stream:
        """Run one group."""
        return Stream(_chain(self.groups[group], stream.map))

    def level(self, stage: int, stage_map: Tensor) -> Tensor:
        """Bring the last map (B, D, h, w) of a stage into the form it has in the encoder's list."""
        return stage_map


def split_encoder(encoder: nn.Module) -> BlockGroups:
    """Split an encoder of segmentation-models-pytorch, or ours of that form, into groups of blocks.

    * ConvNeXt: stages 1 and 2, every three blocks of stage 3, stage 4.
    * Swin: likewise, every two blocks (one pair of plain and shifted windows) of stage 3.
    * ResNet: likewise, every six blocks of layer 3.
    * ViT: the four parts between the maps it gives.
    * MSCAN, MiT, and what else of timm is a chain with four stages: the stages.

    Raises:
        OptionError: The encoder is none of them, or ends before its fourth stage.
    """
    if isinstance(encoder, ViTPyramid):
        return _ViTGroups(encoder)
    if isinstance(encoder, ResNetEncoder) and encoder._depth == STAGES + 1:
        return _ResNetGroups(encoder)
    if isinstance(encoder, MSCAN | MixVisionTransformerEncoder) and encoder._depth == STAGES + 1:
        return _EmbeddedGroups(encoder)
    if isinstance(encoder, TimmUniversalEncoder) and _is_chain(encoder):
        return _TimmGroups(encoder)
    raise OptionError(
        "Expected an encoder that can be split into groups of blocks, but got "
        f"{getattr(encoder, 'name', type(encoder).__name__)}. Those of the families ConvNeXt, Swin, ResNet, "
        "ViT, MSCAN and MiT can, with all of their four stages."
    )


class _ResNetGroups(BlockGroups):
    def __init__(self, encoder: ResNetEncoder) -> None:
        layers = [list(getattr(encoder, f"layer{index + 1}").children()) for index in range(STAGES)]
        stages: list[list[list[Layer]]] = [[blocks] for blocks in layers]
        stages[0] = [[encoder.maxpool, *layers[0]]]
        stages[_LONG_STAGE] = _parts(layers[_LONG_STAGE], _RESNET_BLOCKS)
        super().__init__(stages, encoder.out_channels[-STAGES:])
        self.stem: list[Layer] = [encoder.conv1, encoder.bn1, encoder.relu]

    def enter(self, image: Tensor) -> tuple[list[Tensor], Stream]:
        half = _chain(self.stem, image)
        return [image, half], Stream(half)


class _EmbeddedGroups(BlockGroups):
    """MSCAN and MiT: each stage embeds, runs its blocks and normalises."""

    def __init__(self, encoder: MSCAN | MixVisionTransformerEncoder) -> None:
        normalise = _normalised_last if isinstance(encoder, MSCAN) else _normalised
        stages: list[list[list[Layer]]] = []
        for index in range(1, STAGES + 1):
            blocks = getattr(encoder, f"block{index}").children()
            embed, norm = getattr(encoder, f"patch_embed{index}"), getattr(encoder, f"norm{index}")
            stages.append([[embed, *blocks, normalise(norm)]])
        super().__init__(stages, encoder.out_channels[-STAGES:])

    def enter(self, image: Tensor) -> tuple[list[Tensor], Stream]:
        return [image, _no_half(image)], Stream(image)


class _TimmGroups(BlockGroups):
    """A chain of timm's that gives some of its layers' maps."""

    def __init__(self, encoder: TimmUniversalEncoder) -> None:
        net: Any = encoder.model
        names, layers = list(net.keys()), list(net.values())
        given = [index for index, name in enumerate(names) if name in net.return_layers]
        ends = given[-STAGES:]
        starts = [ends[0], *(end + 1 for end in ends[:-1])]
        stages = [
            _timm_stage(layers[a : b + 1], index)
            for index, (a, b) in enumerate(zip(starts, ends, strict=True))
        ]
        super().__init__(stages, encoder.out_channels[-STAGES:])
        self.stem = layers[: ends[0]]
        self.half = given[0] if len(given) > STAGES else None
        self.channels_last = bool(encoder._is_channel_last)

    def enter(self, image: Tensor) -> tuple[list[Tensor], Stream]:
        x, half = image, _no_half(image)
        for index, layer in enumerate(self.stem):
            x = layer(x)
            half = x if index == self.half else half
        return [image, half], Stream(x.permute(0, 3, 1, 2) if self.channels_last else x)

    def run(self, group: int, stream: Stream) -> Stream:
        if not self.channels_last:
            return super().run(group, stream)
        return Stream(_chain(self.groups[group], stream.map.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))

    def level(self, stage: int, stage_map: Tensor) -> Tensor:
        return stage_map.contiguous() if self.channels_last else stage_map


class _ViTGroups(BlockGroups):
    """A transformer of one resolution: prefix tokens pass beside the map, the pyramid comes at the end."""

    def __init__(self, encoder: ViTPyramid) -> None:
        blocks = list(encoder.vit.blocks)
        ends = [index + 1 for index in encoder.taken]
        stages = [[blocks[start:end]] for start, end in zip([0, *ends[:-1]], ends, strict=True)]
        super().__init__(stages, encoder.out_channels[-STAGES:])
        self.encoder = encoder
        self.prefix = int(encoder.vit.num_prefix_tokens)

    def enter(self, image: Tensor) -> tuple[list[Tensor], Stream]:
        tokens, size = self.encoder.embed(image)
        return [image, _no_half(image)], self._stream(tokens, size)

    def run(self, group: int, stream: Stream) -> Stream:
        size = (stream.map.shape[-2], stream.map.shape[-1])
        tokens = to_tokens(stream.map)
        if stream.prefix is not None:
            tokens = torch.cat([stream.prefix, tokens], dim=1)
        told = self.encoder.told_to_blocks(size, tokens)
        for block in self.groups[group]:
            tokens = block(tokens, **told)
        return self._stream(tokens, size)

    def level(self, stage: int, stage_map: Tensor) -> Tensor:
        level: Tensor = self.encoder.pyramid[stage](stage_map.contiguous())
        return level

    def _stream(self, tokens: Tensor, size: tuple[int, int]) -> Stream:
        prefix = tokens[:, : self.prefix] if self.prefix else None
        return Stream(from_tokens(tokens[:, self.prefix :], size), prefix)


def _is_chain(encoder: TimmUniversalEncoder) -> bool:
    """Whether timm's layers follow one another, with maps at four strides from 4, or five from 2."""
    given = len(encoder.model.return_layers) if isinstance(encoder.model, FeatureListNet) else 0
    return given in (STAGES, STAGES + 1) and not encoder._is_vgg_style and encoder._depth == STAGES + 1


def _timm_stage(layers: Sequence[nn.Module], stage: int) -> list[list[Layer]]:
    """Groups of a stage, the layers that open it included."""
    *opening, last = layers
    per_group = {ConvNeXtStage: _CONVNEXT_BLOCKS, SwinTransformerStage: _SWIN_BLOCKS}.get(type(last))
    if per_group is None or stage != _LONG_STAGE:
        return [list(layers)]
    groups = _parts(list(last.blocks.children()), per_group)  # type: ignore[union-attr]  # both have blocks
    return [[*opening, last.downsample, *groups[0]], *groups[1:]]  # type: ignore[list-item]  # both have it


def _parts(blocks: Sequence[Layer], size: int) -> list[list[Layer]]:
    return [list(blocks[start : start + size]) for start in range(0, len(blocks), size)]


def _chain(layers: Iterable[Layer], x: Tensor) -> Tensor:
    for layer in layers:
        x = layer(x)
    return x


def _no_half(image: Tensor) -> Tensor:
    """Stand for a map at 1/2 of an encoder that has no such stage: (B, 0, H/2, W/2)."""
    return image[:, :0, ::2, ::2]


def _normalised(norm: Layer) -> Layer:
    return lambda x: norm(x).contiguous()


def _normalised_last(norm: Layer) -> Layer:
    return lambda x: norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2).contiguous()


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
    """Both directions: the target is told first, and the source then hears what became of it."""

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
