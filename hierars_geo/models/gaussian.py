"""A per-pixel Gaussian classifier: the least that a network has to beat."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from ..errors import DataError
from ..types import IGNORE_INDEX, Batch


class GaussianClassifier(nn.Module):
    """One Gaussian per class over the bands of a pixel, each class as likely as it was frequent in training.

    Sums are accumulated in float64, so that any number of batches may be shown.

    Args:
        in_channels: C, bands.
        num_classes: K, leaves.
        ridge: Added to the diagonal of every covariance, relative to the mean variance of the bands over all
            classes; keeps rare classes invertible, and those without any variance (saturated pixels, say).
    """

    count: Tensor
    total: Tensor
    product: Tensor

    def __init__(self, in_channels: int, num_classes: int, ridge: float = 1e-4) -> None:
        super().__init__()
        self.ridge = ridge
        self.register_buffer("count", torch.zeros(num_classes, dtype=torch.float64))
        self.register_buffer("total", torch.zeros(num_classes, in_channels, dtype=torch.float64))
        self.register_buffer(
            "product", torch.zeros(num_classes, in_channels, in_channels, dtype=torch.float64)
        )

    @classmethod
    def learn(cls, batches: Iterable[Batch], num_classes: int) -> "GaussianClassifier":
        """Show a classifier every labelled pixel of some batches.

        Raises:
            DataError: There is no batch.
        """
        classifier: GaussianClassifier | None = None
        for batch in batches:
            classifier = classifier or cls(batch["image"].shape[1], num_classes)
            classifier.update(batch["image"], batch["mask"])
        if classifier is None:
            raise DataError("Expected batches to learn a Gaussian from, but got none.")
        return classifier

    @torch.no_grad()
    def update(self, image: Tensor, target: Tensor) -> None:
        """Learn from a batch.

        Args:
            image: (B, C, H, W) stored values.
            target: (B, H, W) leaf indices, ``IGNORE_INDEX`` to leave out.
        """
        known = target != IGNORE_INDEX
        pixels = image.movedim(1, -1)[known].double()
        classes = target[known]
        self.count += torch.bincount(classes, minlength=len(self.count))
        self.total.index_add_(0, classes, pixels)
        for index in torch.bincount(classes).nonzero().flatten().tolist():
            own = pixels[classes == index]
            self.product[index] += own.T @ own

    def add(self, other: "GaussianClassifier") -> None:
        """Know what another one has been shown, too."""
        for name, sums in self.named_buffers():
            sums += other.get_buffer(name)

    @property
    def knows(self) -> bool:
        """Whether any class has been seen often enough to have a covariance."""
        return bool((self.count > self.total.shape[1]).any())

    @torch.no_grad()
    def forward(self, image: Tensor) -> Tensor:
        """Compute log-posteriors up to a constant that is the same for all classes.

        Args:
            image: (B, C, H, W) stored values.

        Returns:
            (B, K, H, W) float32; minus infinity for a class with too few pixels to have a covariance.

        Raises:
            DataError: No class has been seen often enough.
        """
        channels = self.total.shape[1]
        usable = self.count > channels
        if not self.knows:
            raise DataError(
                "Expected labelled pixels to learn a Gaussian from, but got too few of every class."
            )
        pixels = image.movedim(1, -1).double()
        scores = pixels.new_full((*pixels.shape[:-1], len(self.count)), -torch.inf, dtype=torch.float32)
        loading = torch.eye(channels).to(self.product) * self.ridge * self._mean_variance()
        for index in usable.nonzero().flatten().tolist():
            mean = self.total[index] / self.count[index]
            covariance = self.product[index] / self.count[index] - torch.outer(mean, mean)
            covariance += loading
            factor = torch.linalg.cholesky(covariance)
            centred = (pixels - mean).flatten(0, -2).T
            whitened = torch.linalg.solve_triangular(factor, centred, upper=False)
            distance = whitened.square().sum(dim=0).view(pixels.shape[:-1])
            prior = self.count[index].log() - factor.diagonal().log().sum()
            scores[..., index] = (prior - 0.5 * distance).float()
        return scores.movedim(-1, 1)

    def _mean_variance(self) -> Tensor:
        """Variance of all pixels seen, averaged over the bands; 1 where all of them are the same."""
        count, total = self.count.sum(), self.total.sum(dim=0)
        mean = total / count
        variance = (self.product.sum(dim=0).diagonal() / count - mean**2).mean()
        # what is left of a variance of 0 after subtracting squares in float64 is rounding
        return torch.where(variance > 1e-12 * mean.square().mean(), variance, torch.ones_like(variance))
