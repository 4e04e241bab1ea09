"""CDKS: the frozen source backbone and the target's talk, and the decoder gets both (Ai et al. 2026)."""

from collections.abc import Sequence
from math import gcd
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...errors import OptionError
from ..record import CDKSOptions
from .block_groups import STAGES, BlockGroups, InteractionPair, Stream, split_encoder


class Segment(NamedTuple):
    """Groups of both backbones that run before one interaction.

    Attributes:
        stage: Stage 0..3 they belong to.
        target: Groups of the target's backbone.
        source: Groups of the source's.
        ends_stage: Whether they are the last of the stage.
    """

    stage: int
    target: tuple[int, ...]
    source: tuple[int, ...]
    ends_stage: bool


class SourceState(NamedTuple):
    """What the source backbone has done before the first interaction; both of its passes go on from here.

    Attributes:
        before: What stands before the four maps in the encoder's list.
        stream: After the first segment's groups.
    """

    before: list[Tensor]
    stream: Stream


class CDKS(nn.Module):
    """Cross-domain knowledge sharing: interactions and merges; the encoders belong to the models around it.

    The groups of blocks of both backbones (:func:`split_encoder`) are matched stage by stage
    (:func:`match_groups`), with an interaction after each match. The maps of both streams are then merged,
    stage by stage, for the target's decoder (:class:`StreamMerge`).

    The source's weights are to be frozen and in evaluation mode. Gradient flows through its blocks all the
    same, to the interactions and the target's backbone. At first the gains of all interactions are 0: the two
    streams are the two backbones, bit for bit.

    Args:
        target_encoder: Backbone of the branch that learns; only its form is looked at.
        source_encoder: Backbone of the frozen branch; only its form is looked at.
        options: How they talk; None for the defaults.
        merged: Stages 0..3 whose maps the decoder reads, the last among them (:func:`stages_read`). Others
            keep no weights, and the target's own map stands there.

    Raises:
        OptionError: An encoder cannot be split, or ``merged`` is no such list.
    """

    def __init__(
        self,
        target_encoder: nn.Module,
        source_encoder: nn.Module,
        options: CDKSOptions | None = None,
        merged: Sequence[int] = tuple(range(STAGES)),
    ) -> None:
        super().__init__()
        if STAGES - 1 not in merged or not set(merged) <= set(range(STAGES)):
            raise OptionError(f"Expected merged to be stages of 0..3 with the last, but got {list(merged)}.")
        target, source = split_encoder(target_encoder), split_encoder(source_encoder)
        self.options = options or CDKSOptions()
        self.segments = match_groups(target.stages, source.stages)
        widths = list(zip(target.widths, source.widths, strict=True))
        self.interactions = nn.ModuleList(
            InteractionPair(*widths[segment.stage], **self.options.to_dict()) for segment in self.segments
        )
        self.merges = nn.ModuleDict(
            {str(stage): StreamMerge(*widths[stage]) for stage in sorted(set(merged))}
        )
        self.to(memory_format=torch.channels_last)

    def start(self, source_encoder: nn.Module, image: Tensor) -> SourceState:
        """Run the source backbone up to the first interaction, without gradient.

        Args:
            source_encoder: The frozen backbone.
            image: (B, C, H, W) as the source branch normalises it; H and W multiples of 32.
        """
        with torch.no_grad():
            groups = split_encoder(source_encoder)
            before, stream = groups.enter(image)
            return SourceState(before, _run(groups, self.segments[0].source, stream))

    def plain(self, source_encoder: nn.Module, state: SourceState) -> list[Tensor]:
        """Let the source backbone go on by itself, without gradient: what the encoder returns."""
        with torch.no_grad():
            groups, stream = split_encoder(source_encoder), state.stream
            features = list(state.before)
            for index, segment in enumerate(self.segments):
                if index > 0:
                    stream = _run(groups, segment.source, stream)
                if segment.ends_stage:
                    features.append(groups.level(segment.stage, stream.map))
            return features

    def forward(
        self,
        target_encoder: nn.Module,
        source_encoder: nn.Module,
        image_target: Tensor,
        image_source: Tensor,
        state: SourceState | None = None,
    ) -> list[Tensor]:
        """Run both backbones together and merge their maps.

        Args:
            target_encoder: The backbone that learns.
            source_encoder: The frozen backbone.
            image_target: (B, C, H, W) as the target branch normalises it; H and W multiples of 32.
            image_source: (B, C', H, W) of the same places, as the source branch normalises it.
            state: What :meth:`start` returned for ``image_source``; None to compute it.

        Returns:
            What ``target_encoder(image_target)`` would, with merged maps in place of the last four.
        """
        target, source = split_encoder(target_encoder), split_encoder(source_encoder)
        state = state or self.start(source_encoder, image_source)
        features, *maps = self._talk(target, source, image_target, state)
        for stage, (x_target, x_source) in enumerate(zip(*maps, strict=True)):
            level = target.level(stage, x_target)
            if str(stage) in self.merges:
                level = self.merges[str(stage)](level, source.level(stage, x_source))
            features.append(level)
        return features

    def streams(
        self,
        target_encoder: nn.Module,
        source_encoder: nn.Module,
        image_target: Tensor,
        image_source: Tensor,
        state: SourceState | None = None,
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return the four maps of both streams before they are merged; arguments as in :meth:`forward`."""
        target, source = split_encoder(target_encoder), split_encoder(source_encoder)
        state = state or self.start(source_encoder, image_source)
        _, *maps = self._talk(target, source, image_target, state)
        return (
            [target.level(stage, x) for stage, x in enumerate(maps[0])],
            [source.level(stage, x) for stage, x in enumerate(maps[1])],
        )

    def _talk(
        self, target: BlockGroups, source: BlockGroups, image: Tensor, state: SourceState
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """Return what stands before the target's maps, and the last map of each stage of both streams."""
        before, ours = target.enter(image)
        theirs = state.stream
        target_maps: list[Tensor] = []
        source_maps: list[Tensor] = []
        for index, (segment, pair) in enumerate(zip(self.segments, self.interactions, strict=True)):
            ours = _run(target, segment.target, ours)
            if index > 0:
                theirs = _run(source, segment.source, theirs)
            x_target, x_source = pair(ours.map, theirs.map)
            ours, theirs = Stream(x_target, ours.prefix), Stream(x_source, theirs.prefix)
            if segment.ends_stage:
                target_maps.append(x_target)
                source_maps.append(x_source)
        return before, target_maps, source_maps


def match_groups(target: Sequence[int], source: Sequence[int]) -> list[Segment]:
    """Match the groups of two backbones stage by stage.

    Of a stage with m and n groups come min(m, n) segments, as even as can be; the last ends the stage.

    Args:
        target: Stage 0..3 of each of the target's groups.
        source: Stage 0..3 of each of the source's groups.

    Examples:
        >>> [(s.target, s.source) for s in match_groups([0, 1, 2, 2, 2, 3], [0, 1, 2, 2, 3])]
        [((0,), (0,)), ((1,), (1,)), ((2, 3), (2,)), ((4,), (3,)), ((5,), (4,))]
    """
    segments = []
    for stage in range(STAGES):
        ours = [index for index, of in enumerate(target) if of == stage]
        theirs = [index for index, of in enumerate(source) if of == stage]
        count = min(len(ours), len(theirs))
        for part in range(count):
            segments.append(
                Segment(stage, _part(ours, part, count), _part(theirs, part, count), part == count - 1)
            )
    return segments


def _part(groups: Sequence[int], part: int, count: int) -> tuple[int, ...]:
    """Return one of ``count`` parts of consecutive groups, the longer ones first."""
    start, end = (-(-len(groups) * edge // count) for edge in (part, part + 1))
    return tuple(groups[start:end])


def _run(groups: BlockGroups, indices: Sequence[int], stream: Stream) -> Stream:
    for index in indices:
        stream = groups.run(index, stream)
    return stream


#: Wanted groups of the norms before two streams are merged.
_NORM_GROUPS = 32

#: Edge of the image that a decoder is tried with: two positions in the last map.
_TRIAL_PX = 64


class StreamMerge(nn.Module):
    """Merge one stage of both streams: ``a ReLU(GN(x_T)) + b ReLU(GN(x_S))``, a and b learnable from 1.

    Where the widths differ, x_S first passes a 3x3 convolution to the target's width; where the sizes differ,
    it is resized bilinearly. The norms have 32 groups, or the greatest common divisor of 32 and the width.

    Args:
        channels: D of the target's map.
        source_channels: D' of the source's.
    """

    def __init__(self, channels: int, source_channels: int) -> None:
        super().__init__()
        groups = gcd(_NORM_GROUPS, channels)
        same = channels == source_channels
        self.match = nn.Identity() if same else nn.Conv2d(source_channels, channels, 3, padding=1)
        self.target_norm = nn.GroupNorm(groups, channels)
        self.source_norm = nn.GroupNorm(groups, channels)
        self.target_gain = nn.Parameter(torch.ones(()))
        self.source_gain = nn.Parameter(torch.ones(()))

    def forward(self, x_target: Tensor, x_source: Tensor) -> Tensor:
        """Map (B, D, h, w) and (B, D', h', w') to (B, D, h, w)."""
        x_source = self.match(x_source)
        if x_source.shape[-2:] != x_target.shape[-2:]:
            size = (x_target.shape[-2], x_target.shape[-1])
            x_source = F.interpolate(x_source, size, mode="bilinear", align_corners=False)
        target, source = F.relu(self.target_norm(x_target)), F.relu(self.source_norm(x_source))
        return self.target_gain * target + self.source_gain * source


def stages_read(encoder: nn.Module, decoder: nn.Module) -> tuple[int, ...]:
    """Find the stages 0..3 of an encoder whose maps a decoder reads.

    A merge that nobody reads would hold weights that never get a gradient. The decoder is tried once on a
    small image and asked which maps its features depend on; neither module is changed.

    Args:
        encoder: With the bands of its first layer in ``out_channels[0]``, as segmentation-models-pytorch's.
        decoder: Takes the encoder's list of maps.

    Returns:
        Indices, rising.
    """
    modes = [(module, module.training) for root in (encoder, decoder) for module in root.modules()]
    weight = next(encoder.parameters())
    channels: Any = encoder.out_channels
    image = torch.zeros(1, int(channels[0]), _TRIAL_PX, _TRIAL_PX, dtype=weight.dtype, device=weight.device)
    try:
        encoder.eval()
        decoder.eval()
        with torch.no_grad():
            features = list(encoder(image))
        with torch.enable_grad():
            maps = [each.clone().requires_grad_() for each in features[-STAGES:]]
            read = torch.autograd.grad(decoder([*features[:-STAGES], *maps]).sum(), maps, allow_unused=True)
    finally:
        for module, mode in modes:
            module.training = mode
    return tuple(stage for stage, gradient in enumerate(read) if gradient is not None)
