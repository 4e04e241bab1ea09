"""What BHCCM needs of a flat model: its last feature map. Adapters from the models people have."""

import re

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import OptionError

#: Side of the image that tells how large a pixel of the features is.
TRIAL_PX = 64

#: Names of layers that look at a whole map: pyramids of poolings, attention over all positions (but not over
#: windows or strips), channel gates, norms over positions, matrix factorisation.
_SEES_ALL = re.compile(
    r"(?:Eva)?Attention\w*|MatrixFactorisation|SE|SE[A-Z]\w*|Squeeze\w*|EffectiveSE\w*|Eca\w*|"
    r"GlobalContext|GlobalResponse\w*|GroupNorm\w*|InstanceNorm\w*"
)


class FeatureExtractor(nn.Module):
    """A flat model without its last classifier.

    Args:
        body: Maps an image (B, C, H, W) to features (B, F, h, w).
        channels: F.
        multiple: Height and width are padded at the bottom and right to a multiple of this many pixels
            before the body sees them, by repeating the edge.
    """

    def __init__(self, body: nn.Module, channels: int, multiple: int = 1) -> None:
        super().__init__()
        self.body = body
        self.channels = channels
        self.multiple = multiple

    def forward(self, image: Tensor, valid: Tensor | None = None, doy: Tensor | None = None) -> Tensor:
        """Map (B, C, H, W) to features (B, F, h, w) of the padded image.

        Args:
            image: Normalised.
            valid: Of series, whose :class:`~.temporal.SeriesFeatures` need to know it.
            doy: The same.
        """
        features: Tensor = self.body(pad(image, self.multiple))
        return features

    def maps(self, image: Tensor, valid: Tensor | None = None, doy: Tensor | None = None) -> list[Tensor]:
        """Return what an encoder says to its decoder of the padded image, coarser from map to map."""
        encoder: nn.Module = self.body.encoder  # type: ignore[assignment]  # an EncoderDecoder's
        return list(encoder(pad(image, self.multiple)))

    def pixel(self, bands: int) -> float:
        """Side of a pixel of the features in pixels of an image of so many bands, by running the body."""
        like = next(self.parameters(), torch.empty(0))
        side, _ = padded_size((TRIAL_PX, TRIAL_PX), self.multiple)
        training = self.training
        self.eval()
        try:
            with torch.no_grad():
                features = self.body(torch.zeros(1, bands, side, side, device=like.device))
        finally:
            self.train(training)
        return side / int(features.shape[-1])

    @property
    def sees_all(self) -> bool:
        """Whether a layer pools, norms or attends over all of an image, whatever its size."""
        return any(
            isinstance(module, nn.AdaptiveAvgPool2d)
            # a place for attention that holds none has no weights
            or (_SEES_ALL.fullmatch(type(module).__name__) and any(True for _ in module.parameters()))
            for module in self.modules()
        )


def padded_size(size: tuple[int, int], multiple: int) -> tuple[int, int]:
    """Round (height, width) up to a multiple."""
    # of numbers >= 0 only: ONNX divides negative integers towards zero
    tall, wide = ((pixels + multiple - 1) // multiple * multiple for pixels in size)
    return tall, wide


def pad(image: Tensor, multiple: int) -> Tensor:
    """Pad (B, C, H, W) at the bottom and right to :func:`padded_size` by repeating the edge."""
    height, width = image.shape[-2:]
    tall, wide = padded_size((height, width), multiple)
    # an exported graph serves every size: it holds the padding, which may be of nothing
    if not torch.compiler.is_compiling() and (tall, wide) == (height, width):
        return image
    return F.pad(image, (0, wide - width, 0, tall - height), mode="replicate")


def unpad(logits: Tensor, size: tuple[int, int], multiple: int) -> Tensor:
    """Bring (B, K, h, w) of the padded image, at the decoder's resolution, to (B, K, H, W) of the image."""
    padded = padded_size(size, multiple)
    if torch.compiler.is_compiling() or logits.shape[-2:] != padded:  # a graph serves every size
        logits = F.interpolate(logits, size=padded, mode="bilinear", align_corners=False)
    return logits[..., : size[0], : size[1]]


class EncoderDecoder(nn.Module):
    """Encoder and decoder of a segmentation-models-pytorch model, without its head."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    def forward(self, image: Tensor) -> Tensor:
        """Map (B, C, H, W) to the decoder's features (B, F, h, w)."""
        return self.decode(self.encoder(image))

    def decode(self, encoded: list[Tensor] | tuple[list[Tensor], ...]) -> Tensor:
        """Map what the encoder returned to the decoder's features."""
        # DPT's encoder returns its features together with the tokens that stand before them
        parts = encoded if isinstance(encoded, tuple) else (encoded,)
        features: Tensor = self.decoder(*parts)
        return features


def extract_features(model: nn.Module | tuple[nn.Module, int]) -> FeatureExtractor:
    """Take the last classifier off a flat model.

    Args:
        model: A module with ``encoder``, ``decoder`` and ``segmentation_head`` (segmentation-models-pytorch
            and what follows it), a :class:`FeatureExtractor`, or ``(module, channels)`` where the module
            returns features.

    Raises:
        OptionError: The model has another form.
    """
    if isinstance(model, FeatureExtractor):
        return model
    if isinstance(model, tuple):
        return FeatureExtractor(*model)
    parts = [getattr(model, name, None) for name in ("encoder", "decoder", "segmentation_head")]
    encoder, decoder, head = parts
    if not (
        isinstance(encoder, nn.Module) and isinstance(decoder, nn.Module) and isinstance(head, nn.Module)
    ):
        raise OptionError(
            f"Expected a model with encoder, decoder and segmentation_head, but got {type(model).__name__}. "
            "Give (module, channels), where module returns the feature map."
        )
    convolution = next((layer for layer in head.modules() if isinstance(layer, nn.Conv2d)), None)
    if convolution is None:
        raise OptionError(f"Expected the segmentation_head of {type(model).__name__} to hold a convolution.")
    multiple = int(getattr(encoder, "output_stride", 32))
    return FeatureExtractor(EncoderDecoder(encoder, decoder), convolution.in_channels, max(multiple, 32))
