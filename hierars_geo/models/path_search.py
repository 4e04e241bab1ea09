"""The path search itself on arrays in memory, apart from PyTorch: maps are decoded without it, too."""

import numpy as np
from numpy.typing import NDArray


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
