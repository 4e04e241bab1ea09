"""From labels to what the losses compare with: one map per level, and one of path indices."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import OptionError
from ..models.decode import path_index
from ..types import IGNORE_INDEX


def leaf_tables(paths: Tensor) -> tuple[Tensor, Tensor]:
    """Look-up tables by leaf index, with ``IGNORE_INDEX`` where a leaf's legal paths disagree.

    Args:
        paths: (T, N) int64.

    Returns:
        (C_N, N) ancestors per level, and (C_N,) path index.
    """
    leaves = int(paths[:, -1].max()) + 1
    lift = torch.full((leaves, paths.shape[1]), IGNORE_INDEX, dtype=torch.int64)
    path = torch.full((leaves,), IGNORE_INDEX, dtype=torch.int64)
    for leaf in range(leaves):
        rows = (paths[:, -1] == leaf).nonzero().flatten()
        own = paths[rows]
        agree = (own == own[0]).all(dim=0)
        lift[leaf] = torch.where(agree, own[0], IGNORE_INDEX)
        if len(rows) == 1:
            path[leaf] = rows[0]
    return lift, path


class PathTargets(torch.nn.Module):
    """Turn labels into per-level classes and path indices.

    Args:
        paths: (T, N) int64.
        ignore_index: Label of a pixel to leave out.
    """

    lift: Tensor
    path: Tensor
    paths: Tensor

    def __init__(self, paths: Tensor, ignore_index: int = IGNORE_INDEX) -> None:
        super().__init__()
        lift, path = leaf_tables(paths)
        self.register_buffer("lift", lift, persistent=False)
        self.register_buffer("path", path, persistent=False)
        self.register_buffer("paths", paths.clone(), persistent=False)
        self.ignore_index = ignore_index

    def forward(self, target: Tensor | Sequence[Tensor]) -> tuple[list[Tensor], Tensor]:
        """Compute per-level labels and path labels.

        Args:
            target: Leaf indices (B, H, W) int64, or one (B, H, W) per level, coarsest first.

        Returns:
            N maps (B, H, W) of class indices, and (B, H, W) of path indices; ``IGNORE_INDEX`` where unknown.
            A path is unknown where a level is ignored or the tuple is no legal path.

        Raises:
            OptionError: Not as many maps as levels.
            IndexError: A label is neither a leaf nor ``ignore_index`` (on the CPU; CUDA stops by itself).
        """
        if isinstance(target, Tensor):
            ignored = target == self.ignore_index
            leaf = target.masked_fill(ignored, 0)
            maps = [_look_up(table, leaf, ignored) for table in (*self.lift.unbind(dim=1), self.path)]
            return maps[:-1], maps[-1]
        if len(target) != self.paths.shape[1]:
            raise OptionError(
                f"Expected one target per level ({self.paths.shape[1]}), but got {len(target)}."
            )
        levels = [torch.where(y == self.ignore_index, IGNORE_INDEX, y) for y in target]
        found = path_index(torch.stack(levels, dim=1), self.paths)
        return levels, torch.where(found < 0, IGNORE_INDEX, found)


def _look_up(table: Tensor, leaf: Tensor, ignored: Tensor) -> Tensor:
    """Read (C_N,) at (B, H, W); index_select takes no negative index for one from the end."""
    found = table.index_select(0, leaf.flatten()).view(leaf.shape)
    return found.masked_fill(ignored, IGNORE_INDEX)


__all__ = ("PathTargets", "leaf_tables")
