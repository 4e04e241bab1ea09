"""PixelForest: what single pixels' values tell of the classes, the least that a network has to beat."""

from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from sklearn.ensemble import RandomForestClassifier
from torch import Tensor

from ..errors import DataError
from ..types import IGNORE_INDEX, Batch

_TREES: Final = 50
#: Pixels, drawn from all that are shown, that trees grow on: seconds, however large the ground.
_MOST_KEPT: Final = 20_000


class PixelForest:
    """A random forest (Breiman 2001) over the bands of a pixel, by scikit-learn.

    Pixels may be shown in any number of batches: of all a random 20 000 are kept. Trees grow when they are
    asked, and again when twice as many pixels have been shown.

    Args:
        num_classes: K, leaves.
        seed: Of the draws.
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self._generator = np.random.default_rng(0)
        self._kept: tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], npt.NDArray[np.float64]] | None
        self._kept = None
        self._shown, self._grown_at = 0, 0
        self._trees = RandomForestClassifier(_TREES, random_state=0)

    @classmethod
    def learn(cls, batches: Iterable[Batch], num_classes: int) -> "PixelForest":
        """Show a forest every labelled pixel of some batches with ``image`` and ``mask``."""
        forest = cls(num_classes)
        for batch in batches:
            known = (batch["mask"] != IGNORE_INDEX) & batch["valid"]
            forest.add(batch["image"].movedim(1, -1)[known], batch["mask"][known])
        return forest

    @property
    def knows(self) -> bool:
        """Whether any pixel has been shown."""
        return self._shown > 0

    def add(self, values: Tensor, classes: Tensor) -> None:
        """Show pixels.

        Args:
            values: (n, C) stored values.
            classes: (n,) int64, 0..K-1.
        """
        own = (
            values.float().cpu().numpy(),
            classes.cpu().numpy().astype(np.int64),
            self._generator.random(len(values)),
        )
        parts = [own] if self._kept is None else [self._kept, own]
        pixels, labels, ticket = (np.concatenate(each) for each in zip(*parts, strict=True))
        if len(ticket) > _MOST_KEPT:  # the lowest tickets of all that were ever drawn: each pixel as likely
            lowest = np.argpartition(ticket, _MOST_KEPT)[:_MOST_KEPT]
            pixels, labels, ticket = pixels[lowest], labels[lowest], ticket[lowest]
        self._kept = pixels, labels, ticket
        self._shown += len(values)

    def __call__(self, image: Tensor) -> Tensor:
        """Compute mean shares of the classes in the tips that pixels come to.

        Args:
            image: (B, C, H, W) stored values.

        Returns:
            (B, K, H, W) float32, on the CPU.

        Raises:
            DataError: No pixel has been shown.
        """
        if self._kept is None or not self.knows:
            raise DataError("Expected labelled pixels to learn a forest from, but got none.")
        if self._shown >= 2 * self._grown_at:
            order = self._kept[2].argsort()  # whatever the batches were
            self._trees.fit(self._kept[0][order], self._kept[1][order])
            self._grown_at = self._shown
        values = image.movedim(1, -1).float().cpu()
        shares = np.zeros((values[..., 0].numel(), self.num_classes), dtype=np.float32)
        shares[:, self._trees.classes_] = self._trees.predict_proba(values.flatten(0, -2).numpy())
        return torch.from_numpy(shares).view(*values.shape[:-1], -1).movedim(-1, 1)
