"""Learn the per-pixel Gaussian baseline from the batches that a network learns from."""

from collections.abc import Iterable

from ..errors import DataError
from ..models.gaussian import GaussianClassifier
from ..types import Batch


def learn_gaussian(batches: Iterable[Batch], num_classes: int) -> GaussianClassifier:
    """Show every labelled pixel of some batches to a Gaussian classifier.

    Args:
        batches: Batches with ``image`` and ``mask``.
        num_classes: Leaves of the tree.

    Returns:
        The classifier.

    Raises:
        DataError: There is no batch.
    """
    classifier: GaussianClassifier | None = None
    for batch in batches:
        classifier = classifier or GaussianClassifier(batch["image"].shape[1], num_classes)
        classifier.update(batch["image"], batch["mask"])
    if classifier is None:
        raise DataError("Expected batches to learn a Gaussian from, but got none.")
    return classifier


__all__ = ("learn_gaussian",)
