"""Vector files among the paths that a user names."""

import os

from ..errors import MissingFileError
from ..polygons.vector_file import VECTOR_SUFFIXES, split_layer
from ..scenes.raster_paths import Paths, find_rasters


def find_vectors(paths: Paths) -> list[str]:
    """List vector files, as :func:`find_rasters` lists rasters; ``|LAYER`` stays with the file.

    Raises:
        MissingFileError: Something named does not exist, or holds no vector file.
    """
    given = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    found: list[str] = []
    for path in [os.fspath(one) for one in given]:
        file, layer = split_layer(path)
        found += [path] if layer and os.path.isfile(file) else find_rasters([file], VECTOR_SUFFIXES)[0]
    if not found:
        raise MissingFileError("Expected at least one file of polygons, but got an empty list.")
    return list(dict.fromkeys(found))


__all__ = ("find_vectors",)
