"""What a prediction holds because a raster is large, and the budget that it is shared out of."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_MIB = 2**20

#: Of the machine's memory, where nobody says how much; more than the most buys nothing that was measured.
_MACHINE_SHARE, _LEAST_MB, _MOST_MB = 128, 64, 192

#: Batches, or dates of one, read ahead of the model: more do not keep it busier.
_MOST_AHEAD = 2


@dataclass(frozen=True)
class MemoryBudget:
    """Memory of what grows with a raster; the network, a window and the libraries come on top.

    Half of it goes to the rows that windows share with those below, for every chunk that is narrower costs
    windows predicted twice; a third to GDAL's decoded blocks, a sixth to what is read ahead.

    Attributes:
        total_mb: In MiB.

    Examples:
        >>> budget = MemoryBudget(96)
        >>> budget.shared_rows_bytes // 2**20, budget.block_cache_bytes // 2**20
        (48, 32)
        >>> budget.batches_ahead(10 * 2**20), budget.batches_ahead(2**20), budget.batches_ahead(2**30)
        (1, 2, 1)
    """

    total_mb: int

    @classmethod
    def of(cls, asked_mb: int | None) -> "MemoryBudget":
        """Take what is asked for, else a share of the machine: 192 MiB from 24 GiB on, never under 64."""
        if asked_mb is not None:
            return cls(asked_mb)
        machine = machine_bytes()
        share = _MOST_MB if machine is None else machine // _MACHINE_SHARE // _MIB
        return cls(min(max(share, _LEAST_MB), _MOST_MB))

    @property
    def shared_rows_bytes(self) -> int:
        """Of the rows that a row of windows shares with the next one, across a chunk."""
        return self.total_mb * _MIB // 2

    @property
    def block_cache_bytes(self) -> int:
        """Of GDAL's block cache."""
        return self.total_mb * _MIB // 3

    def batches_ahead(self, batch_bytes: int) -> int:
        """Batches that are read while the model works: 2, or 1 where two are more than a sixth."""
        return min(max(self.total_mb * _MIB // 6 // max(batch_bytes, 1), 1), _MOST_AHEAD)


def machine_bytes(root: Path = Path("/")) -> int | None:
    """Memory that this process may use: the machine's, or less where a container or a batch job is bounded.

    Args:
        root: Of the file system that says so.

    Returns:
        None where the system does not say.
    """
    sizes = list(_group_limits(root))
    with suppress(AttributeError, ValueError, OSError):  # where the system is not one of POSIX
        sizes.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return min(sizes, default=None)


def _group_limits(root: Path) -> Iterator[int]:
    """Yield what Linux's control groups, of version 1 or 2, allow this process and those it is among.

    Inside a container the group's own folder is not there: its limit lies at the top.
    """
    try:
        groups = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for number, controllers, name in (line.split(":", 2) for line in groups):
        if number != "0" and "memory" not in controllers.split(","):
            continue
        top, file = ("", "memory.max") if number == "0" else ("memory", "memory.limit_in_bytes")
        group = PurePosixPath(name).relative_to("/")
        for folder in (group, *group.parents):
            try:
                limit = (root / "sys/fs/cgroup" / top / folder / file).read_text(encoding="utf-8").strip()
            except OSError:
                continue
            if limit.isdecimal():  # else "max"
                yield int(limit)
