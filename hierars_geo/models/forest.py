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


class PixelSample:
    """Keeps 20 000 of all pixels that it is shown, each as likely, whatever the batches were.

    Every pixel draws a ticket; the lowest of all that were ever drawn are kept.
    """

    def __init__(self) -> None:
        self._generator = np.random.default_rng(0)
        self._values: npt.NDArray[np.float32] | None = None
        self._classes = np.empty(0, dtype=np.int64)
        self._tickets = np.empty(0)
        self.shown = 0

    def add(self, values: Tensor, classes: Tensor) -> None:
        """Show pixels.

        Args:
            values: (n, C) stored values.
            classes: (n,) int64, 0..K-1.
        """
        tickets = self._generator.random(len(classes))
        full = len(self._tickets) == _MOST_KEPT
        near = np.flatnonzero(tickets < self._tickets.max()) if full else np.arange(len(tickets))
        rows = torch.from_numpy(near).to(values.device)
        own = values[rows].float().cpu().numpy()
        self._values = own if self._values is None else np.concatenate([self._values, own])
        self._classes = np.concatenate([self._classes, classes[rows].cpu().numpy()])
        self._tickets = np.concatenate([self._tickets, tickets[near]])
        if len(self._tickets) > _MOST_KEPT:
            lowest = np.argpartition(self._tickets, _MOST_KEPT)[:_MOST_KEPT]
            self._values, self._classes = self._values[lowest], self._classes[lowest]
            self._tickets = self._tickets[lowest]
        self.shown += len(classes)

    def kept(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """Return values (n, C) and classes (n,) in the order of their tickets.

        Raises:
            DataError: No pixel has been shown.
        """
        if self._values is None or not self.shown:
            raise DataError("Expected labelled pixels to learn a forest from, but got none.")
        order = self._tickets.argsort()
        return self._values[order], self._classes[order]


class PixelForest:
    """A random forest (Breiman 2001) over the bands of a pixel, by scikit-learn.

    Pixels may be shown in any number of batches: of all a random 20 000 are kept. Trees grow when they are
    asked, and again when twice as many pixels have been shown.
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self._sample = PixelSample()
        self._grown_at = 0
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
        return self._sample.shown > 0

    def add(self, values: Tensor, classes: Tensor) -> None:
        """Show pixels: values (n, C) as stored, classes (n,) int64, 0..K-1."""
        self._sample.add(values, classes)

    def __call__(self, image: Tensor) -> Tensor:
        """Compute mean shares of the classes in the tips that pixels come to.

        Args:
            image: (B, C, H, W) stored values.

        Returns:
            (B, K, H, W) float32, on the CPU.

        Raises:
            DataError: No pixel has been shown.
        """
        pixels, classes = self._sample.kept()
        if self._sample.shown >= 2 * self._grown_at:
            self._trees.fit(pixels, classes)
            self._grown_at = self._sample.shown
        values = image.movedim(1, -1).float().cpu()
        shares = np.zeros((values[..., 0].numel(), self.num_classes), dtype=np.float32)
        shares[:, self._trees.classes_] = self._trees.predict_proba(values.flatten(0, -2).numpy())
        return torch.from_numpy(shares).view(*values.shape[:-1], -1).movedim(-1, 1)
