"""From labels to what the losses compare with: one map per level, and one of path indices."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..errors import OptionError
from ..models.decode import path_index
from ..types import IGNORE_INDEX


def set_tables(paths: Tensor, members: Tensor) -> tuple[Tensor, Tensor]:
    """Look-up tables by label: what all paths that it allows for share.

    Args:
        paths: (T, N) int64.
        members: (S, T) bool, the paths that each label allows for, at least one each.

    Returns:
        (S, N) classes per level, and (S,) path index; ``IGNORE_INDEX`` where the paths of a label differ.
    """
    table, chosen = paths.numpy(), members.numpy()
    first = chosen.argmax(axis=1)
    lift = table[first]
    for level, column in enumerate(table.T):
        differs = (chosen & (column != lift[:, level, None])).any(axis=1)
        lift[differs, level] = IGNORE_INDEX
    path = np.where(chosen.sum(axis=1) == 1, first, IGNORE_INDEX)
    return torch.from_numpy(lift), torch.from_numpy(path)


def leaf_members(paths: Tensor) -> Tensor:
    """Return the paths (C_N, T) bool that lead to every leaf."""
    leaves = torch.arange(int(paths[:, -1].max()) + 1)
    return paths[:, -1] == leaves[:, None]


class PathTargets(torch.nn.Module):
    """Turn labels into per-level classes and path indices.

    Args:
        paths: (T, N) int64.
        ignore_index: Label of a pixel to leave out.
    """

    lift: Tensor
    path: Tensor
    paths: Tensor
    members: Tensor

    def __init__(self, paths: Tensor, ignore_index: int = IGNORE_INDEX) -> None:
        super().__init__()
        self.register_buffer("paths", paths.clone(), persistent=False)
        self.ignore_index = ignore_index
        self.allow(leaf_members(paths))

    def allow(self, members: Tensor) -> None:
        """Take labels for the numbers of sets of paths, in place of leaf indices.

        Args:
            members: (S, T) bool, the paths of each set, at least one; the first rows are to be the leaves in
                index order, as in :class:`hierars_geo.taxonomy.LabelSets`.

        Raises:
            OptionError: Another number of paths, or a set without any.
        """
        members = members.cpu()
        if members.ndim != 2 or members.shape[1] != len(self.paths) or not members.any(dim=1).all():
            raise OptionError(
                f"Expected label sets (S, {len(self.paths)}), each with one legal path or more, but got "
                f"{tuple(members.shape)}{', or sets that no path satisfies' if members.numel() else ''}."
            )
        device = self.paths.device
        lift, path = set_tables(self.paths.cpu(), members)
        self.register_buffer("lift", lift.to(device), persistent=False)
        self.register_buffer("path", path.to(device), persistent=False)
        self.register_buffer("members", members.to(device), persistent=False)
        #: Whether every label is one path, so that none is to be looked for.
        self.exact = bool((path >= 0).all())

    def forward(self, target: Tensor | Sequence[Tensor]) -> tuple[list[Tensor], Tensor]:
        """Compute per-level labels and path labels.

        Args:
            target: Leaf indices or numbers of sets (B, H, W) int64, or class indices (B, H, W) per level,
                coarsest first.

        Returns:
            N maps (B, H, W) of class indices, and (B, H, W) of path indices; ``IGNORE_INDEX`` where unknown.
            A path is unknown where a level is ignored or the tuple is no legal path.

        Raises:
            OptionError: Not as many maps as levels.
            IndexError: A label is no leaf, set or ``ignore_index`` (on the CPU; CUDA stops by itself).
        """
        if isinstance(target, Tensor):
            ignored = target == self.ignore_index
            known = target.masked_fill(ignored, 0)
            maps = [_look_up(table, known, ignored) for table in (*self.lift.unbind(dim=1), self.path)]
            return maps[:-1], maps[-1]
        if len(target) != self.paths.shape[1]:
            raise OptionError(
                f"Expected one target per level ({self.paths.shape[1]}), but got {len(target)}."
            )
        levels = [torch.where(y == self.ignore_index, IGNORE_INDEX, y) for y in target]
        found = path_index(torch.stack(levels, dim=1), self.paths)
        return levels, torch.where(found < 0, IGNORE_INDEX, found)


def _look_up(table: Tensor, known: Tensor, ignored: Tensor) -> Tensor:
    """Read (S,) at (B, H, W); index_select takes no negative index for one from the end."""
    found = table.index_select(0, known.flatten()).view(known.shape)
    return found.masked_fill(ignored, IGNORE_INDEX)


__all__ = ("PathTargets", "leaf_members", "set_tables")
