"""Swin Transformer V2 of torchvision, as an encoder of segmentation-models-pytorch."""

from collections.abc import Callable
from typing import Any

import torchvision
from segmentation_models_pytorch.encoders._base import EncoderMixin
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

_SIZES: dict[str, Callable[..., Any]] = {
    "swin_v2_t": torchvision.models.swin_v2_t,
    "swin_v2_b": torchvision.models.swin_v2_b,
}


class SwinV2(nn.Module, EncoderMixin):
    """The four stages of a Swin Transformer V2 (Liu et al. 2022): maps at 1/4, 1/8, 1/16 and 1/32.

    Torchvision's layers under their own names, as TorchGeo's weights have them. Images of any size pass:
    windows of 8 are padded.

    Args:
        name: ``swin_v2_t`` or ``swin_v2_b``.
        drop_path_rate: Of the last block; grows linearly from 0 at the first.
        depth: Maps of segmentation-models-pytorch's count; 5 is all there is.
        output_stride: 32, the only one there is.
    """

    def __init__(
        self, name: str, drop_path_rate: float = 0.0, depth: int = 5, output_stride: int = 32
    ) -> None:
        super().__init__()
        self.swin: nn.Sequential = _SIZES[name](weights=None).features
        width = next(module for module in self.swin.modules() if isinstance(module, nn.Conv2d)).out_channels
        self._depth, self._in_channels, self._output_stride = depth, 3, output_stride
        self._out_channels = [3, 0, *(width * 2**stage for stage in range(4))]
        self.set_drop_path(drop_path_rate)

    def set_drop_path(self, rate: float) -> None:
        """Let blocks drop out, from 0 at the first to ``rate`` at the last."""
        paths = [module for module in self.swin.modules() if isinstance(module, StochasticDepth)]
        for index, path in enumerate(paths):
            path.p = rate * index / max(1, len(paths) - 1)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Compute the pyramid; see :meth:`.ViTPyramid.forward`."""
        maps, hidden = [x, x[:, :0, ::2, ::2]], x
        for index, part in enumerate(self.swin):  # patches, stage, merging, stage, ...
            hidden = part(hidden)
            if index % 2:
                maps.append(hidden.permute(0, 3, 1, 2).contiguous())
        return maps
