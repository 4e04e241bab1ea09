"""Classifiers in closed form, from sums over labelled pixels: ridge regression and discriminants."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

#: Score of a class of which there is no pixel: below every other's.
_ABSENT: Final = -20.0

#: Variances below this share of the mean one are those of a constant.
_CONSTANT: Final = 1e-10


@dataclass(frozen=True)
class ClassSums:
    """All that a linear classifier in closed form needs of any number of pixels; sums of parts add up.

    Attributes:
        count: (K,) float64 pixels per class.
        total: (K, D) float64 sum of their inputs.
        product: (D, D) float64 sum of the outer products of the inputs with themselves, over all classes.
    """

    count: Tensor
    total: Tensor
    product: Tensor

    @classmethod
    def empty(cls, classes: int, inputs: int) -> "ClassSums":
        """Sums over no pixel."""
        real = torch.float64
        return cls(
            torch.zeros(classes, dtype=real),
            torch.zeros(classes, inputs, dtype=real),
            torch.zeros(inputs, inputs, dtype=real),
        )

    def add(self, inputs: Tensor, target: Tensor) -> None:
        """Add pixels, in place.

        Args:
            inputs: (n, D).
            target: (n,) int64, 0..K-1.
        """
        values = inputs.double()
        self.count.add_(torch.bincount(target, minlength=len(self.count)))
        self.total.index_add_(0, target, values)
        self.product.addmm_(values.T, values)

    def __add__(self, other: "ClassSums") -> "ClassSums":
        """Sums over the pixels of both."""
        return ClassSums(self.count + other.count, self.total + other.total, self.product + other.product)

    def __sub__(self, part: "ClassSums") -> "ClassSums":
        """Sums without those of a part."""
        return ClassSums(self.count - part.count, self.total - part.total, self.product - part.product)

    def first(self, inputs: int) -> "ClassSums":
        """Sums of the first so many inputs alone."""
        return ClassSums(self.count, self.total[:, :inputs], self.product[:inputs, :inputs])


#: Weight (K, D) and offset (K,) of a linear classifier, float64, from sums and a penalty.
Solver = Callable[[ClassSums, float], tuple[Tensor, Tensor]]


def ridge(sums: ClassSums, penalty: float) -> tuple[Tensor, Tensor]:
    """Regress the indicators of the classes on the inputs, penalised by the weights' squares.

    Inputs count in units of their standard deviation, so that one penalty fits all: with R their correlation
    and c the covariances of inputs and indicators, the weights are (R + penalty I)^-1 c (Hoerl and Kennard
    1970).
    """
    number = sums.count.sum()
    mean, share = sums.total.sum(dim=0) / number, sums.count / number
    covariance = sums.product / number - torch.outer(mean, mean)
    cross = sums.total / number - torch.outer(share, mean)
    weight = _penalised(covariance, _spread(covariance), cross, penalty)
    offset = share - weight @ mean
    return weight, torch.where(sums.count > 0, offset, _ABSENT)


def discriminant(sums: ClassSums, penalty: float) -> tuple[Tensor, Tensor]:
    """Tell classes apart that are Gaussian with one covariance, to which a ridge is added.

    The linear discriminant with a ridge penalty (Hastie, Buja and Tibshirani 1995): with W the covariance
    within the classes in units of the inputs' standard deviations, m_k a class's mean and p_k its share, the
    scores are log posteriors: x' (W + penalty I)^-1 m_k - m_k' (W + penalty I)^-1 m_k / 2 + log p_k.
    """
    number = sums.count.sum()
    mean, share = sums.total.sum(dim=0) / number, sums.count / number
    own = sums.total / sums.count.clamp(min=1)[:, None]
    covariance = sums.product / number - torch.outer(mean, mean)
    apart = torch.where((sums.count > 0)[:, None], own - mean, 0.0)
    within = covariance - (apart.T * share) @ apart
    weight = _penalised(within, _spread(covariance), apart, penalty)
    offset = share.clamp(min=1e-12).log() - (weight * apart).sum(dim=1) / 2 - weight @ mean
    return weight, torch.where(sums.count > 0, offset, _ABSENT)


def _spread(covariance: Tensor) -> Tensor:
    """Standard deviations, infinite for constants, which then weigh nothing."""
    variance = covariance.diagonal()
    constant = variance <= _CONSTANT * variance.clamp(min=0).mean()
    return torch.where(constant, torch.inf, variance.clamp(min=0).sqrt())


def _penalised(covariance: Tensor, spread: Tensor, target: Tensor, penalty: float) -> Tensor:
    """Solve for (K, D) weights in units of the spread, and return them in those of the inputs."""
    scaled = covariance / torch.outer(spread, spread)
    scaled.diagonal().add_(penalty)
    solved: Tensor = torch.cholesky_solve((target / spread).T, torch.linalg.cholesky(scaled)).T
    return solved / spread


#: How a head is solved for, by name.
SOLVERS: Final[dict[str, Solver]] = {"ridge": ridge, "discriminant": discriminant}
