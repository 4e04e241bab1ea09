"""Peak memory of this process: resident bytes above a level, on Linux (VmHWM can be set back there).

Imported by processes of other environments as well: the standard library only.
"""

import gc
from pathlib import Path


def start_peak() -> int:
    """Set the peak back to what is resident now.

    Returns:
        That level in bytes.
    """
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _status_bytes("VmRSS")


def peak_above(level: int) -> int:
    """Return the peak since :func:`start_peak` above its level, in bytes."""
    return _status_bytes("VmHWM") - level


def _status_bytes(field: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))
