"""What is minimised: the loss, and the weights of the classes in it from how often they occur."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from ..errors import OptionError
from ..losses.hierarchical import HCCLoss, HSCLoss
from ..taxonomy import Taxonomy

LossName: TypeAlias = Literal["hsc", "hcc"]

Weighting = Literal["none", "inverse", "sqrt_inverse", "effective"]

#: Pixels, or shares of them, per leaf, or per level and class.
Counts = Sequence[float] | Sequence[Sequence[float]] | NDArray[np.generic]

#: The same, or a function that counts them when they are needed.
Frequencies = Counts | Callable[[], Counts]

#: Of the effective number of samples (Cui et al. 2019): a class counts as this many samples at most ...
_BETA: Final = 0.9999
#: ... of so many in all. Pixels are too many and too alike to be counted one by one.
_SAMPLES: Final = 100_000

_RULES: Final[dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]]] = {
    "inverse": lambda share: 1 / share,
    "sqrt_inverse": lambda share: 1 / np.sqrt(share),
    "effective": lambda share: (1 - _BETA) / (1 - _BETA ** (share * _SAMPLES)),
}


@dataclass(frozen=True)
class LossOptions:
    """What a training minimises.

    Attributes:
        name: ``hsc`` (with ``alpha = 0`` it is HCE alone) or the legacy ``hcc``.
        alpha: Weight of the path term, >= 0.
        level_weights: Weight of every level in HCE, default 1.
        class_weights: Weights of the classes in HCE: from their frequencies by ``inverse``,
            ``sqrt_inverse`` or ``effective`` (see :func:`class_weights`), a list per level, or ``none``. A
            checkpoint carries those from frequencies, so that resuming counts nothing again.

    Raises:
        OptionError: A value is out of range.
    """

    name: LossName = "hsc"
    alpha: float = 2.0
    level_weights: Sequence[float] | None = None
    class_weights: Weighting | list[list[float]] = "none"

    def __post_init__(self) -> None:
        if self.alpha < 0:
            raise OptionError(f"Expected alpha to be >= 0, but got {self.alpha}.")
        names = get_args(LossName)
        if self.name not in names:
            near = get_close_matches(self.name, names, cutoff=0.3) or names
            raise OptionError(f"Expected a known loss, but got '{self.name}'. Near ones: {', '.join(near)}.")
        if isinstance(self.class_weights, str):
            check_rule(self.class_weights)

    @property
    def counts_classes(self) -> bool:
        """Whether the weights of the classes follow from their frequencies."""
        return isinstance(self.class_weights, str) and self.class_weights != "none"

    def known_weights(self, taxonomy: Taxonomy) -> list[list[float]] | None:
        """Return one weight per class and level; None where they are still to be computed.

        Raises:
            OptionError: Given weights do not fit the tree.
        """
        if not isinstance(self.class_weights, str):
            return check_class_weights(taxonomy, self.class_weights)
        return None if self.counts_classes else _ones(taxonomy)

    def build(self, taxonomy: Taxonomy, flat: bool) -> HSCLoss | HCCLoss:
        """Build the loss; weights that are to be computed are 1 until they are filled in.

        Args:
            taxonomy: The tree.
            flat: Whether the model predicts the leaves alone: the path term would repeat the cross entropy.

        Raises:
            OptionError: Weights do not fit the tree.
        """
        weights = self.known_weights(taxonomy) or _ones(taxonomy)
        in_loss = None if self.class_weights == "none" else weights
        paths, counts = taxonomy.paths, taxonomy.num_classes
        if flat:
            leaves = np.arange(counts[-1])[:, None]
            return HSCLoss(leaves, counts[-1:], 0.0, class_weights=in_loss and in_loss[-1:])
        if self.name == "hcc":
            return HCCLoss(paths, counts, self.alpha, self.level_weights, class_weights=in_loss)
        return HSCLoss(
            paths,
            counts,
            self.alpha,
            self.level_weights,
            class_weights=in_loss,
        )


def _ones(taxonomy: Taxonomy) -> list[list[float]]:
    return [[1.0] * count for count in taxonomy.num_classes]


def class_weights(taxonomy: Taxonomy, frequencies: Counts, rule: str) -> list[list[float]]:
    """Weigh rare classes up.

    At each level the weights average 1 over the pixels, so that the learning rate keeps its meaning. A class
    that does not occur gets the largest weight of those that do.

    Args:
        taxonomy: The tree.
        frequencies: (C_N,) pixels, or shares of them, per leaf (a coarser class has those of its leaves), or
            one list (C_l) per level.
        rule: ``inverse`` of the share, ``sqrt_inverse``, its root, ``effective``, the inverse of the
            effective number of samples (Cui et al. 2019, beta 0.9999 of 100 000), or ``none``, 1 for all.

    Returns:
        One list (C_l) per level.

    Raises:
        OptionError: Another rule, or frequencies that are none.

    Examples:
        >>> class_weights(Taxonomy.from_yaml("whdld"), [8, 2, 2, 2, 1, 1], "inverse")[-1][:2]
        [0.333..., 1.333...]
    """
    check_rule(rule)
    if rule == "none":
        return _ones(taxonomy)
    return [_weigh(pixels, rule) for pixels in _per_level(taxonomy, frequencies)]


def _per_level(taxonomy: Taxonomy, frequencies: Counts) -> list[NDArray[np.float64]]:
    """Check frequencies, and lift those of leaves to every level."""
    nested = len(frequencies) > 0 and isinstance(frequencies[0], Sequence | np.ndarray)
    given = [np.asarray(level, dtype=np.float64) for level in (frequencies if nested else [frequencies])]
    counts = taxonomy.num_classes if nested else taxonomy.num_classes[-1:]
    right = tuple(level.shape for level in given) == tuple((count,) for count in counts)
    if not right or not all(np.isfinite(f).all() and (f >= 0).all() and f.sum() > 0 for f in given):
        raise OptionError(
            f"Expected the frequencies of {taxonomy.num_classes[-1]} leaves or of every class per level, "
            f">= 0 and not all 0, but got {' '.join(str(frequencies).split())[:120]}. Check the labels."
        )
    if nested:
        return given
    levels = []
    for level, count in enumerate(taxonomy.num_classes, start=1):
        ancestors = taxonomy.lift_table(level)
        pixels = np.zeros(count)
        np.add.at(pixels, ancestors[ancestors >= 0], given[0][ancestors >= 0])
        levels.append(pixels)
    return levels


def _weigh(pixels: NDArray[np.float64], rule: str) -> list[float]:
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
