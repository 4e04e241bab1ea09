"""Plain vision transformer with a simple feature pyramid, as an encoder of segmentation-models-pytorch."""

from collections.abc import Sequence
from typing import Any

import timm
import torch
from segmentation_models_pytorch.encoders._base import EncoderMixin
from timm.layers.drop import DropPath
from torch import Tensor, nn
from torch.nn import functional as F


class ViTPyramid(nn.Module, EncoderMixin):
    """Four of a transformer's blocks, brought to 1/4, 1/8, 1/16 and 1/32 of the input.

    Transposed convolutions widen the earlier two maps, a pooling narrows the last: the pyramid of BEiT's and
    DeiT III's segmentation models (Bao et al. 2022; Touvron et al. 2022). Images of any size pass: the table
    of positions is interpolated.

    Args:
        name: A timm ViT with patches of 16 pixels.
        drop_path_rate: Of the last block; grows linearly from 0 at the first.
        blocks: Where the maps are taken, indices of blocks; None for the ends of four equal parts.
        padding: Pixels of zeros around the image, before patches are cut.
        depth: Maps of segmentation-models-pytorch's count; 5 is all there is.
        output_stride: 32, the only one there is.
    """

    vit: Any  # timm's VisionTransformer; its types are partial

    def __init__(
        self,
        name: str,
        drop_path_rate: float = 0.0,
        blocks: Sequence[int] | None = None,
        padding: int = 0,
        depth: int = 5,
        output_stride: int = 32,
    ) -> None:
        super().__init__()
        vit: Any = timm.create_model(name, num_classes=0, global_pool="", dynamic_img_size=True)
        vit.patch_embed.proj.padding = padding, padding
        vit.norm = nn.Identity()  # the pyramid's maps are taken before it
        self.vit = vit
        count, width = len(vit.blocks), int(vit.embed_dim)
        self.taken = tuple(blocks) if blocks else tuple((part + 1) * count // 4 - 1 for part in range(4))
        vit.blocks = vit.blocks[: max(self.taken) + 1]
        to_quarter = nn.Sequential(
            nn.ConvTranspose2d(width, width, 2, stride=2),
            nn.BatchNorm2d(width),
            nn.GELU(),
            nn.ConvTranspose2d(width, width, 2, stride=2),
        )
        to_eighth = nn.ConvTranspose2d(width, width, 2, stride=2)
        self.pyramid = nn.ModuleList([to_quarter, to_eighth, nn.Identity(), nn.MaxPool2d(2)])
        self._depth, self._in_channels, self._output_stride = depth, 3, output_stride
        self._out_channels = [3, 0, width, width, width, width]
        for block in vit.blocks:
            block.drop_path1, block.drop_path2 = DropPath(), DropPath()
        self.set_drop_path(drop_path_rate)

    def set_drop_path(self, rate: float) -> None:
        """Let blocks drop out, from 0 at the first to ``rate`` at the last."""
        for index, block in enumerate(self.vit.blocks):
            for path in (block.drop_path1, block.drop_path2):
                path.drop_prob = rate * index / max(1, len(self.vit.blocks) - 1)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Compute the pyramid.

        Args:
            x: (B, C, H, W) image; H and W multiples of 32.

        Returns:
            The image, an empty map at 1/2 (there is no such stage), and maps at 1/4 .. 1/32.
        """
        levels = [resize(level) for resize, level in zip(self.pyramid, self._maps(x), strict=True)]
        return [x, x[:, :0, ::2, ::2], *levels]

    def embed(self, image: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Return the first block's input (B, tokens, D), prefix first, and (rows, columns) of the patches."""
        patches = self.vit.patch_embed(image)  # (B, H/16, W/16, D)
        return self.vit.norm_pre(self._with_positions(patches)), (patches.shape[1], patches.shape[2])

    def _maps(self, image: Tensor) -> list[Tensor]:
        """Run the blocks; return the four maps (B, D, H/16, W/16)."""
        tokens, size = self.embed(image)
        prefix = int(self.vit.num_prefix_tokens)
        maps: list[Tensor] = []
        for index, block in enumerate(self.vit.blocks):
            tokens = block(tokens)
            if index in self.taken:
                grid = tokens[:, prefix:].unflatten(1, size)
                maps.append(grid.permute(0, 3, 1, 2).contiguous())
        return maps

    def _with_positions(self, patches: Tensor) -> Tensor:
        """Add the table of positions at the grid's size, put the class token before: (B, tokens, D)."""
        vit = self.vit
        old_rows, old_columns = vit.patch_embed.grid_size
        first = 0 if vit.no_embed_class else int(vit.num_prefix_tokens)
        table = vit.pos_embed[:, first:].unflatten(1, (old_rows, old_columns)).permute(0, 3, 1, 2)
        resized = F.interpolate(table, size=patches.shape[1:3], mode="bicubic", align_corners=False)
        tokens = (patches + resized.permute(0, 2, 3, 1)).flatten(1, 2)
        before = [t for t in (vit.cls_token, vit.reg_token) if t is not None]
        if before:
            start = torch.cat(before, dim=1)
            start = start + vit.pos_embed[:, :first] if first else start
            tokens = torch.cat([start.expand(patches.shape[0], -1, -1), tokens], dim=1)
        positioned: Tensor = vit.pos_drop(tokens)
        return positioned
