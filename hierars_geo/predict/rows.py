"""Rows: decoded pixels on their way from a model to the disk, and back after any kind of end."""

import os
import struct
import time
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..grid import Window
from ..output import as_output_error
from .chunks import Chunk, ChunkPlan

#: Of a record: marker, first row, rows, compressed bytes, checksum of what follows.
_HEADER = struct.Struct("<4sIIQI")
_MARKER = b"HROW"

#: Fast, and class maps still shrink to a few per cent.
_LEVEL = 1

#: Most rows stored at once: what is made of them when they are compressed or read back stays small.
_MOST_ROWS = 64

#: Seconds between calls that wait for the disk.
_SYNC_EVERY_S = 2.0


@dataclass(frozen=True)
class StoredLayer:
    """What is kept of a layer for every pixel.

    Attributes:
        name: Of the layer.
        dtype: As written.
        count: Bands.
    """

    name: str
    dtype: str
    count: int = 1


@dataclass(frozen=True)
class _Record:
    """Where some rows lie in a chunk's file."""

    start: int
    rows: int
    offset: int
    size: int


@dataclass(frozen=True)
class Rows:
    """Decoded pixels of a rectangle of the scene.

    Attributes:
        window: Where they lie.
        layers: By name of the layer, (h, w) or (bands, h, w) values as stored.
        any_data: Whether a pixel of it, or of what was finished together with it, holds data.
    """

    window: Window
    layers: dict[str, NDArray[np.generic]]
    any_data: bool


def across(blocks: Iterable[Rows], part: Window) -> Iterator[Rows]:
    """Join blocks to rows that reach from side to side, as they are stored.

    Args:
        blocks: Row by row of equal height, each from left to right without gaps.
        part: What they cover.

    Yields:
        Rows from top to bottom, in order, few at a time.
    """
    held: dict[str, NDArray[np.generic]] = {}
    any_data = False
    for block in blocks:
        if block.window.col == part.col:
            any_data = False
            held = {
                name: np.empty((*array.shape[:-1], part.width), array.dtype)
                for name, array in block.layers.items()
            }
        any_data = any_data or block.any_data
        left = block.window.col - part.col
        for name, array in block.layers.items():
            held[name][..., left : left + block.window.width] = array
        if block.window.col_stop == part.col_stop:
            for start in range(0, block.window.height, _MOST_ROWS):
                rows = {name: array[..., start : start + _MOST_ROWS, :] for name, array in held.items()}
                height = min(_MOST_ROWS, block.window.height - start)
                yield Rows(Window(block.window.row + start, part.col, height, part.width), rows, any_data)


def below(parts: Iterable[Rows]) -> Rows:
    """Join rows that follow one another, at least one."""
    found = list(parts)
    first = found[0].window
    height = sum(rows.window.height for rows in found)
    layers = {
        name: np.concatenate([rows.layers[name] for rows in found], axis=-2) for name in found[0].layers
    }
    window = Window(first.row, first.col, height, first.width)
    return Rows(window, layers, any(rows.any_data for rows in found))


