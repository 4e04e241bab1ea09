"""Arrays to PNG inside the page: classes by palette, so that every pixel has exactly its class's colour."""

import base64
from collections.abc import Mapping
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..taxonomy import RGB

#: What transparent pixels look like in viewers without transparency.
_PAPER: RGB = (255, 255, 255)
_PALETTE_SIZE = 256
#: Compression of a file that need not be small; one that must has its own.
_QUICK_LEVEL = 3


def index_png(index: NDArray[np.integer], colors: Mapping[int, RGB], small: bool = True) -> bytes:
    """Encode a map of numbers with one colour each, with a palette where 256 entries suffice.

    Args:
        index: (h, w) integers.
        colors: Number -> (red, green, blue); every number without a colour is transparent.
        small: Take the time to make the file as small as can be.
    """
    present, compact = np.unique(index, return_inverse=True)
    compact = compact.reshape(index.shape)
    table = np.array([(*colors[n], 255) if n in colors else (*_PAPER, 0) for n in present.tolist()])
    if len(present) > _PALETTE_SIZE:
        return _encode(Image.fromarray(table[compact].astype(np.uint8)), small)
    image = Image.fromarray(compact.astype(np.uint8))
    image.putpalette(table[:, :3].astype(np.uint8).tobytes())
    return _encode(image, small, transparency=bytes(table[:, 3].tolist()))


def rgb_png(image: NDArray[np.uint8], valid: NDArray[np.bool_], small: bool = True) -> bytes:
    """Encode a colour image, with an alpha channel where one is needed.

    Args:
        image: (3, h, w) uint8.
        valid: (h, w), False where the page shall show through.
        small: Take the time to make the file as small as can be.
    """
    pixels = np.moveaxis(image, 0, -1)
    if valid.all():
        return _encode(Image.fromarray(np.ascontiguousarray(pixels)), small)
    pixels = np.where(valid[..., None], pixels, np.uint8(_PAPER[0]))
    alpha = np.where(valid, 255, 0).astype(np.uint8)[..., None]
    return _encode(Image.fromarray(np.concatenate((pixels, alpha), axis=-1)), small)


def data_uri(png: bytes) -> str:
    """Return a PNG as the ``src`` of an image, so that the page needs no other file."""
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def _encode(image: Image.Image, small: bool, transparency: bytes | None = None) -> bytes:
    buffer = BytesIO()
    options = {} if transparency is None else {"transparency": transparency}
    image.save(buffer, format="PNG", optimize=small, compress_level=_QUICK_LEVEL, **options)
    return buffer.getvalue()
