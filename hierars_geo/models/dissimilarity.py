"""How unlike the training ground decoder features are, see :class:`.Applicability`."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .applicability import Applicability

#: Cells of about this side, in pixels of the image, are compared: a sixteenth of the distances.
CELL_PX = 4


class Dissimilarity(nn.Module):
    """Distance of features to the nearest prototype, in units of the threshold: above 1 is unknown ground.

    Squares are multiplied out, ``|z - p|^2 = |z|^2 - 2 z p + |p|^2``: one 1x1 convolution for all prototypes.
    """

    weight: Tensor
    bias: Tensor
    mean: Tensor
    inverse: Tensor

    def __init__(self, known: Applicability) -> None:
        super().__init__()
        prototypes = torch.tensor(known.prototypes, dtype=torch.float32)
        self.unit = known.scale * known.threshold
        numbers = {
            "mean": torch.tensor(known.mean, dtype=torch.float32)[:, None, None],
            "inverse": 1 / torch.tensor(known.std, dtype=torch.float32)[:, None, None],
            "weight": -2 * prototypes[:, :, None, None],
            "bias": prototypes.square().sum(dim=1),
        }
        for name, value in numbers.items():
            self.register_buffer(name, value, persistent=False)  # the record keeps them

    def forward(self, features: Tensor, cell: int) -> Tensor:
        """Map features (B, D, h, w) to dissimilarities (B, 1, h / cell, w / cell).

        Args:
            features: Of an image whose padded sides are multiples of the cell.
            cell: Side of a cell in pixels of the features, see :func:`cell_of`.
        """
        if torch.is_autocast_enabled(features.device.type):  # differences of squares need every bit
            with torch.autocast(features.device.type, enabled=False):
                return self._distance(features.float(), cell)
        return self._distance(features, cell)

    def _distance(self, features: Tensor, cell: int) -> Tensor:
        normal = (pooled(features, cell) - self.mean) * self.inverse
        nearest = F.conv2d(normal, self.weight, self.bias).amin(dim=1, keepdim=True)
        square = nearest + normal.square().sum(dim=1, keepdim=True)
        return square.clamp(min=0).sqrt() / self.unit


def pooled(features: Tensor, cell: int) -> Tensor:
    """Average features (B, D, h, w) over cells: (B, D, h / cell, w / cell)."""
    return features if cell == 1 else F.avg_pool2d(features, cell)


def cell_of(image_px: int, features_px: int, multiple: int) -> int:
    """Side of a cell in pixels of the features: the same for every size of image, and a divisor of them all.

    Args:
        image_px: Side of the padded image.
        features_px: Side of its features.
        multiple: Padded images have sides that are multiples of it.

    Examples:
        >>> cell_of(512, 512, 32), cell_of(512, 128, 32), cell_of(512, 64, 32), cell_of(70, 70, 14)
        (4, 1, 1, 2)
    """
    cell = max(1, CELL_PX * features_px // image_px)
    return math.gcd(cell, multiple * features_px // image_px) or 1
