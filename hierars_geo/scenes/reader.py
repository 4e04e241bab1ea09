"""LayerReader: read a window of any grid from the files of a scene, whatever grids they are on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from rasterio.errors import RasterioIOError

from ..grid import GeoGrid, Window
from ..grid.lattice import Lattice, Placement, place, stored_window
from ..types import NodataRule
from .dataset import HandlePool, read_bands, to_rasterio_crs, to_rasterio_window, unreadable
from .nodata import empty_pixels, has_numeric
from .patch import Patch, Pixels, Planes, in_halves
from .quantization import Quantization, read_scales
from .raster_file import RasterFile
from .resampling import MODE_FROM, Interpolation, Kind, image_weights, nearest, separable, source_window, warp

#: Turns stored values of labels into leaf indices; may take pixels from the validity.
Decode: TypeAlias = Callable[[Pixels, NDArray[np.bool_], RasterFile], Patch]
#: Pixels that are asked for: those of a raster, or of a lattice.
Target: TypeAlias = GeoGrid | Lattice
#: Tells which pixels (h, w) of a window of a target are left out.
Masked: TypeAlias = Callable[[Target, Window], NDArray[np.bool_]]
#: A target window that needs more file pixels than this is read in halves, so that memory stays bounded.
_MOST_FILE_PIXELS = 32_000_000
#: Least side of an overview that values are looked up in; windows in its place have half of it.
_GLIMPSE_PX = 64
#: Files of no more pixels are read whole.
_WHOLE_PX = 512 * 512
#: Placements remembered per reader.
_MOST_PLACEMENTS = 65_536
#: What an image or label patch is made of.
_DTYPES: dict[Kind, str] = {"image": "float32", "labels": "int32"}


@dataclass(frozen=True)
class Layer:
    """Bands that one file contributes to a scene.

    Attributes:
        file: The file.
        indexes: Its 1-based bands, in the order of the scene's channels.
        standard: Per band what is subtracted, and what the rest is divided by; empty for values as stored.
        quantization: How stored integers become the floats that they stand for; None for values as stored.
        scales: Raster on the same grid whose band multiplies every one of these; None for none.
    """

    file: RasterFile
    indexes: tuple[int, ...]
    standard: tuple[tuple[float, float], ...] = ()
    quantization: Quantization | None = None
    scales: str | None = None

    @cached_property
    def nodata(self) -> tuple[float | None, ...]:
        """Value without data per band."""
        return tuple(self.file.nodata[self.file.indexes.index(index)] for index in self.indexes)


class LayerReader:
    """Reads windows from files through a pool of handles; the only one that reads pixels of scenes.

    Args:
        pool: Open files.
        kind: Decides how pixels are resampled.
        decode: Applied to stored values of labels before any resampling.
        rule: When a numeric nodata value makes a pixel empty.

    Attributes:
        interpolation: Of images, where they are neither read as they are nor coarsened.
    """

    def __init__(
        self, pool: HandlePool, kind: Kind = "image", decode: Decode | None = None, rule: NodataRule = "all"
    ) -> None:
        self.pool = pool
        self.kind = kind
        self.decode = decode or as_stored
        self.rule: NodataRule = rule
        self.interpolation: Interpolation = "bilinear"
        self._placements: dict[tuple[GeoGrid, Target], Placement | None] = {}
        self._of_labels: dict[Decode, LayerReader] = {}

    def of_labels(self, decode: Decode) -> "LayerReader":
        """Return a reader of labels on the same open files; the same one every time."""
        if decode not in self._of_labels:
            self._of_labels[decode] = LayerReader(self.pool, "labels", decode)
        return self._of_labels[decode]

    def read_layers(self, layers: Sequence[Layer], target: Target, window: Window) -> Patch:
        """Read all bands of a scene; what lies beyond the files is not valid.

        Bands on one grid are read, judged and resampled together: the nodata rule asks all of them. A pixel
        that is empty on any of the grids is not valid.

        Raises:
            RasterError: A file is damaged there.
        """
        if len(layers) == 1:
            return self._read(layers, target, window)
        by_grid: dict[GeoGrid, list[int]] = {}
        for number, layer in enumerate(layers):
            by_grid.setdefault(layer.file.grid, []).append(number)
        if len(by_grid) == 1:
            return self._read(layers, target, window)
        starts = np.cumsum([0, *(len(layer.indexes) for layer in layers)]).tolist()
        data = np.empty((starts[-1], window.height, window.width), dtype=_DTYPES[self.kind])
        valid = np.ones(data.shape[1:], dtype=np.bool_)
        for numbers in by_grid.values():
            planes = [data[channel] for n in numbers for channel in range(starts[n], starts[n + 1])]
            part = self._read([layers[n] for n in numbers], target, window, planes)
            for plane, channel in zip(planes, part.data, strict=False):  # none where they were put there
                plane[:] = channel
            valid &= part.valid
        return Patch(data, valid)

    def _read(
        self, layers: Sequence[Layer], target: Target, window: Window, out: Planes | None = None
    ) -> Patch:
        """Read files of one grid.

        The channels may be put where they belong at once (``out``), as fresh memory costs more than reading;
        the patch then holds none.
        """
        grid = layers[0].file.grid
        key = (grid, target)
        if key not in self._placements:
            if len(self._placements) >= _MOST_PLACEMENTS:  # lattices made for a single chip would pile up
                self._placements.clear()
            self._placements[key] = place(grid, target)
        placement = self._placements[key]
        if placement is None:
            return self._read_warped(layers, target, window)
        shift = placement.shift
        if shift is not None:
            return self._read_aligned(layers, placement, window, shift, out)
        if self.kind == "labels" and placement.coarsening >= MODE_FROM:
            return self._read_warped(layers, target, window)
        return self._read_scaled(layers, placement, window, out)

    def _read_aligned(
        self,
        layers: Sequence[Layer],
        placement: Placement,
        window: Window,
        shift: tuple[int, int],
        out: Planes | None,
    ) -> Patch:
        """Plain read: target and files have the same pixels."""
        wanted = window.shifted(*shift)
        inside = wanted.intersection(Window(0, 0, *layers[0].file.grid.shape))
        if inside is None:
            return self._empty(layers, window)
        rows, cols = (inside.row, inside.row_stop), (inside.col, inside.col_stop)
        patch = self._block(layers, placement, rows, cols, out if inside == wanted else None)
        if inside == wanted:
            return patch
        whole = Patch.empty(len(patch.data), window, str(patch.data.dtype))
        at = inside.shifted(-wanted.row, -wanted.col).slices()
        whole.data[:, *at] = patch.data
        whole.valid[at] = patch.valid
        return whole

    def _read_scaled(
        self, layers: Sequence[Layer], placement: Placement, window: Window, out: Planes | None = None
    ) -> Patch:
        """Resample within the CRS, each axis by itself."""
        rows, cols = (
            axis.span(start, count, margin_px=2)
            for axis, start, count in (
                (placement.rows, window.row, window.height),
                (placement.cols, window.col, window.width),
            )
        )
        if rows[0] >= rows[1] or cols[0] >= cols[1]:
            return self._empty(layers, window)
        if _too_large(rows, cols, layers, window):
            return in_halves(window, lambda half: self._read_scaled(layers, placement, half))
        patch = self._block(layers, placement, rows, cols)
        if self.kind == "labels":
            return nearest(patch, placement, window, (rows[0], cols[0]))
        weights = [
            image_weights(axis, start, count, span, self.interpolation)
            for axis, start, count, span in (
                (placement.rows, window.row, window.height, rows),
                (placement.cols, window.col, window.width, cols),
            )
        ]
        return separable(patch, weights[0], weights[1], out)

    def _read_warped(self, layers: Sequence[Layer], target: Target, window: Window) -> Patch:
        """Warp with GDAL: another CRS, a rotated file, or a vote among labels."""
        grid, onto = layers[0].file.grid, target.crop(window)
        source, coarsening = source_window(grid, onto)
        if source is None:
            return self._empty(layers, window)
        rows, cols = (source.row, source.row_stop), (source.col, source.col_stop)
        if _too_large(rows, cols, layers, window):
            return in_halves(window, lambda half: self._read_warped(layers, target, half))
        patch = self._block(layers, None, rows, cols)
        return warp(
            patch,
            (grid.crop(source).transform, to_rasterio_crs(grid.crs)),
            (onto.transform, to_rasterio_crs(onto.crs)),
            onto.shape,
            self.kind,
            coarsening,
            self.interpolation,
        )

    def _empty(self, layers: Sequence[Layer], window: Window) -> Patch:
        """Return a patch without data; labels have one channel, whatever bands they are decoded from."""
        channels = 1 if self.kind == "labels" else sum(len(layer.indexes) for layer in layers)
        return Patch.empty(channels, window, _DTYPES[self.kind])

    def _block(
        self,
        layers: Sequence[Layer],
        placement: Placement | None,
        rows: tuple[int, int],
        cols: tuple[int, int],
        out: Planes | None = None,
    ) -> Patch:
        """Read file pixels, turned to the target's direction, and decode them."""
        if placement is None:
            window = Window(rows[0], cols[0], rows[1] - rows[0], cols[1] - cols[0])
        else:
            window = stored_window(placement, rows, cols)
        stored = [self._stored(layer, window) for layer in layers]
        valid = stored[0].valid
        for part in stored[1:]:
            valid &= part.valid
        asked = [part.empty for part in stored if part.can_be_empty]
        holes = [empty for empty in asked if empty is not None]
        if holes and len(holes) == len(asked):
            valid &= ~(holes[0] if len(holes) == 1 else np.logical_and.reduce(holes))
        if placement is not None and (placement.rows.flipped or placement.cols.flipped):
            turn = (
                slice(None, None, -1 if placement.rows.flipped else 1),
                slice(None, None, -1 if placement.cols.flipped else 1),
            )
            valid = valid[turn].copy()
            stored = [part._replace(data=part.data[(slice(None), *turn)].copy()) for part in stored]
        if len(layers) == 1 and out is None:
            return _standardized(self.decode(stored[0].data, valid, layers[0].file), layers[0])
        channels = sum(len(part.data) for part in stored) if out is None else 0
        data = np.empty((channels, *valid.shape), dtype=np.float32)
        planes = iter(data if out is None else out)
        for part, layer in zip(stored, layers, strict=True):
            for channel in _standardized(self.decode(part.data, valid, layer.file), layer).data:
                next(planes)[:] = channel
        return Patch(data, valid)

    def values(
        self, layer: Layer, per_side: int, from_overview: bool, masked: Masked | None = None
    ) -> Pixels:
        """Read values of a file that hold data: windows spread evenly over it, or its smallest overview.

        Args:
            layer: Bands of a file.
            per_side: Windows along each side.
            from_overview: Whether an overview serves in place of windows, where the file has one and nothing
                is masked.
            masked: Tells pixels that are left out, on the file's own grid.

        Returns:
            (C, n) float32.
        """
        height, width = layer.file.grid.shape
        whole = Window(0, 0, height, width)
        if height * width <= _WHOLE_PX:
            found = [(whole, self._stored(layer, whole))]
        elif (
            from_overview
            and masked is None
            and (factors := self.pool.get(layer.file.path).overviews(layer.indexes[0]))
        ):
            large = [factor for factor in factors if min(height, width) >= _GLIMPSE_PX * factor]
            factor = max(large, default=min(factors))
            small = max(1, height // factor), max(1, width // factor)
            found = [(whole, self._stored(layer, whole, small))]
        else:
            places = (np.arange(per_side) + 0.5) / per_side
            corners = [(int(height * y), int(width * x)) for y in places for x in places]
            half = _GLIMPSE_PX // 4
            windows = [Window(r - half, c - half, 2 * half, 2 * half).intersection(whole) for r, c in corners]
            found = [(own, self._stored(layer, own)) for own in dict.fromkeys(windows) if own is not None]
        parts = []
        for window, part in found:
            held = part.held if masked is None else part.held & ~masked(layer.file.grid, window)
            patch = self.decode(part.data, held, layer.file)
            parts.append(patch.data[:, patch.valid])
        return np.concatenate(parts, axis=1)

    def valid(self, layer: Layer, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Tell which pixels of a file hold data, reduced to fewer (h, w); what cannot say it is not read.

        Raises:
            RasterError: The file is damaged.
        """
        whole = Window(0, 0, *layer.file.grid.shape)
        speaks = np.dtype(layer.file.dtype).kind == "f" or layer.scales is not None
        if not speaks and all(value is None for value in layer.nodata):
            return self._unmasked(layer, whole, shape)
        part = self._stored(layer, whole, shape)
        return self.decode(part.data, part.held, layer.file).valid

    def _unmasked(self, layer: Layer, window: Window, shape: tuple[int, int] | None) -> NDArray[np.bool_]:
        """Return what the mask beside the bands and the alpha band leave of a window, or of an overview."""
        file, at = layer.file, to_rasterio_window(window)
        valid = np.ones(shape or (window.height, window.width), dtype=np.bool_)
        try:
            dataset = self.pool.get(file.path, file.overview)
            if file.validity == "mask":
                planes = None if shape is None else (len(layer.indexes), *shape)
                masks = dataset.read_masks(list(layer.indexes), window=at, out_shape=planes)
                valid &= (masks > 0).all(axis=0)
            if file.alpha is not None:
                valid &= dataset.read(file.alpha, window=at, out_shape=shape) > 0
        except RasterioIOError as error:
            raise unreadable(file.path, window, error) from error
        return valid

    def _stored(self, layer: Layer, window: Window, shape: tuple[int, int] | None = None) -> "_Stored":
        """Read bands of a file in a window that lies within it, or fewer pixels of it from an overview."""
        file = layer.file
        try:
            dataset = self.pool.get(file.path, file.overview)
            data: Pixels = read_bands(dataset, layer.indexes, window, shape=shape)
        except RasterioIOError as error:
            raise unreadable(file.path, window, error) from error
        valid = self._unmasked(layer, window, shape)
        filled, empty = empty_pixels(data, layer.nodata, self.rule)
        if filled is not None:
            valid &= ~filled
        if layer.quantization is not None:
            data = layer.quantization.undo(data)
        if layer.scales is not None:
            data = data * read_scales(self.pool, layer.scales, window, shape)
            valid &= np.isfinite(data).all(axis=0)
        return _Stored(data, valid, empty, has_numeric(layer.nodata, self.rule))


class _Stored(NamedTuple):
    """Pixels of a file as they lie in it.

    Attributes:
        data: (C, H, W) stored values, of quantised ones what they stand for.
        valid: (H, W) bool, by mask, alpha band, NaN and fill values.
        empty: (H, W) bool, where all bands that have a nodata value hold it; None for nowhere.
        can_be_empty: Whether any band has one.
    """

    data: Pixels
    valid: NDArray[np.bool_]
    empty: NDArray[np.bool_] | None
    can_be_empty: bool

    @property
    def held(self) -> NDArray[np.bool_]:
        """(H, W) bool, where the file by itself holds data."""
        return self.valid if self.empty is None else self.valid & ~self.empty


def as_stored(data: Pixels, valid: NDArray[np.bool_], file: RasterFile) -> Patch:
    """Return stored values as float32, with what is added to those of the file."""
    if data.dtype == np.float64:  # float32 cannot hold all of it, least of all some nodata values
        with np.errstate(over="ignore"):
            data = data.astype(np.float32)
        valid &= np.isfinite(data).all(axis=0)
    values = data.astype(np.float32, copy=False)
    if file.add:
        values = np.maximum(values + np.float32(file.add), 0)
    return Patch(values, valid)


def _standardized(patch: Patch, layer: Layer) -> Patch:
    """Bring the values of a layer to the median and spread of its scene."""
    if not layer.standard:
        return patch
    centre, spread = np.array(layer.standard, dtype=np.float32).T[:, :, None, None]
    return Patch((patch.data - centre) / spread, patch.valid, patch.files)


def _too_large(rows: tuple[int, int], cols: tuple[int, int], layers: Sequence[Layer], window: Window) -> bool:
    bands = sum(len(layer.indexes) for layer in layers)
    pixels = (rows[1] - rows[0]) * (cols[1] - cols[0]) * bands
    return pixels > _MOST_FILE_PIXELS and max(window.height, window.width) > 1
