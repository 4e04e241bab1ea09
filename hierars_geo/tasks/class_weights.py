"""Weights of the classes from how often they occur, per level of the tree."""

from collections.abc import Callable, Sequence
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import OptionError
from ..taxonomy import Taxonomy

Weighting = Literal["none", "inverse", "sqrt_inverse", "effective"]

#: Pixels per leaf class, or a function that counts them when they are needed.
Frequencies = ArrayLike | Callable[[], ArrayLike]

#: Of the effective number of samples (Cui et al. 2019): a class counts as this many samples at most ...
_BETA: Final = 0.9999
#: ... of so many in all. Pixels are too many and too alike to be counted one by one.
_SAMPLES: Final = 100_000

_RULES: Final[dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]]] = {
    "inverse": lambda share: 1 / share,
    "sqrt_inverse": lambda share: 1 / np.sqrt(share),
    "effective": lambda share: (1 - _BETA) / (1 - _BETA ** (share * _SAMPLES)),
}


def class_weights(taxonomy: Taxonomy, frequencies: ArrayLike, rule: Weighting) -> list[list[float]]:
    """Weigh rare classes up.

    At each level the weights average 1 over the pixels, so that the learning rate keeps its meaning. A class
    that does not occur gets the largest weight of those that do.

    Args:
        taxonomy: The tree.
        frequencies: (C_N,) pixels, or shares of them, per leaf; a coarser class has those of its leaves.
        rule: ``inverse`` of the share, ``sqrt_inverse``, its root, ``effective``, the inverse of the
            effective number of samples (Cui et al. 2019, beta 0.9999 of 100 000), or ``none``, 1 for all.

    Returns:
        One list (C_l) per level.

    Raises:
        OptionError: Another rule, or frequencies that are none.

    Example:
        >>> class_weights(Taxonomy.from_yaml("whdld"), [8, 2, 2, 2, 1, 1], "inverse")[-1][:2]
        [0.333..., 1.333...]
    """
    check_rule(rule)
    if rule == "none":
        return [[1.0] * count for count in taxonomy.num_classes]
    leaves = np.asarray(frequencies, dtype=np.float64)
    right = leaves.shape == (taxonomy.num_classes[-1],) and np.isfinite(leaves).all()
    if not right or (leaves < 0).any() or leaves.sum() == 0:
        raise OptionError(
            f"Expected the frequencies of {taxonomy.num_classes[-1]} leaves, >= 0 and not all 0, but got "
            f"{np.array2string(leaves, threshold=8)}. Check the training labels."
        )
    weights = []
    for level, count in enumerate(taxonomy.num_classes, start=1):
        ancestors = taxonomy.lift_table(level)
        known = ancestors >= 0
        pixels = np.zeros(count)
        np.add.at(pixels, ancestors[known], leaves[known])
        weights.append(_weigh(pixels, rule))
    return weights


def _weigh(pixels: NDArray[np.float64], rule: Weighting) -> list[float]:
    """Weigh the classes of one level."""
    present = pixels > 0
    if not present.any():
        return [1.0] * len(pixels)
    share = pixels[present] / pixels.sum()
    raw = _RULES[rule](share)
    raw /= (raw * share).sum()
    weights = np.full(len(pixels), raw.max())
    weights[present] = raw
    found: list[float] = weights.tolist()
    return found


def check_rule(rule: str) -> None:
    """Refuse a rule that does not exist.

    Raises:
        OptionError: It does not; those that do are listed.
    """
    if rule not in get_args(Weighting):
        raise OptionError(
            f"Expected class_weights to be one of {', '.join(get_args(Weighting))}, or a list of weights per "
            f"level, but got '{rule}'."
        )


def check_class_weights(taxonomy: Taxonomy, weights: Sequence[Sequence[float]]) -> list[list[float]]:
    """Hold given weights to the tree.

    Raises:
        OptionError: Not one weight >= 0 per class and level.
    """
    counts = tuple(len(level) for level in weights)
    if counts != taxonomy.num_classes or not all(0 <= w < np.inf for level in weights for w in level):
        raise OptionError(
            f"Expected class_weights to hold {', '.join(map(str, taxonomy.num_classes))} weights >= 0, a "
            f"list per level of {taxonomy.name}, but got lists of {', '.join(map(str, counts)) or 'nothing'}."
        )
    return [[float(weight) for weight in level] for level in weights]


__all__ = ("Frequencies", "Weighting", "check_class_weights", "check_rule", "class_weights")
