"""HierarchicalLabels: rasters and pictures of classes as leaves of a tree, coarser classes, or a legend."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from ..errors import RasterError, TaxonomyError
from ..polygons.vector_file import is_vector
from ..scenes.bad_files import map_all
from ..scenes.class_rasters import UNKNOWN, ValueDecoder, class_scene
from ..scenes.dataset import open_dataset
from ..scenes.patch import Patch, Pixels
from ..scenes.raster_file import RasterFile, probe_all
from ..scenes.raster_paths import Paths, find_rasters
from ..scenes.resampling import Kind
from ..taxonomy import Crosswalk, Legend, Taxonomy
from ..types import IGNORE_INDEX
from .geo_raster import GeoRaster
from .vector_labels import VectorLabels


class HierarchicalLabels(GeoRaster):
    """Label rasters whose values, or colours, are classes of a tree.

    A sample holds ``mask`` (H, W) int64: the leaf index, -100 where the pixel is unlabelled (the tree's
    nodata or the file's), and beyond the files. Where labels are no leaves (``level``, ``crosswalk``) it also
    holds ``label_set`` (H, W) int64, the row of ``label_table`` (S, T) bool that says which legal paths the
    label allows for, and -100. Labels are resampled by the nearest pixel, or by vote when coarsened.

    Where a path is a vector file, the call returns :class:`VectorLabels` and takes its arguments;
    :func:`open_labels` also takes one raster per level, and rasters and polygons together.

    Args:
        paths: Files, folders, patterns, or a list of them.
        taxonomy: The tree, its name in the catalog, or the path of its YAML file.
        crs: CRS of queries and samples (default: that of the first file).
        res: Pixel size in units of the CRS (default: that of the first file).
        transforms: Applied to every sample.
        max_open_files: Handles kept open per process.
        level: Level 1..N that the values are classes of (default: N, the leaves), in the crosswalk's origin
            where there is one.
        rgb: True for pictures in the colours of the tree: three bands of bytes, or one with a palette. Black
            means "no label" unless a class is black.
        crosswalk: Where values are of another legend: from it to the tree, its name in the catalog, or the
            path of its YAML file.

    Attributes:
        taxonomy: The tree.
        legend: What the values say.

    Raises:
        MissingFileError: Something named does not exist.
        RasterError: Files cannot be read, have no CRS, several bands, or a class as nodata value; all are
            named.
        TaxonomyError: The tree has no such level. When read: a value or colour that the tree lacks; file and
            value are named.
    """

    kind: Kind = "labels"

    def __new__(cls, paths: Paths = (), *args: Any, **options: Any) -> Any:  # noqa: ANN401
        """Choose by the files: polygons are a class of their own (a pickle makes an object without any)."""
        listed = list(paths) if isinstance(paths, (list, tuple)) else [paths]
        if listed and all(isinstance(path, (str, os.PathLike)) and is_vector(path) for path in listed):
            return VectorLabels(paths, *args, **options)
        return super().__new__(cls)

    def __init__(
        self,
        paths: Paths,
        taxonomy: Taxonomy | str | Path,
        crs: CRS | str | int | None = None,
        res: float | tuple[float, float] | None = None,
        transforms: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
        max_open_files: int = 64,
        level: int | None = None,
        rgb: bool = False,
        crosswalk: Crosswalk | str | Path | None = None,
    ) -> None:
        self.taxonomy = Taxonomy.of(taxonomy)
        if isinstance(crosswalk, (str, Path)):
            crosswalk = Crosswalk.from_yaml(crosswalk, self.taxonomy)
        self.legend = Legend(self.taxonomy, level, crosswalk)
        self.label_sets = None if self.legend.leaves_alone else self.legend.sets
        self._decoder = (ColorDecoder if rgb else ValueDecoder)(self.legend)
        files = probe_all(find_rasters(paths)[0])
        scenes = map_all(lambda file: class_scene(self._decoder.accept(file)), files)
        super().__init__(scenes, (), crs, res, transforms, max_open_files)

    @property
    def num_classes(self) -> tuple[int, ...]:
        """Classes per level, coarsest first."""
        return self.taxonomy.num_classes

    def _decode(self, data: Pixels, valid: NDArray[np.bool_], file: RasterFile) -> Patch:
        numbers = self._decoder.decode(data, valid, file)
        return Patch(numbers, valid & (numbers[0] != IGNORE_INDEX))


_BLACK = 0


class ColorDecoder:
    """Turns colours into the numbers of their sets; exactly, for a colour in between is no class.

    Black means "no label" unless a class is black, as does the colour whose three channels are the file's
    nodata value.

    Args:
        legend: Of the tree in whose colours the pictures are, at one level.

    Raises:
        TaxonomyError: Two classes share a colour, or the legend has none.
    """

    def __init__(self, legend: Legend) -> None:
        taxonomy, level = legend.origin, legend.level
        if not isinstance(taxonomy, Taxonomy):
            raise TaxonomyError(
                f"Expected a class tree, whose classes have colours, to read label pictures by, but got the "
                f"codes of {taxonomy.name}. Leave rgb out."
            )
        self.taxonomy = taxonomy
        self.level = level
        codes = _pack(np.array(taxonomy.colors(level)).T).tolist()
        names = taxonomy.class_names(level)
        doubles = [name for code, name in zip(codes, names, strict=True) if codes.count(code) > 1]
        if doubles:
            raise TaxonomyError(
                f"Expected every class of level {taxonomy.level_names[level - 1]} of {taxonomy.name} to have "
                f"a colour of its own to read label pictures by, but '{doubles[0]}' shares its colour. "
                "Give label rasters whose values are classes."
            )
        known = dict(zip(codes, legend.class_numbers.tolist(), strict=True))
        known.setdefault(_BLACK, IGNORE_INDEX)
        self._codes = np.array(sorted(known), dtype=np.uint32)
        self._indices = np.array([known[code] for code in sorted(known)], dtype=np.int32)
        self._palettes: dict[str, NDArray[np.uint32]] = {}
        self._unlabelled: dict[str, int] = {}

    def accept(self, file: RasterFile) -> RasterFile:
        """Check that a file is a picture, and take note of its palette.

        Returns:
            The file without nodata value: one channel that equals it says nothing about a colour.

        Raises:
            RasterError: It is neither three bands of bytes nor one with a palette.
        """
        count = len(file.indexes)
        if file.dtype != "uint8" or count not in (1, 3):
            raise RasterError(
                f"Expected a label picture with 3 bands of bytes, or one with a palette, but got {count} of "
                f"{file.dtype} (in {file.path})."
            )
        if count == 1:
            self._palettes[file.path] = _palette(file)
        elif file.nodata[0] is not None and file.nodata == (file.nodata[0],) * 3:
            value = int(file.nodata[0])
            self._unlabelled[file.path] = int(_pack(np.array([value] * 3)))
        return replace(file, nodata=(None,) * count)

    def decode(self, data: Pixels, valid: NDArray[np.bool_], file: RasterFile) -> NDArray[np.int32]:
        """Look up the numbers of sets.

        Args:
            data: (3, H, W) red, green, blue, or (1, H, W) entries of the palette.
            valid: (H, W), False where the picture is transparent.
            file: Where they come from.

        Returns:
            (1, H, W) int32, -100 where there is no label.

        Raises:
            TaxonomyError: A colour of no class; file, colour and its pixels are named.
        """
        codes = _pack(data) if len(data) == 3 else self._palettes[file.path].take(data[0])
        place = np.minimum(np.searchsorted(self._codes, codes), len(self._codes) - 1)
        index = np.where(self._codes[place] == codes, self._indices[place], UNKNOWN)
        if file.path in self._unlabelled:
            index[codes == self._unlabelled[file.path]] = IGNORE_INDEX
        unknown = (index == UNKNOWN) & valid
        if unknown.any():
            raise self._no_class(codes[unknown], file.path)
        return index[None].astype(np.int32)

    def _no_class(self, codes: NDArray[np.uint32], path: str) -> TaxonomyError:
        found, counts = np.unique(codes, return_counts=True)
        most = int(counts.argmax())
        color = tuple(int(found[most] >> shift) & 255 for shift in (16, 8, 0))
        others = f" and {len(found) - 1} other colours" if len(found) > 1 else ""
        return TaxonomyError(
            f"Expected label pictures in the colours of level {self.taxonomy.level_names[self.level - 1]} of "
            f"{self.taxonomy.name}, but got {color} on {counts[most]} pixels{others} (in {path}). Correct "
            "the tree's colours, or store the picture without loss (no JPEG, no smoothing)."
        )


def _pack(channels: Pixels) -> NDArray[np.uint32]:
    """Join (3, ...) channels 0..255 to one number each."""
    red, green, blue = channels.astype(np.uint32)
    packed: NDArray[np.uint32] = (red << 16) | (green << 8) | blue
    return packed


def _palette(file: RasterFile) -> NDArray[np.uint32]:
    """Colour of each of the 256 values."""
    with open_dataset(file.path) as dataset:
        try:
            entries = dataset.colormap(file.indexes[0])
        except ValueError as error:
            raise RasterError(
                f"Expected a label picture with one band to have a palette, but got none (in {file.path}). "
                "Leave rgb out where pixel values are classes."
            ) from error
    table = np.zeros(256, dtype=np.uint32)
    for value, (red, green, blue, _) in entries.items():
        table[value] = _pack(np.array([red, green, blue]))
    return table
