"""What the guided fuzzer throws bytes at: each input is accepted, or refused in words of our own."""

import contextlib
import io
from collections.abc import Callable
from pathlib import Path

import atheris
import numpy as np
import rasterio

from hierars_geo.cli import main as command
from hierars_geo.grid import Window
from hierars_geo.scenes import Scene
from hierars_geo.taxonomy import Taxonomy

_TREE = b"""name: t
levels:
  - name: L1
    classes:
      - {value: 1, name: a, color: "#112233"}
      - {value: 2, name: b, color: "#445566"}
  - name: L2
    classes:
      - {value: 1, name: c, color: "#112233", parent: a}
      - {value: 2, name: d, color: "#445566", parent: b}
"""
#: Words that the command line is put together from; the rest is drawn.
_WORDS = (
    *("predict", "taxonomy", "validate", "areas", "vectorize", "evaluate", "sample", "export", "expand"),
    *("missing.ckpt", "missing.tif", "-o", "out", "--window", "--overlap", "--region", "--levels", "--by"),
    *(
        "--depth-threshold",
        "--blend",
        "--tta",
        "--points",
        "--min-area-m2",
        "--quiet",
        "--debug",
        "--help",
        "--",
    ),
    *("0", "-1", "nan", "1e999", "mm5b", "L1", "hann", "1,2,3,4"),
)


class NotKeptError(Exception):
    """Something that holds for every input did not."""


def _expect(holds: bool, what: str) -> None:
    if not holds:
        raise NotKeptError(f"Expected {what}, but it was not so.")


def one_tree(data: bytes) -> None:
    """Read bytes as a class tree; one that is accepted survives being written."""
    path = Path("tree.yaml")
    path.write_bytes(data)
    tree = Taxonomy.from_yaml(path)
    _expect(Taxonomy.from_dict(tree.to_dict()) == tree, "the same tree after writing it")


def one_command(data: bytes) -> None:
    """Call the tool with words; every end is a status, and an error is not a traceback."""
    drawn = atheris.FuzzedDataProvider(data)
    words = [
        drawn.PickValueInList(list(_WORDS))
        if drawn.ConsumeBool()
        else drawn.ConsumeUnicodeNoSurrogates(8).replace("\0", "")
        for _ in range(drawn.ConsumeIntInRange(0, 8))
    ]
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            status = command(words)
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
    _expect(status in (0, 1, 2), f"status {status} of {words}")
    _expect(status == 0 or bool(said.getvalue().strip()), f"a word on {words}")
    _expect("Traceback" not in said.getvalue(), f"no traceback on {words}")


def one_raster(data: bytes) -> None:
    """Open bytes as a scene of two bands and read a corner."""
    path = Path("scene.tif")
    path.write_bytes(data)
    with Scene.open(path, bands=("red", "nir")) as scene:
        height, width = scene.grid.shape
        pixels, valid = scene.read(Window(0, 0, min(height, 64), min(width, 64)))
    _expect(bool(np.isfinite(pixels).all()), "finite pixels")
    _expect(pixels.shape[1:] == valid.shape, "one validity per pixel")


def _raster() -> bytes:
    """Make a small compressed GeoTIFF of two bands."""
    profile = {
        "driver": "GTiff",
        "width": 32,
        "height": 32,
        "count": 2,
        "dtype": "uint16",
        "crs": "EPSG:32650",
    }
    place = {"transform": rasterio.transform.from_origin(5e5, 4e6, 10, 10), "nodata": 0}
    tiles = {"compress": "deflate", "tiled": True, "blockxsize": 16, "blockysize": 16}
    with rasterio.MemoryFile() as memory:
        with memory.open(**profile, **place, **tiles) as dataset:
            dataset.write(np.arange(2048, dtype=np.uint16).reshape(2, 32, 32))
            dataset.descriptions = ("red", "nir")
        return bytes(memory.read())


#: Name -> (what one input meets, a good input to begin from).
TARGETS: dict[str, tuple[Callable[[bytes], None], Callable[[], bytes]]] = {
    "trees": (one_tree, lambda: _TREE),
    "options": (one_command, lambda: bytes(range(64))),
    "headers": (one_raster, _raster),
}

__all__ = ("TARGETS",)
