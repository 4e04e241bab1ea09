"""TransLU: a trained model helps another one to learn another class tree (Ai et al. 2026, section III-D)."""

import copy
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ...errors import OptionError
from ...taxonomy import Taxonomy
from ..bhccm import Mode
from ..features import EncoderDecoder, FeatureExtractor, pad
from ..map_model import MapModel
from ..record import CDKSOptions
from ..scene_model import HierarchicalSegmenter, SceneModel
from .cdks import CDKS, stages_read
from .cdsa import CDSA


class TransLU(MapModel):
    """Two branches that see the same image: the frozen source model, and the target model that is trained.

    With CDKS a second pass of the frozen backbone runs beside the target's backbone and the two streams
    talk; with CDSA a plain pass of the whole source model masks the target's logits. The source branch
    stays in eval mode and gets no gradient, whatever :meth:`train` says.

    Args:
        source: The trained model; a :class:`HierarchicalSegmenter` takes images that are normalised already.
        target_taxonomy: Tree to predict; with ``cdsa`` its anchors name classes of the source's tree.
        source_taxonomy: Tree of the source; needed with ``cdsa``.
        target: The branch to train, with the target tree's levels; None for a copy of the source's backbone
            and decoder with a new head.
        source_bands: Channels of the image that the source knows, in its order; None for all.
        cdks: Whether the backbones share what they see.
        cdsa: Whether the trees are aligned.
        mode: How the levels of a new head talk, see :class:`~hierars_geo.models.BHCCM`.
        dropout: Before the classifiers of a new head, 0..1.
        options: Of the interactions.

    Raises:
        OptionError: The parts do not fit each other, or neither ``cdks`` nor ``cdsa`` is wanted.
        TaxonomyError: The anchors do not fit the source's tree.
    """

    def __init__(
        self,
        source: SceneModel | HierarchicalSegmenter,
        target_taxonomy: Taxonomy,
        source_taxonomy: Taxonomy | None = None,
        target: SceneModel | None = None,
        source_bands: Sequence[int] | None = None,
        cdks: bool = True,
        cdsa: bool = True,
        mode: Mode = "residual",
        dropout: float = 0.1,
        options: CDKSOptions | None = None,
    ) -> None:
        super().__init__()
        if not (cdks or cdsa):
            raise OptionError("Expected cdks, cdsa or both, but got neither. Train the target model alone.")
        if isinstance(source, HierarchicalSegmenter):
            source = _unscaled(source, _bands_of(source))
        if target is None:
            target = _new_target(source, target_taxonomy, mode, dropout)
        counts = target.segmenter.num_classes
        if counts != target_taxonomy.num_classes:
            raise OptionError(
                f"Expected a target model with {target_taxonomy.num_classes} classes per level, for taxonomy "
                f"{target_taxonomy.name}, but got {counts}."
            )
        if target.of_series or source.of_series:
            _check_series(source, target, cdks)
        self.source = source.requires_grad_(False)
        self.target = target
        self.source_bands = None if source_bands is None else tuple(source_bands)
        self.cdks: CDKS | None = None
        if cdks:
            own, foreign = _encoder_decoder(target), _encoder_decoder(source)
            read = stages_read(own.encoder, own.decoder)
            self.cdks = CDKS(own.encoder, foreign.encoder, options, merged=read)
        self.cdsa: CDSA | None = None
        if cdsa:
            if source_taxonomy is None:
                raise OptionError("Expected source_taxonomy with cdsa, but got none.")
            self.cdsa = CDSA(target_taxonomy, source_taxonomy)
        self.to(memory_format=torch.channels_last)
        self.train(self.training)

    @property
    def multiple(self) -> int:
        """Images are padded to multiples of this: both branches see the same ground."""
        return math.lcm(self.source.multiple, self.target.multiple)

    def contiguous_layout(self) -> None:
        """Leave channels last; see :class:`~hierars_geo.models.MapModel`."""
        self.source.contiguous_layout()
        self.target.contiguous_layout()
        self.to(memory_format=torch.contiguous_format)

    def train(self, mode: bool = True) -> "TransLU":
        """Set the mode of the target branch; the source branch stays in eval mode."""
        super().train(mode)
        self.source.eval()
        return self

    def forward(self, image: Tensor, valid: Tensor | None = None, doy: Tensor | None = None) -> list[Tensor]:
        """Compute logits (B, C_l, H, W) per level; see :class:`~hierars_geo.models.MapModel`."""
        return [self._unpad(level, image) for level in self._branches(image, valid, doy)[1]]

    def with_source(
        self, image: Tensor, valid: Tensor | None = None, doy: Tensor | None = None
    ) -> tuple[list[Tensor], dict[int, Tensor]]:
        """Compute the target's logits, and what the source's plain pass says for the pseudo-labels.

        Returns:
            Logits (B, C_l, H, W) per level, and by level of the source (from 0) its logits (B, C, H, W) as
            far as anchors need them; nothing without CDSA.
        """
        _, logits, scores = self._branches(image, valid, doy)
        with torch.no_grad():
            seen = {level: self._unpad(value, image) for level, value in scores.items()}
        return [self._unpad(level, image) for level in logits], seen

    def features_and_logits(
        self, image: Tensor, valid: Tensor | None, doy: Tensor | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Compute features and logits of the target branch; see :class:`~hierars_geo.models.MapModel`."""
        features, logits, _ = self._branches(image, valid, doy)
        return features, logits

    def pool_gates(self, chip_px: int | None) -> None:
        """Say what the gates of both branches pool over: they were trained on the same chips."""
        self.target.pool_gates(chip_px)
        self.source.pool_gates(chip_px)

    @property
    def of_series(self) -> bool:
        """Whether it takes an axis of dates."""
        return self.target.of_series

    @property
    def sees_window(self) -> bool:
        """Whether a layer of a branch, or of what lies between them, sees all of a window."""
        branches = (self.source, self.target) if self.cdsa is not None else (self.target,)
        return self.cdks is not None or any(branch.sees_window for branch in branches)

    def _branches(
        self, image: Tensor, valid: Tensor | None, doy: Tensor | None
    ) -> tuple[Tensor, list[Tensor], dict[int, Tensor]]:
        """Run both branches at the decoder's resolution: the target's features and Z, the source's scores."""
        known = image if self.source_bands is None else image[..., self.source_bands, :, :]
        if self.target.of_series:
            features, plain = self._series_features(image, known, valid, doy)
        else:
            own = pad(self.target.normalise(image, valid), self.multiple)
            with torch.no_grad():
                foreign = pad(self.source.normalise(known, valid), self.multiple)
            features, plain = self._features(own, foreign)
        head = self.target.segmenter.head
        logits = head.classify(features)
        if self.cdsa is None or plain is None:
            return features, head.merge(logits), {}
        with torch.no_grad():
            scores = self.cdsa.scores(self.source.segmenter.head(plain))
        return features, head.merge(self.cdsa.mask(logits, scores)), scores

    def _features(self, own: Tensor, foreign: Tensor) -> tuple[Tensor, Tensor | None]:
        """Feature map of the target's decoder, and of the source's plain pass where CDSA needs it."""
        plain: Tensor | None = None
        if self.cdks is None:
            with torch.no_grad():
                plain = self.source.segmenter.features.body(foreign)
            return self.target.segmenter.features.body(own), plain
        target, source = _encoder_decoder(self.target), _encoder_decoder(self.source)
        # what lies before the first interaction is the same in both passes of the frozen backbone
        begun = self.cdks.start(source.encoder, foreign)
        if self.cdsa is not None:
            with torch.no_grad():
                plain = source.decode(self.cdks.plain(source.encoder, begun))
        pyramid = self.cdks(target.encoder, source.encoder, own, foreign, begun)
        return target.decode(pyramid), plain

    def _series_features(
        self, image: Tensor, known: Tensor, valid: Tensor | None, doy: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Do as :meth:`_features` for series (B, D, C, H, W); a source of images sees the mean over dates."""
        features = self.target.segmenter.features(self.target.normalise(image, valid), valid, doy)
        with torch.no_grad():
            seen, there = (known, valid) if self.source.of_series else _mean_image(known, valid)
            return features, self.source.segmenter.features(self.source.normalise(seen, there), there, doy)


def _mean_image(image: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Average a series over its valid dates: (B, C, H, W), and where there is any (B, H, W)."""
    if valid is None:
        return image.mean(dim=1), None
    count = valid.sum(dim=1)
    total = image.masked_fill(~valid.unsqueeze(2), 0.0).sum(dim=1)
    return total / count.clamp(min=1).unsqueeze(1), count > 0


def _encoder_decoder(model: SceneModel) -> EncoderDecoder:
    """Encoder and decoder of a branch.

    Raises:
        OptionError: It was built from a module that does not tell them apart.
    """
    body = model.segmenter.features.body
    if not isinstance(body, EncoderDecoder):
        raise OptionError(
            "Expected both branches to have an encoder and a decoder for cdks, but got "
            f"{type(body).__name__}. Give a model with encoder, decoder and segmentation_head, or no cdks."
        )
    return body


def _check_series(source: SceneModel, target: SceneModel, cdks: bool) -> None:
    """Refuse branches that cannot see a series together."""
    if cdks:
        raise OptionError("Expected no cdks with series, whose maps are of many dates. Set cdks: false.")
    if not target.of_series or source.multiple != target.multiple:
        raise OptionError(
            "Expected a target model of series that pads images as its source does, but got "
            f"{'a model of series' if target.of_series else 'one of images'} with multiples of "
            f"{target.multiple} and {source.multiple} px. Take the source's encoder, and a temporal model."
        )


def _new_target(source: SceneModel, tree: Taxonomy, mode: Mode, dropout: float) -> SceneModel:
    """Copy the source's backbone and decoder and give them a head for another tree."""
    features: FeatureExtractor = copy.deepcopy(source.segmenter.features).requires_grad_(True)
    segmenter = HierarchicalSegmenter(features, tree.num_classes, mode=mode, dropout=dropout)
    return SceneModel(segmenter, source.mean.flatten().tolist(), source.std.flatten().tolist())


def _bands_of(segmenter: HierarchicalSegmenter) -> int:
    """Channels of the image that a model takes: those of its first convolution."""
    first = next((m for m in segmenter.modules() if isinstance(m, nn.Conv2d)), None)
    if first is None:
        raise OptionError("Expected a source model with a convolution, but it has none. Give a SceneModel.")
    return first.in_channels


def _unscaled(segmenter: HierarchicalSegmenter, bands: int) -> SceneModel:
    return SceneModel(segmenter, [0.0] * bands, [1.0] * bands)
