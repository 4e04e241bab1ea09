"""What an ONNX file says of itself and needs, read, sealed and narrowed without the packages of ONNX.

Such a file is one message of Protocol Buffers: fields one after another, each a number, a kind and a content.
Entries of metadata are a repeated field, and of those a reader takes all there are, wherever they stand. So
the checksum of a file is one more entry behind all others, and every program still reads the file.
"""

import hashlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, Final, NamedTuple

from ..errors import CheckpointError

#: Numbers of fields: metadata entries of a model; key and value of an entry.
_METADATA: Final = 14
_KEY, _VALUE = 1, 2

#: Of a model, its graph; of a graph, what is computed, weights, results, and what is known of values between.
_GRAPH = 7
_NODE, _WEIGHTS, _OUTPUT, _VALUE_INFO = 1, 5, 12, 13
#: Of a node, what goes in, what comes out and its attributes; of an attribute, graphs inside.
_IN, _OUT, _ATTRIBUTE = 1, 2, 5
_INNER_GRAPHS = (6, 11)
#: Where the name of weights stands; that of a value is the first field.
_WEIGHTS_NAME, _VALUE_NAME = 8, 1

#: Kinds of fields: a number of any length, 8 bytes, bytes with their length before them, 4 bytes.
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5

#: Entry that holds the SHA-256 of all bytes before it.
_SEAL: Final = "hierars_geo_sha256"

_READ_BYTES: Final = 2**20


def seal(path: Path) -> None:
    """Add the checksum of an ONNX file as its last entry of metadata."""
    (digest,) = _sha256(path, path.stat().st_size)
    entry = _seal_of(digest)
    with path.open("ab") as file:
        file.write(entry)


