"""Arrays of NumPy and tensors of PyTorch under one set of functions, where what is computed is the same.

On a CPU all is NumPy, so that maps are blended and decoded without PyTorch; on a GPU path logits stay there
as tensors. Both know the functions used here by the same names, as the Python array API standard has them.
"""

import importlib
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

#: What is computed with: arrays of NumPy, or tensors on a GPU.
Array = TypeVar("Array", "NDArray[Any]", "Tensor")


def namespace_of(array: "NDArray[Any] | Tensor") -> Any:  # noqa: ANN401  # a module; its functions fit either
    """Return the module whose functions take an array: ``numpy`` or ``torch``."""
    return np if isinstance(array, np.ndarray) else importlib.import_module("torch")


def on_host(array: "NDArray[Any] | Tensor") -> NDArray[Any]:
    """Return an array in the memory of the CPU."""
    return array if isinstance(array, np.ndarray) else array.cpu().numpy()


def first_of_largest(scores: NDArray[np.float32]) -> NDArray[np.unsignedinteger]:
    """Index of the largest of (T, H, W) along T, the first of equals; the last one where all are NaN.

    Whole rows are compared at once: the largest value first, then which path has it.
    """
    count = len(scores)
    largest = scores.max(axis=0)
    dtype = np.uint8 if count < 256 else np.uint32
    left = np.ones(largest.shape, dtype)  # how many paths there are from the best one on
    for path in range(count - 1):
        same = (scores[path] == largest).view(np.uint8)
        np.maximum(left, np.multiply(same, count - path, dtype=dtype), out=left)
    return np.subtract(count, left, dtype=dtype)