class RowStore:
    """Rows of every layer, one file per chunk that only grows.

    A record holds some rows of all layers, compressed, with a checksum: what a kill or a full disk left half
    written is recognised and dropped, whatever the order in which the disk took it. Several processes may
    write at the same time, each its own chunks.

    Args:
        folder: Where the files are.
        plan: The chunks.
        layers: What a record holds, in order.
    """

    def __init__(self, folder: Path, plan: ChunkPlan, layers: tuple[StoredLayer, ...]) -> None:
        self._folder = folder
        self._plan = plan
        self._layers = layers

    def next_row(self, chunk: Chunk) -> int:
        """Return the first row of the raster that is missing in a chunk; cuts off what is damaged."""
        records = self._records(chunk)
        end = records[-1].offset + records[-1].size if records else 0
        path = self._path(chunk)
        if path.exists() and path.stat().st_size > end:
            with as_output_error(path):
                os.truncate(path, end)
        return records[-1].start + records[-1].rows if records else chunk.window.row

    def open_chunk(self, chunk: Chunk) -> "ChunkWriter":
        """Open a chunk to append what is missing; use it as a context manager.

        Raises:
            OutputError: The file cannot be written.
        """
        self.next_row(chunk)
        return ChunkWriter(self._path(chunk), self._layers)

    def strips(self, layer: StoredLayer, rows: int = 512) -> Iterator[NDArray[np.generic]]:
        """Yield a layer of the whole raster from top to bottom.

        Yields:
            (bands, h, W).
        """
        for top in range(len(self._plan.row_edges) - 1):
            across = len(self._plan.col_edges) - 1
            chunks = [self._plan[top * across + number] for number in range(across)]
            parts = [self._chunk_strips(chunk, layer, rows) for chunk in chunks]
            for strip in zip(*parts, strict=True):
                yield strip[0] if len(strip) == 1 else np.concatenate(strip, axis=2)

    def _chunk_strips(self, chunk: Chunk, layer: StoredLayer, rows: int) -> Iterator[NDArray[np.generic]]:
        """Yield a layer of one chunk in strips of exactly ``rows`` rows, the last one lower."""
        held: list[NDArray[np.generic]] = []
        count = 0
        with self._path(chunk).open("rb") as file:
            for record in self._records(chunk):
                array = self._read(file, chunk, record, layer)
                held.append(array)
                count += record.rows
                while count >= rows:
                    joined = np.concatenate(held, axis=1)
                    yield joined[:, :rows]
                    held, count = [joined[:, rows:]], count - rows
        if count:
            yield np.concatenate(held, axis=1)

    def _read(self, file: BinaryIO, chunk: Chunk, record: _Record, layer: StoredLayer) -> NDArray[np.generic]:
        file.seek(record.offset + _HEADER.size)
        payload = file.read(record.size - _HEADER.size)
        lengths = struct.unpack_from(f"<{len(self._layers)}I", payload)
        number = self._layers.index(layer)
        start = 4 * len(lengths) + sum(lengths[:number])
        raw = zlib.decompress(payload[start : start + lengths[number]])
        shape = layer.count, record.rows, chunk.window.width
        return np.frombuffer(raw, dtype=layer.dtype).reshape(shape)

    def _records(self, chunk: Chunk) -> list[_Record]:
        """Return the records of a chunk up to the first that is torn or out of order."""
        records: list[_Record] = []
        expected, offset = chunk.window.row, 0
        path = self._path(chunk)
        if not path.exists():
            return records
        with path.open("rb") as file:
            while len(header := file.read(_HEADER.size)) == _HEADER.size:
                marker, start, rows, length, checksum = _HEADER.unpack(header)
                left = path.stat().st_size - offset - _HEADER.size
                if marker != _MARKER or start != expected or length > left:
                    break
                if zlib.crc32(file.read(length)) != checksum:
                    break
                records.append(_Record(start, rows, offset, _HEADER.size + length))
                expected, offset = start + rows, offset + _HEADER.size + length
        return records

    def _path(self, chunk: Chunk) -> Path:
        return self._folder / f"chunk-{chunk.number:06d}.rows"


class ChunkWriter:
    """Append rows of one chunk; made by :meth:`RowStore.open_chunk`."""

    def __init__(self, path: Path, layers: tuple[StoredLayer, ...]) -> None:
        self._path = path
        self._layers = layers
        with as_output_error(path):
            self._file = path.open("ab")
        self._synced = time.monotonic()

    def append(self, rows: Rows) -> None:
        """Append rows below those that came before.

        Raises:
            OutputError: The disk is full or failed.
        """
        parts = [
            zlib.compress(np.ascontiguousarray(rows.layers[layer.name], dtype=layer.dtype).data, _LEVEL)
            for layer in self._layers
        ]
        payload = b"".join([struct.pack(f"<{len(parts)}I", *map(len, parts)), *parts])
        header = _HEADER.pack(_MARKER, rows.window.row, rows.window.height, len(payload), zlib.crc32(payload))
        with as_output_error(self._path):
            self._file.write(header + payload)
            self._file.flush()  # now a kill of this process loses nothing
            if time.monotonic() - self._synced > _SYNC_EVERY_S:  # and now a loss of power
                os.fsync(self._file.fileno())
                self._synced = time.monotonic()

    def close(self) -> None:
        """Close the file.

        Raises:
            OutputError: The disk is full or failed.
        """
        with as_output_error(self._path):
            self._file.close()

    def __enter__(self) -> "ChunkWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