def sealed_metadata(path: Path) -> tuple[dict[str, str], str]:
    """Return the metadata of an ONNX file that was sealed here, and the SHA-256 of the file.

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
    before_seal, whole = _sha256(path, size - len(_seal_of("0" * 64)), size)
    if entries[_SEAL] != before_seal:
        raise CheckpointError(
            f"Expected {path} to be what was exported, but its checksum is another. The file is damaged or "
            "was changed: get or export it again."
        )
    return entries, whole


@contextmanager
def narrowed(path: Path, outputs: Collection[str]) -> Iterator[Path]:
    """Give an ONNX file that computes nothing but some outputs: libraries run whatever a file holds.

    Args:
        path: A whole ONNX file.
        outputs: Names of those that are wanted.

    Yields:
        The file itself where it has no others, else one that is gone afterwards.
    """
    with path.open("rb") as file:
        model = list(_parts(file, 0, path.stat().st_size))
        (graph,) = (part for part in model if part.number == _GRAPH)
        inside = list(_parts(file, graph.content, graph.stop))
        if all(_name_of(file, part, _VALUE_NAME) in outputs for part in inside if part.number == _OUTPUT):
            yield path
            return
        kept = _needed(file, inside, outputs)
        with TemporaryDirectory(prefix="hierars-graph-") as folder:
            narrow = Path(folder) / "narrow.onnx"
            with narrow.open("wb") as out:
                for part in model:
                    if part.number != _GRAPH:
                        _copy(file, part, out)
                        continue
                    out.write(bytes([_GRAPH << 3 | _BYTES]) + _as_varint(sum(p.stop - p.start for p in kept)))
                    for each in kept:
                        _copy(file, each, out)
            yield narrow


class _Part(NamedTuple):
    """A field of a message: bytes from ``start`` to ``stop``, its content from ``content`` on."""

    number: int
    start: int
    content: int
    stop: int


def _parts(file: BinaryIO, start: int, stop: int) -> Iterator[_Part]:
    """Yield the fields of a message, wherever the file is left between two of them."""
    place = start
    while place < stop:
        file.seek(place)
        tag = _varint(file)
        kind = tag & 7
        length = {_EIGHT: 8, _FOUR: 4}.get(kind, 0)
        if kind == _VARINT:
            _varint(file)
        elif kind == _BYTES:
            length = _varint(file)
        elif not length:
            raise ValueError("it holds something else")
        content = file.tell()
        if content + length > stop:
            raise ValueError("it ends too early")
        yield _Part(tag >> 3, place, content, content + length)
        place = content + length


def _needed(file: BinaryIO, graph: list[_Part], outputs: Collection[str]) -> list[_Part]:
    """Parts of a graph that some of its outputs need; nodes stand behind those that they take from."""
    wanted, nodes = set(outputs), set()
    for part in reversed([part for part in graph if part.number == _NODE]):
        given, made = _ends_of(file, part)
        if not wanted.isdisjoint(made):
            wanted |= given
            nodes.add(part)
    name = {_WEIGHTS: _WEIGHTS_NAME, _OUTPUT: _VALUE_NAME, _VALUE_INFO: _VALUE_NAME}
    return [
        part
        for part in graph
        if part in nodes
        or (part.number == _OUTPUT and _name_of(file, part, _VALUE_NAME) in outputs)
        or (part.number in (_WEIGHTS, _VALUE_INFO) and _name_of(file, part, name[part.number]) in wanted)
        or part.number not in (_NODE, _OUTPUT, *name)
    ]


def _ends_of(file: BinaryIO, node: _Part) -> tuple[set[str], set[str]]:
    """Names of what goes into a node, or into one of a graph inside it, and of what comes out."""
    given, made = set[str](), set[str]()
    for part in _parts(file, node.content, node.stop):
        if part.number in (_IN, _OUT):
            (given if part.number == _IN else made).add(_text(file, part))
        elif part.number == _ATTRIBUTE:
            for inner in _parts(file, part.content, part.stop):
                if inner.number in _INNER_GRAPHS:
                    for each in _parts(file, inner.content, inner.stop):
                        if each.number == _NODE:
                            given |= _ends_of(file, each)[0]
    return given, made


def _name_of(file: BinaryIO, part: _Part, number: int) -> str:
    return next((_text(file, p) for p in _parts(file, part.content, part.stop) if p.number == number), "")


def _text(file: BinaryIO, part: _Part) -> str:
    file.seek(part.content)
    return file.read(part.stop - part.content).decode("utf-8")


def _copy(file: BinaryIO, part: _Part, out: BinaryIO) -> None:
    file.seek(part.start)
    left = part.stop - part.start
    while left > 0 and (read := file.read(min(left, _READ_BYTES))):
        out.write(read)
        left -= len(read)


def _as_varint(value: int) -> bytes:
    """Write a number as :func:`_varint` reads it."""
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*written, value])


def _seal_of(digest: str) -> bytes:
    key, value = _SEAL.encode(), digest.encode()
    entry = bytes([_KEY << 3 | _BYTES, len(key)]) + key + bytes([_VALUE << 3 | _BYTES, len(value)]) + value
    return bytes([_METADATA << 3 | _BYTES, len(entry)]) + entry


def _sha256(path: Path, *sizes: int) -> list[str]:
    """SHA-256 of so many first bytes of a file, for every size, ascending."""
    digest, found, done = hashlib.sha256(), list[str](), 0
    with path.open("rb") as file:
        for size in sizes:
            while done < size and (part := file.read(min(size - done, _READ_BYTES))):
                digest.update(part)
                done += len(part)
            found.append(digest.hexdigest())
    return found


def _entries(file: BinaryIO, end: int) -> Iterator[tuple[str, str]]:
    """Yield the metadata; what else there is, is passed over."""
    for entry in _parts(file, 0, end):
        if entry.number == _METADATA:
            found = {part.number: _text(file, part) for part in _parts(file, entry.content, entry.stop)}
            yield found.get(_KEY, ""), found.get(_VALUE, "")


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
