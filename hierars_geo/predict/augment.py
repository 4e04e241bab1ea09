"""Test-time augmentation: the model's view of a window and its flips, averaged on path logits."""

from torch import Tensor

from .stream import PathModel

_FLIPS: tuple[tuple[int, ...], ...] = ((), (-1,), (-2,), (-2, -1))


def averaged_over_flips(model: PathModel) -> PathModel:
    """Wrap a model so that it averages over the identity, both flips and the half turn.

    Path logits are linear in the logits, so their mean decodes like the mean of the logits.

    Args:
        model: Maps (B, C, h, w) and (B, h, w) to (B, T, h, w).

    Returns:
        A model of the same form, four times as slow.
    """

    def averaged(image: Tensor, valid: Tensor) -> Tensor:
        total = model(image, valid)
        for axes in _FLIPS[1:]:
            total = total + model(image.flip(axes), valid.flip(axes)).flip(axes)
        return total / len(_FLIPS)

    return averaged


__all__ = ("averaged_over_flips",)
