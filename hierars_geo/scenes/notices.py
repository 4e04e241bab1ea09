"""DataNotice: what was assumed or left out while data were opened, said once and never silently."""

import warnings

from ..errors import HieraRSWarning


class DataNotice(HieraRSWarning):
    """Something was assumed about files, or files of a folder were left out; the data are used anyway."""


def notice(message: str) -> None:
    """Give the warning."""
    warnings.warn(message, DataNotice, stacklevel=4)


__all__ = ("DataNotice", "notice")
