"""Chunks: rectangles of output pixels that are predicted on their own, with the same result however cut."""

from dataclasses import dataclass

from ..errors import OptionError
from ..grid import Window
from .memory import MemoryBudget, machine_bytes
from .window_plan import WindowPlan

#: Widest chunk in columns.
MOST_CHUNK_PX = 16384

_FLOAT_BYTES = 4


@dataclass(frozen=True)
class Chunk:
    """A rectangle of output pixels.

    Attributes:
        number: From 0, row by row.
        window: Where it lies.
    """

    number: int
    window: Window

    def below(self, row: int) -> Window:
        """Return the part from a row of the raster on downwards."""
        return Window(row, self.window.col, self.window.row_stop - row, self.window.width)


@dataclass(frozen=True)
class ChunkPlan:
    """How a raster is cut into chunks, over one global grid of windows.

    Windows that reach over a chunk's edge are predicted for both sides, with the same numbers: results do
    not depend on the cut.

    Attributes:
        shape: (height, width) of the raster.
        windows: The grid of windows.
        row_edges: Rows where chunks begin, and the raster's height.
        col_edges: Columns where chunks begin, and the raster's width.
    """

    shape: tuple[int, int]
    windows: WindowPlan
    row_edges: tuple[int, ...]
    col_edges: tuple[int, ...]

    @classmethod
    def of(
        cls,
        shape: tuple[int, int],
        windows: WindowPlan,
        channels: int,
        chunk_px: int | None = None,
        chunk_rows: int | None = None,
        memory: MemoryBudget | None = None,
    ) -> "ChunkPlan":
        """Cut a raster.

        Args:
            shape: (height, width) of the raster.
            windows: The grid of windows.
            channels: T, channels that are accumulated.
            chunk_px: Most columns of a chunk; None for 16 384, or as many as keep the rows that windows share
                with those below them within their share of the budget.
            chunk_rows: Most rows of a chunk; None for all: one engine needs no cut, as rows leave at once.
            memory: The budget; None for that of this machine.

        Raises:
            OptionError: A size is not positive, or the accumulator does not fit into memory.
        """
        for name, size in (("chunk_px", chunk_px), ("chunk_rows", chunk_rows)):
            if size is not None and size < 1:
                raise OptionError(f"Expected {name} to be >= 1 px, but got {size}.")
        pixel_bytes = _FLOAT_BYTES * (channels + 1)
        column_bytes = pixel_bytes * windows.most_shared_rows
        shared = (memory or MemoryBudget.of(None)).shared_rows_bytes
        most = chunk_px or min(MOST_CHUNK_PX, max(windows.size[1], shared // max(column_bytes, 1)))
        columns = min(most, shape[1])
        needed = pixel_bytes * windows.size[0] * windows.size[1] + column_bytes * columns
        there = machine_bytes()
        if there is not None and needed > there:
            raise OptionError(
                f"Expected a window and a chunk that fit into memory ({there / 2**30:.0f} GiB), but got a "
                f"window of {windows.size[0]} x {windows.size[1]} px over {columns} columns, which needs "
                f"{needed / 2**30:.0f} GiB. Use a smaller --window or --chunk-px."
            )
        return cls(shape, windows, _edges(shape[0], chunk_rows or shape[0]), _edges(shape[1], most))

    def __len__(self) -> int:
        return (len(self.row_edges) - 1) * (len(self.col_edges) - 1)

    def __getitem__(self, number: int) -> Chunk:
        if not 0 <= number < len(self):
            raise IndexError(number)
        row, col = divmod(number, len(self.col_edges) - 1)
        top, left = self.row_edges[row], self.col_edges[col]
        window = Window(top, left, self.row_edges[row + 1] - top, self.col_edges[col + 1] - left)
        return Chunk(number, window)

    @property
    def num_windows(self) -> int:
        """Windows that are predicted in all, those at the edges of chunks for both sides."""
        return sum(self.windows.count_within(self[number].window) for number in range(len(self)))


def _edges(length: int, most: int) -> tuple[int, ...]:
    """Cut an axis into the fewest parts of at most ``most`` pixels, as equal as can be."""
    parts = -(-length // most)
    return tuple(length * number // parts for number in range(parts + 1))
