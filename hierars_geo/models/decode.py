"""JSPS, joint semantic path search, and what follows from it (Ai et al. 2026, section III-C).

The score of a path is the sum of the log-softmaxes of its classes. The normalisers do not depend on the
path, so they cancel in every argmax and softmax over paths: raw logits are summed instead. Path logits are
then a fixed 0/1 linear map of the logits, T channels in place of sum C_l, and commute with bilinear
upsampling, overlap blending and the averaging of test-time augmentations.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .calibration import Curve, curved_steps
from .namespace import first_of_largest

#: (T, N) int64, class index of every legal path at every level, as ``Taxonomy.paths`` or as a tensor.
Paths: TypeAlias = Tensor | NDArray[np.int64]


def paths_tensor(paths: Paths, device: torch.device | None = None) -> Tensor:
    """Return paths as an int64 tensor on a device."""
    table = torch.tensor(paths) if isinstance(paths, np.ndarray) else paths
    return table.to(device)


def path_logits(logits: Sequence[Tensor], paths: Paths) -> Tensor:
    """Sum the raw logits along every legal path.

    Args:
        logits: One (B, C_l, H, W) per level, coarsest first; or only the leaves' (a flat model).
        paths: (T, N) int64, class index of every path at every level.

    Returns:
        (B, T, H, W); ``softmax`` over T gives P(t).
    """
    table = paths_tensor(paths, logits[0].device)[:, -len(logits) :]
    if not (torch.compiler.is_compiling() or any(level.requires_grad for level in logits)):
        return _summed_path_by_path(logits, table)
    columns = table.unbind(dim=1)
    total = logits[0].index_select(1, columns[0])
    for level, column in zip(logits[1:], columns[1:], strict=True):
        total += level.index_select(1, column)  # in place: one map of T channels less at the peak
    return total


def _summed_path_by_path(logits: Sequence[Tensor], table: Tensor) -> Tensor:
    """Sum as :func:`path_logits` does, to the same bits: no selected copies, so 4 times faster on a CPU."""
    first, *others = logits
    total = first.new_empty((first.shape[0], len(table), *first.shape[2:]))
    for path, (column, *columns) in enumerate(table.tolist()):
        here = total[:, path].copy_(first[:, column])
        for level, index in zip(others, columns, strict=True):
            here += level[:, index]
    return total


def best_path(path_logits: Tensor) -> Tensor:
    """Index of the most probable path of every pixel, the first of equals: (B, T, H, W) to (B, H, W) int64.

    PyTorch's ``argmax`` over a dimension that is not the last takes 3 times as long as its ``max``, and 40
    times as long as :func:`first_of_largest` on a CPU (18 paths, one thread).
    """
    if path_logits.is_cpu and path_logits.dtype == torch.float32 and not torch.compiler.is_compiling():
        best = [first_of_largest(scores) for scores in path_logits.detach().numpy()]
        return torch.from_numpy(np.stack(best).astype(np.int64))
    return path_logits.max(dim=1).indices


def jsps(path_logits: Tensor, paths: Paths) -> Tensor:
    """Decode the most probable legal path of every pixel.

    Args:
        path_logits: (B, T, H, W) float.
        paths: (T, N) int64.

    Returns:
        (B, N, H, W) int64 class indices, level 1 first; every pixel's column is a row of ``paths``.
    """
    return path_classes(best_path(path_logits), paths)


def path_classes(best: Tensor, paths: Paths) -> Tensor:
    """Look up the classes of path indices: (B, H, W) int64 to (B, N, H, W) int64."""
    table = paths_tensor(paths, best.device)
    return torch.stack([column[best] for column in table.unbind(dim=1)], dim=1)


def level_confidence(path_logits: Tensor, paths: Paths, curves: Sequence[Curve] = ()) -> Tensor:
    """Confidence of the decoded class at every level.

    At level l it is the sum of P(t) over the legal paths that agree with the decoded one at levels 1..l: it
    can only fall from coarse to fine.

    Args:
        path_logits: (B, T, H, W) float.
        paths: (T, N) int64.
        curves: Of a calibrated model, by level.

    Returns:
        (B, N, H, W) float32 in 0..1, never rising from level 1 to N.
    """
    plain = confidence_of(path_logits.float().softmax(dim=1), best_path(path_logits).unsqueeze(1), paths)
    return torch.stack(curved_steps(plain.unbind(dim=1), curves), dim=1) if curves else plain


def confidence_of(probability: Tensor, best: Tensor, paths: Paths) -> Tensor:
    """Confidence of given paths at every level, from the probabilities of all paths.

    Args:
        probability: (B, T, H, W) float, P(t).
        best: (B, 1, H, W) int64, the path that was decoded.
        paths: (T, N) int64.

    Returns:
        (B, N, H, W), never rising from level 1 to N.
    """
    table = paths_tensor(paths, probability.device)
    confidence: list[Tensor] = []
    for level in range(1, table.shape[1] + 1):
        group = _prefix_groups(table, level)
        shape = (probability.shape[0], int(group.max()) + 1, *probability.shape[2:])
        marginal = probability.new_zeros(shape).index_add_(1, group, probability)
        here = marginal.gather(1, group[best]).squeeze(1).clamp(max=1.0)
        confidence.append(
            torch.minimum(here, confidence[-1]) if confidence else here
        )  # rounding may not raise it
    return torch.stack(confidence, dim=1)


def is_legal(classes: Tensor, paths: Paths) -> Tensor:
    """Tell which pixels' classes form a legal path.

    Args:
        classes: (B, N, H, W) int64 class indices; negative means unknown and is never legal.
        paths: (T, N) int64.

    Returns:
        (B, H, W) bool.
    """
    return path_index(classes, paths) >= 0


def path_index(classes: Tensor, paths: Paths) -> Tensor:
    """Find the row of ``paths`` that holds every pixel's classes.

    Args:
        classes: (B, N, H, W) int64 class indices; negative means unknown.
        paths: (T, N) int64.

    Returns:
        (B, H, W) int64, -1 where there is no such row.
    """
    table = paths_tensor(paths, classes.device)
    # Levels are joined one by one, and partial tuples renumbered, so that codes stay below T times C_l.
    code = torch.zeros_like(classes[:, 0])
    known = torch.zeros(len(table), dtype=torch.int64, device=classes.device)
    for column, level in zip(table.unbind(1), classes.unbind(1), strict=True):
        base = int(column.max()) + 1
        legal, known = torch.unique(known * base + column, return_inverse=True)
        inside = (code >= 0) & (level >= 0) & (level < base)
        wanted = torch.where(inside, code * base + level, -1)
        position = torch.searchsorted(legal, wanted).clamp(max=len(legal) - 1)
        code = torch.where(legal[position] == wanted, position, -1)
    row_of = torch.empty_like(known)
    row_of[known] = torch.arange(len(table), device=known.device)
    row: Tensor = torch.where(code >= 0, row_of[code.clamp(min=0)], -1)
    return row


def _prefix_groups(paths: Tensor, level: int) -> Tensor:
    """Number the distinct beginnings of length ``level``: (T,) int64."""
    group: Tensor = torch.unique(paths[:, :level], dim=0, return_inverse=True)[1]
    return group
