"""From labels to what the losses compare with: one map per level, and one of path indices."""

from collections.abc import Sequence

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
    first = members.to(torch.uint8).argmax(dim=1)
    shared = paths[first]
    differs = [
        (members & (column != own[:, None])).any(dim=1)
        for column, own in zip(paths.unbind(dim=1), shared.unbind(dim=1), strict=True)
    ]
    path = first.masked_fill(members.sum(dim=1) != 1, IGNORE_INDEX)
    return shared.masked_fill(torch.stack(differs, dim=1), IGNORE_INDEX), path


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
        members = leaf_members(paths)
        lift, path = set_tables(paths, members)
        tables = {"lift": lift, "path": path, "paths": paths.clone(), "members": members}
        for name, table in tables.items():
            self.register_buffer(name, table, persistent=False)
        self.ignore_index = ignore_index
        #: Whether every leaf has one path, so that no label of leaves allows for several.
        self.exact = bool((path >= 0).all())

    def check(self, members: Tensor) -> None:
        """Hold sets of paths to the tree.

        Raises:
            OptionError: Another number of paths, or a set without any.
        """
        if members.ndim != 2 or members.shape[1] != len(self.paths):
            raise OptionError(
                f"Expected label sets (S, {len(self.paths)}), one column per legal path, but got "
                f"{tuple(members.shape)}. Give those of the model's own tree."
            )
        if not members.any(dim=1).all():
            empty = int((~members.any(dim=1)).sum())
            raise OptionError(
                f"Expected label sets of one legal path or more, but got {empty} that no path satisfies. "
                "Leave them out."
            )

    def forward(
        self, target: Tensor | Sequence[Tensor], members: Tensor | None = None
    ) -> tuple[list[Tensor], Tensor]:
        """Compute per-level labels and path labels.

        Args:
            target: Leaf indices or numbers of sets (B, H, W) int64, or class indices (B, H, W) per level,
                coarsest first.
            members: (S, T) bool, the paths of each set, where ``target`` holds numbers of sets.

        Returns:
            N maps (B, H, W) of class indices, and (B, H, W) of path indices; ``IGNORE_INDEX`` where unknown.
            A path is unknown where a level is ignored or the tuple is no legal path.

        Raises:
            OptionError: Not as many maps as levels.
            IndexError: A label is no leaf, set or ``ignore_index`` (on the CPU; CUDA stops by itself).
        """
        if isinstance(target, Tensor):
            lift, path = (self.lift, self.path) if members is None else set_tables(self.paths, members)
            ignored = target == self.ignore_index
            known = target.masked_fill(ignored, 0)
            maps = [_look_up(table, known, ignored) for table in (*lift.unbind(dim=1), path)]
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
