"""Silence rasterio about rasters without a place, one thread at a time."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from rasterio.errors import NotGeoreferencedWarning

_FILTERS = Lock()


@contextmanager
def no_georeference_warnings() -> Iterator[None]:
    """Ignore :class:`rasterio.errors.NotGeoreferencedWarning`; not to be nested.

    The filters of warnings belong to the process. rasterio itself swaps them while it draws polygons into an
    array, so that of two threads that do so at once one finds the other's filters gone: hold this around it.
    """
    with _FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


__all__ = ("no_georeference_warnings",)
