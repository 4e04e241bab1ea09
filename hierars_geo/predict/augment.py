"""Test-time augmentation: a model's views of a window, averaged on path logits.

Path logits are linear in the logits, and so is bilinear resizing: the mean of the views' path logits decodes
like the mean of their logits.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import get_args

from ..errors import check_choice
from ..models.namespace import Array, namespace_of
from .options import Augmentation

#: Sizes at which a window is seen, in units of its own.
SCALES = (0.75, 1.0, 1.25)


@dataclass(frozen=True)
class View:
    """One way to look at a window.

    Attributes:
        quarter_turns: 0..3, counter-clockwise.
        mirrored: Left and right changed, after the turn.
        scale: Size in units of the window's own, > 0.
    """

    quarter_turns: int = 0
    mirrored: bool = False
    scale: float = 1.0

    def apply(self, image: Array, valid: Array) -> tuple[Array, Array]:
        """Look at windows this way.

        Args:
            image: (B, C, h, w) float.
            valid: (B, h, w) bool.

        Returns:
            Image and validity as seen; pixels without data do not bleed into their neighbours.
        """
        image, valid = self._moved(image), self._moved(valid)
        if self.scale == 1:
            return image, valid
        size = [max(1, round(side * self.scale)) for side in valid.shape[-2:]]
        known = 1.0 * valid[:, None]
        share = _resized(known, size)
        seen = _resized(namespace_of(image).where(valid[:, None], image, 0.0), size)
        return seen / share.clip(min=1e-6), share[:, 0] >= 0.5

    def undo(self, path_logits: Array, size: tuple[int, int]) -> Array:
        """Bring path logits (B, T, ., .) of the view back to the window's (B, T, h, w)."""
        turned = size if self.quarter_turns % 2 == 0 else size[::-1]
        if tuple(path_logits.shape[-2:]) != turned:
            path_logits = _resized(path_logits, list(turned))
        xp = namespace_of(path_logits)
        unmirrored = xp.flip(path_logits, (-1,)) if self.mirrored else path_logits
        undone: Array = xp.rot90(unmirrored, -self.quarter_turns, (-2, -1))
        return undone

    def _moved(self, values: Array) -> Array:
        xp = namespace_of(values)
        turned: Array = xp.rot90(values, self.quarter_turns, (-2, -1))
        return xp.flip(turned, (-1,)) if self.mirrored else turned


def views(augmentations: Sequence[Augmentation]) -> tuple[View, ...]:
    """List the ways in which a window is looked at.

    Flips and turns together are the eight symmetries of the square; scales are combined with each.

    Args:
        augmentations: Any of ``flips``, ``turns``, ``scales``, in any order.

    Returns:
        The views, the plain one first: a prediction takes as many times as long.

    Raises:
        OptionError: An unknown name.

    Examples:
        >>> len(views(["flips"])), len(views(["flips", "turns"])), len(views(["flips", "scales"]))
        (4, 8, 12)
    """
    for name in augmentations:
        check_choice("tta", name, get_args(Augmentation))
    moves = [(0, False)]
    if "flips" in augmentations:
        moves += [(0, True), (2, False), (2, True)]
    if "turns" in augmentations:
        sides = (False, True) if "flips" in augmentations else (False,)
        moves = [(turns, mirrored) for mirrored in sides for turns in range(4)]
    scales = sorted(SCALES, key=lambda scale: scale != 1) if "scales" in augmentations else [1.0]
    return tuple(View(turns, mirrored, scale) for scale, (turns, mirrored) in product(scales, moves))


def averaged_over_views(
    model: Callable[[Array, Array], Array], augmentations: Sequence[Augmentation]
) -> Callable[[Array, Array], Array]:
    """Wrap a model so that it averages over views of every window.

    Args:
        model: Maps (B, C, h, w) and (B, h, w) to (B, T, h, w), for any h and w.
        augmentations: What the views are, see :func:`views`; none for the model itself.

    Raises:
        OptionError: An unknown augmentation.
    """
    ways = views(augmentations)
    if len(ways) == 1:
        return model

    def averaged(image: Array, valid: Array) -> Array:
        size = (image.shape[-2], image.shape[-1])
        total = model(image, valid)
        for view in ways[1:]:
            total = total + view.undo(model(*view.apply(image, valid)), size)
        return total / len(ways)

    return averaged


def _resized(values: Array, size: list[int]) -> Array:
    """Resize (B, C, h, w), tensors alone."""
    resize = namespace_of(values).nn.functional.interpolate
    resized: Array = resize(values, size=size, mode="bilinear", align_corners=False)
    return resized
