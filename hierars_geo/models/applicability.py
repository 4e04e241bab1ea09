"""Area of applicability: how unlike the training ground a pixel is, by the decoder's features.

Meyer and Pebesma (2021, Methods in Ecology and Evolution 12:1620, doi 10.1111/2041-210X.13650) measure the
distance of a sample's predictors to the nearest training sample, in units of the mean distance among training
samples, and call samples unknown that lie farther than training samples of other folds do. A network's
predictors are its decoder's features. Prototypes, the centres of clusters of the training ground's features,
stand for the training samples: a few hundred vectors travel with the checkpoint.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from ..errors import CheckpointError, OptionError
from ..taxonomy.yaml_reader import validated

#: Most numbers that are believed of a checkpoint.
_MOST_NUMBERS = 4_000_000


@dataclass(frozen=True)
class Applicability:
    """What a checkpoint knows of its training ground.

    Attributes:
        mean: (D,) mean of the features.
        std: (D,) their standard deviation, > 0.
        prototypes: (K, D) centres of clusters of the standardised features.
        scale: Mean distance between training features: dissimilarity 1.
        threshold: Largest dissimilarity of the area of applicability, > 0.
        blocks: Blocks of training ground that the threshold was found among.
        outside: Share of the ground kept apart that lies outside, 0..1.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    prototypes: tuple[tuple[float, ...], ...]
    scale: float
    threshold: float
    blocks: int
    outside: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        plain: dict[str, Any] = TypeAdapter(Applicability).dump_python(self, mode="json")
        return plain

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], origin: str) -> "Applicability":
        """Read what :meth:`to_dict` wrote.

        Raises:
            CheckpointError: A value is missing or out of range.
        """
        what = f"complete prototypes of the training ground (in {origin})"
        found = validated(cls, content, what, CheckpointError)
        rows = found.prototypes
        depth = len(found.mean)
        fits = (
            0 < depth * len(rows) <= _MOST_NUMBERS
            and len(found.std) == depth
            and all(len(row) == depth for row in rows)
            and all(math.isfinite(value) for row in (found.mean, found.std, *rows) for value in row)
            and min(found.std) > 0
            and all(0 < value < math.inf for value in (found.scale, found.threshold))
            and 0 <= found.outside <= 1
        )
        if not fits:
            raise CheckpointError(
                f"Expected finite prototypes with a scale and a threshold > 0, but got others (in {origin}). "
                "Calibrate again."
            )
        return found


def applicability_of(known: Applicability | None, origin: str) -> Applicability:
    """Return what a checkpoint knows of its training ground.

    Raises:
        OptionError: Nothing.
    """
    if known is None:
        raise OptionError(
            "Expected a checkpoint that knows its training ground, but it holds no prototypes of it "
            f"(in {origin}). "
            "Run hierars-geo calibrate first."
        )
    return known
