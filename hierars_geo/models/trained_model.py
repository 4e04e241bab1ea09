"""The model of a checkpoint, built only where record and weights are of one size and all are finite."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from ..errors import CheckpointError, OptionError
from .checkpoint_file import load_weights
from .map_model import MapModel
from .record import ModelRecord

#: Options below this are built without asking the weights: at most some hundred megabytes per layer.
_MODEST = 4096


def build_trained(record: ModelRecord, weights: Mapping[str, Tensor], origin: str) -> MapModel:
    """Build the whole model of a checkpoint and give it its weights.

    Args:
        record: What the checkpoint says of its model.
        weights: By the model's own names.
        origin: The checkpoint, for messages.

    Returns:
        The model, in training mode.

    Raises:
        CheckpointError: Record and weights do not belong together, or a weight is not finite.
    """
    check_weights(record, weights, origin)
    try:
        model = record.build()
    except OptionError as error:
        raise CheckpointError(
            f"Expected the record in {origin} to be of a model that can be built here, but: {error}"
        ) from error
    load_weights(model, weights, f"Expected the weights in {origin} to fit its own model record")
    return model


def check_weights(record: ModelRecord, weights: Mapping[str, Tensor], origin: str) -> None:
    """Refuse what would fill the memory or every map before anything is built.

    Layers are as wide as the record says before they are filled, so a few bytes of it could ask for more
    memory than there is; each of its widths is one of the weights, too.

    Args:
        record: What the checkpoint says of its model.
        weights: Of the model or of one of its branches.
        origin: The checkpoint, for messages.

    Raises:
        CheckpointError: The record speaks of a larger model than the weights are of, or a weight is no
            tensor or not finite.
    """
    for name, weight in weights.items():
        if not isinstance(weight, Tensor):
            raise CheckpointError(
                f"Expected weights to be tensors, but {name} is a {type(weight).__name__} (in {origin})."
            )
        if weight.is_floating_point() and not bool(torch.isfinite(weight).all()):
            raise CheckpointError(
                f"Expected finite weights, but {name} holds NaN or infinity (in {origin}). The training "
                "diverged: take an earlier checkpoint, or train with a lower rate."
            )
    widest = max((size for weight in weights.values() for size in weight.shape), default=0)
    said = max(_widths(record))
    if said > max(widest, _MODEST):
        raise CheckpointError(
            f"Expected the model record to be of the size of its weights, but it asks for {said} where the "
            f"widest weight has {widest} (in {origin}). The file is damaged or made to harm."
        )


def _widths(record: ModelRecord) -> Iterator[int]:
    """Numbers that the model's layers grow with."""
    yield len(record.bands)
    yield from record.taxonomy.num_classes
    yield from _integers(record.model.options)
    if record.transfer is not None:
        yield from _widths(record.transfer.source)
        yield from _integers(record.transfer.options.to_dict())


def _integers(value: Any) -> Iterator[int]:  # noqa: ANN401 - plain values of any kind
    if isinstance(value, int):
        yield abs(value)
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _integers(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _integers(inner)


__all__ = ("build_trained", "check_weights")
