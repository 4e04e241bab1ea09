"""Plain vision transformer with a simple feature pyramid, as an encoder of segmentation-models-pytorch."""

from collections.abc import Sequence
from typing import Any, Literal

import timm
import torch
from segmentation_models_pytorch.encoders._base import EncoderMixin
from timm.layers.drop import DropPath
from torch import Tensor, nn
from torch.nn import functional as F

#: What a transformer knows of where a patch lies, besides what timm's own knows (a table, or rotations):
#: metres (Scale-MAE), or how far patches are from each other (CROMA).
Positions = Literal["own", "metres", "distances"]


class ViTPyramid(nn.Module, EncoderMixin):
    """Four of a transformer's blocks, brought to 1/4, 1/8, 1/16 and 1/32 of the input.

    Transposed convolutions widen the earlier maps, poolings narrow the last: the pyramid of BEiT's and
    DeiT III's segmentation models (Bao et al. 2022; Touvron et al. 2022). Images of any size pass: a table
    of positions is interpolated, others are computed. Patches of 14 px are cut from the image at 7/8 of its
    size, so that the maps have the strides of other encoders.

    Args:
        name: Of timm: a ViT, or one of Eva's form (DINOv3).
        drop_path_rate: Of the last block; grows linearly from 0 at the first.
        blocks: Where the maps are taken, indices of blocks; None for the ends of four equal parts.
        padding: Pixels of zeros around the image, before patches are cut.
        positions: What stands for the places of patches.
        attends_to_bands: Whether patches are embedded band by band (:class:`BandAttention`).
        depth: Maps of segmentation-models-pytorch's count; 5 is all there is.
        output_stride: 32, the only one there is.
        **options: Of timm's model.

    Attributes:
        gsd_m: Side of a pixel in metres, for positions in metres; told from outside, none is assumed.
    """

    gsd_m: float
    vit: Any  # timm's VisionTransformer; its types are partial

    def __init__(
        self,
        name: str,
        drop_path_rate: float = 0.0,
        blocks: Sequence[int] | None = None,
        padding: int = 0,
        positions: Positions = "own",
        attends_to_bands: bool = False,
        depth: int = 5,
        output_stride: int = 32,
        **options: Any,  # noqa: ANN401
    ) -> None:
        super().__init__()
        if positions != "own":
            options["pos_embed"] = "none"
        vit: Any = timm.create_model(name, num_classes=0, global_pool="", dynamic_img_size=True, **options)
        count, width = len(vit.blocks), int(vit.embed_dim)
        patch_px = int(vit.patch_embed.patch_size[0])
        if attends_to_bands:
            vit.patch_embed = BandAttention(width, vit.patch_embed)
        else:
            vit.patch_embed.proj.padding = padding, padding
        vit.norm = nn.Identity()  # the pyramid's maps are taken before it
        self.vit, self.positions = vit, positions
        self.at_seven_eighths = patch_px == 14
        step_px = 16 if self.at_seven_eighths else patch_px
        self.taken = tuple(blocks) if blocks else tuple((part + 1) * count // 4 - 1 for part in range(4))
        vit.blocks = vit.blocks[: max(self.taken) + 1]
        self.pyramid = nn.ModuleList(_resize(width, step_px / stride) for stride in (4, 8, 16, 32))
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

    def set_in_channels(self, in_channels: int, pretrained: bool = True) -> None:
        """Take images of so many bands."""
        if isinstance(self.vit.patch_embed, BandAttention):
            self._in_channels = self._out_channels[0] = in_channels
            self.vit.patch_embed.set_bands(in_channels)
        else:
            super().set_in_channels(in_channels, pretrained)  # type: ignore[no-untyped-call]

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
        if self.at_seven_eighths:
            size = [side * 7 // 8 for side in image.shape[-2:]]
            image = F.interpolate(image, size=size, mode="bilinear", align_corners=False)
        patches = self.vit.patch_embed(image)  # (B, rows, columns, D)
        return self.vit.norm_pre(self._with_positions(patches)), (patches.shape[1], patches.shape[2])

    def told_to_blocks(self, size: tuple[int, int], like: Tensor) -> dict[str, Tensor]:
        """Return what every block has to know of a grid of (rows, columns), besides its input."""
        if self.positions == "distances":
            return {"attn_mask": _nearness(size, self.vit.blocks[0].attn.num_heads, like)}
        rope = getattr(self.vit, "rope", None)
        return {} if rope is None else {"rope": rope.get_embed(shape=list(size))}

    def _maps(self, image: Tensor) -> list[Tensor]:
        """Run the blocks; return the four maps (B, D, rows, columns)."""
        tokens, size = self.embed(image)
        told = self.told_to_blocks(size, tokens)
        prefix = int(self.vit.num_prefix_tokens)
        maps: list[Tensor] = []
        for index, block in enumerate(self.vit.blocks):
            tokens = block(tokens, **told)
            if index in self.taken:
                grid = tokens[:, prefix:].unflatten(1, size)
                maps.append(grid.permute(0, 3, 1, 2).contiguous())
        return maps

    def _with_positions(self, patches: Tensor) -> Tensor:
        """Add what stands for the places, put the class token before: (B, tokens, D)."""
        vit, first = self.vit, 0
        if self.positions == "metres":
            patches = patches + _in_metres(patches, self.gsd_m)
        elif vit.pos_embed is not None:
            old_rows, old_columns = vit.patch_embed.grid_size
            first = 0 if vit.no_embed_class else int(vit.num_prefix_tokens)
            table = vit.pos_embed[:, first:].unflatten(1, (old_rows, old_columns)).permute(0, 3, 1, 2)
            resized = F.interpolate(table, size=patches.shape[1:3], mode="bicubic", align_corners=False)
            patches = patches + resized.permute(0, 2, 3, 1)
        tokens = patches.flatten(1, 2)
        before = [t for t in (vit.cls_token, vit.reg_token) if t is not None]
        if before:
            start = torch.cat(before, dim=1)
            start = start + vit.pos_embed[:, :first] if first else start
            tokens = torch.cat([start.expand(patches.shape[0], -1, -1), tokens], dim=1)
        positioned: Tensor = vit.pos_drop(tokens)
        return positioned


def _resize(width: int, factor: float) -> nn.Module:
    """Resize a map: transposed convolutions by 2 or 4, the maximum by 1/2 or less."""
    if factor <= 1:
        return nn.Identity() if factor == 1 else nn.MaxPool2d(round(1 / factor))
    to_half = nn.ConvTranspose2d(width, width, 2, stride=2)
    if factor == 2:
        return to_half
    last = nn.ConvTranspose2d(width, width, 2, stride=2)
    return nn.Sequential(to_half, nn.BatchNorm2d(width), nn.GELU(), last)


def _in_metres(patches: Tensor, gsd_m: float) -> Tensor:
    """Encode the places of patches (B, rows, columns, D), counted in metres per pixel of the image.

    Sines and cosines of the column, then of the row, at falling frequencies, with a patch as unit and times
    the ground sampling distance (Reed et al. 2023, arXiv 2212.14532).
    """
    _, rows, columns, width = patches.shape
    steps = torch.arange(width // 4, device=patches.device, dtype=torch.float32)
    frequencies = gsd_m * 10000 ** (-steps / (width // 4))
    across, down = (
        torch.arange(count, device=patches.device)[:, None] * frequencies for count in (columns, rows)
    )
    across, down = (torch.cat([angles.sin(), angles.cos()], dim=-1) for angles in (across, down))
    return torch.cat([across[None].expand(rows, -1, -1), down[:, None].expand(-1, columns, -1)], dim=-1)


def _nearness(size: tuple[int, int], heads: int, like: Tensor) -> Tensor:
    """Compute what is added to scores of attention (1, heads, tokens, tokens): less the farther apart.

    Distances in patches, times slopes 2^(-8 i / heads) of the heads i = 1, 2, ... (CROMA's 2-D ALiBi).
    """
    rows, columns = size
    row = torch.arange(rows, device=like.device, dtype=torch.float32)[:, None].expand(-1, columns).flatten()
    column = torch.arange(columns, device=like.device, dtype=torch.float32).expand(rows, -1).flatten()
    distances = ((row[:, None] - row) ** 2 + (column[:, None] - column) ** 2).sqrt()
    slopes = 2 ** (-8 / heads * torch.arange(1, heads + 1, device=like.device))
    return -(slopes[:, None, None] * distances)[None].to(like.dtype)


class BandAttention(nn.Module):
    """Embed patches band by band, and let a learnt question choose among the bands (Panopticon).

    Waldmann et al. 2025, arXiv 2503.10845. Scores and values are linear in what the bands show: bands are
    mixed before they are projected, which gives the same and costs one projection instead of C.

    Args:
        width: D of the patches.
        replaced: Layer of timm in whose place it stands.
        dims: Of every band.
        heads: Of the attention.
    """

    def __init__(self, width: int, replaced: Any, dims: int = 2304, heads: int = 16) -> None:  # noqa: ANN401
        super().__init__()
        self.side = side = int(replaced.patch_size[0])
        self.grid_size, self.heads = replaced.grid_size, heads
        self.each = nn.Linear(side * side, dims)
        self.query = nn.Parameter(torch.randn(1, 1, dims))
        self.inproj_k = nn.Linear(dims, dims, bias=False)
        self.inproj_v = nn.Linear(dims, dims, bias=False)
        self.proj = nn.Linear(dims, width)
        self.set_bands(3)

    def set_bands(self, count: int) -> None:
        """Take so many bands; what is added to each is new."""
        self.bands = nn.Parameter(0.02 * torch.randn(count, self.query.shape[-1]))

    def forward(self, image: Tensor) -> Tensor:
        """Map (B, C, H, W) to patches (B, rows, columns, D)."""
        (batch, bands, height, width), side = image.shape, self.side
        cut = image.reshape(batch, bands, height // side, side, width // side, side)
        each = self.each(cut.permute(0, 2, 4, 1, 3, 5).flatten(-2)) + self.bands  # (B, h, w, C, dims)
        of_heads = self.inproj_k.weight.view(
            self.heads, -1, self.query.numel()
        )  # (heads, dims / heads, dims)
        question = torch.einsum("hd,hde->he", self.query.view(self.heads, -1), of_heads)
        scores = each @ question.T * of_heads.shape[1] ** -0.5  # (B, h, w, C, heads)
        mixed = scores.softmax(dim=3).transpose(-1, -2) @ each  # (B, h, w, heads, dims)
        values = self.inproj_v.weight.view_as(of_heads)
        patches: Tensor = self.proj(torch.einsum("...he,hde->...hd", mixed, values).flatten(-2))
        return patches
