"""What a sample carries beside its tensors: where it lies and which files it is from."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import torch
from pyproj import CRS

from ..types import Bounds


class Metadata:
    """Base of the values of a sample that are no tensors, so that TorchGeo 0.10 collates them, too.

    Its functions hand every value of a sample to PyTorch; by PyTorch's protocol for foreign types these
    answer themselves. ``stack_samples`` makes a list of them; ``concat_samples`` and ``merge_samples`` keep
    the first, as TorchGeo up to 0.9 does with whatever is no tensor.
    """

    @classmethod
    def __torch_function__(
        cls,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        """Answer ``torch.stack``, ``torch.cat`` and ``torch.maximum``; nothing else is defined."""
        if func is torch.stack:
            return list(args[0])
        if func is torch.cat:
            return args[0][0]
        return args[0] if func is torch.maximum else NotImplemented


class SampleBounds(Metadata, tuple[float, float, float, float]):
    """(left, bottom, right, top) as read, in units of the CRS."""


class SampleCRS(Metadata, CRS):
    """The CRS of a sample."""


class SampleFiles(Metadata, str):
    """Names of the images that a sample was read from, in one text."""


def place(bounds: Bounds, wkt: str) -> dict[str, Metadata]:
    """Return ``bounds`` and ``crs`` of a sample."""
    return {"bounds": SampleBounds(bounds), "crs": _crs(wkt)}


@lru_cache(maxsize=64)
def _crs(wkt: str) -> SampleCRS:
    return SampleCRS(wkt)


__all__ = ("Metadata", "SampleBounds", "SampleCRS", "SampleFiles", "place")
