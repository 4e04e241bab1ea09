"""What an ONNX file says of itself, read and sealed without the packages of ONNX.

Such a file is one message of Protocol Buffers: fields one after another, each a number, a kind and a content.
Entries of metadata are a repeated field, and of those a reader takes all there are, wherever they stand. So
the checksum of a file is one more entry behind all others, and every program still reads the file.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from ..errors import CheckpointError

#: Numbers of fields: metadata entries of a model; key and value of an entry.
_METADATA: Final = 14
_KEY, _VALUE = 1, 2

#: Kinds of fields: a number of any length, 8 bytes, bytes with their length before them, 4 bytes.
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5

#: Entry that holds the SHA-256 of all bytes before it.
_SEAL: Final = "hierars_geo_sha256"

_READ_BYTES: Final = 2**20


def seal(path: Path) -> None:
    """Add the checksum of an ONNX file as its last entry of metadata."""
    entry = _seal_of(_sha256(path, path.stat().st_size))
    with path.open("ab") as file:
        file.write(entry)


def sealed_metadata(path: Path) -> dict[str, str]:
    """Return the metadata of an ONNX file that was sealed here.

    Raises:
        CheckpointError: It is no ONNX file, is damaged, or was not sealed.
    """
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            entries = dict(_entries(file, size))
    except (ValueError, UnicodeDecodeError) as error:
        raise CheckpointError(
            f"Expected {path} to be a whole ONNX file, but {error}. The file is damaged: get it again."
        ) from error
    if _SEAL not in entries:
        raise CheckpointError(
            f"Expected {path} to be a model exported by hierars-geo, but it does not say so. Export the "
            "checkpoint: hierars-geo export model.ckpt --format onnx."
        )
    whole = size - len(_seal_of("0" * 64))
    if entries[_SEAL] != _sha256(path, whole):
        raise CheckpointError(
            f"Expected {path} to be what was exported, but its checksum is another. The file is damaged or "
            "was changed: get or export it again."
        )
    return entries


def _seal_of(digest: str) -> bytes:
    key, value = _SEAL.encode(), digest.encode()
    entry = bytes([_KEY << 3 | _BYTES, len(key)]) + key + bytes([_VALUE << 3 | _BYTES, len(value)]) + value
    return bytes([_METADATA << 3 | _BYTES, len(entry)]) + entry


def _sha256(path: Path, size: int) -> str:
    """SHA-256 of the first bytes of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while size > 0 and (part := file.read(min(size, _READ_BYTES))):
            digest.update(part)
            size -= len(part)
    return digest.hexdigest()


def _entries(file: BinaryIO, end: int) -> Iterator[tuple[str, str]]:
    """Yield the metadata; what else there is, is passed over."""
    for number, length in _fields(file, end):
        if number != _METADATA:
            file.seek(length, 1)
            continue
        stop, found = file.tell() + length, {_KEY: "", _VALUE: ""}
        for part, size in _fields(file, stop):
            found[part] = file.read(size).decode("utf-8")
        yield found[_KEY], found[_VALUE]


def _fields(file: BinaryIO, end: int) -> Iterator[tuple[int, int]]:
    """Yield number and length of every field; whoever asks moves on to its end before the next one."""
    while file.tell() < end:
        tag = _varint(file)
        kind = tag & 7
        length = {_EIGHT: 8, _FOUR: 4}.get(kind, 0)
        if kind == _VARINT:
            _varint(file)
        elif kind == _BYTES:
            length = _varint(file)
        elif not length:
            raise ValueError("it holds something else")
        if file.tell() + length > end:
            raise ValueError("it ends too early")
        yield tag >> 3, length


def _varint(file: BinaryIO) -> int:
    """Read a number of up to ten bytes of seven bits each, the lowest first."""
    value = 0
    for place in range(10):
        byte = file.read(1)
        if not byte:
            raise ValueError("it ends too early")
        value |= (byte[0] & 0x7F) << 7 * place
        if byte[0] < 0x80:
            return value
    raise ValueError("it holds something else")
