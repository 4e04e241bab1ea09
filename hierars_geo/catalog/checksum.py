"""SHA-256 of files, read in pieces."""

import hashlib
from pathlib import Path

#: How the multihash of the file extension marks 32 bytes of SHA-256.
_MULTIHASH_SHA256 = "1220"


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def multihash(path: Path) -> str:
    """Return the SHA-256 of a file as ``file:checksum`` wants it."""
    return _MULTIHASH_SHA256 + sha256_of(path)


def sha256_in(checksum: str) -> str | None:
    """Return the SHA-256 in a multihash, None where it is of another kind."""
    digest = checksum.removeprefix(_MULTIHASH_SHA256)
    return digest if len(digest) == 64 and len(checksum) == 68 else None


__all__ = ("multihash", "sha256_in", "sha256_of")
