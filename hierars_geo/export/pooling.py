"""Adaptive average pooling as two matrix products: a graph of it serves every size."""

import torch
from torch import Tensor, nn


class AnySizeAveragePool(nn.Module):
    """Do what ``nn.AdaptiveAvgPool2d`` does, for sizes that are not known when the graph is made.

    Exporters unroll the library's own into as many slices as the example's size happens to need. Here cell i
    of n takes pixels floor(i L / n) .. ceil((i + 1) L / n) - 1 of a side of length L with equal weights, by
    an (n, L) matrix per side that the graph computes from the size it meets.

    Args:
        cells: (rows, columns) of the result.
    """

    def __init__(self, cells: tuple[int, int]) -> None:
        super().__init__()
        self.cells = cells

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, D, h, w) to (B, D, rows, columns)."""
        rows = _weights(self.cells[0], x.shape[-2], x)
        columns = _weights(self.cells[1], x.shape[-1], x)
        return rows @ x @ columns.T


def _weights(cells: int, length: int, like: Tensor) -> Tensor:
    """Average of every cell over a side: (cells, length)."""
    cell = torch.arange(cells, device=like.device)[:, None]
    pixel = torch.arange(length, device=like.device)[None, :]
    first = cell * length // cells
    last = ((cell + 1) * length + cells - 1) // cells
    inside = ((pixel >= first) & (pixel < last)).to(like.dtype)
    return inside / inside.sum(dim=1, keepdim=True)


def replace_adaptive_pools(model: nn.Module) -> None:
    """Put :class:`AnySizeAveragePool` in place of every adaptive pooling to more than one cell."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.AdaptiveAvgPool2d):
                size = child.output_size
                rows, columns = size if isinstance(size, tuple) else (size, size)
                if isinstance(rows, int) and isinstance(columns, int) and (rows, columns) != (1, 1):
                    setattr(parent, name, AnySizeAveragePool((rows, columns)))


__all__ = ("AnySizeAveragePool", "replace_adaptive_pools")
