"""CodeLegend: a legend whose codes nest by their digits, as those of EuroCrops, WorldCereal or LUCAS."""

import re
from collections.abc import Mapping
from itertools import accumulate, pairwise
from typing import TypeVar

from ..errors import TaxonomyError

_Item = TypeVar("_Item")
_KEY = re.compile(r"(\S+)(?:\s+(.+))?")
_PUNCTUATION = str.maketrans("", "", "-. ")


class CodeLegend:
    """Codes of equal length, each group of whose digits (or letters) is a level.

    Args:
        name: Name of the legend.
        digits: Digits of each level, coarsest first; zeros to the right stand for "not told further".

    Attributes:
        names: Names by code, of the codes that :meth:`entries` met.

    Examples:
        >>> CodeLegend("hcat", [2, 2, 2, 2, 2]).lineage(3301010700)
        ['3301010700', '3301010000', '3301000000', '3300000000']
    """

    def __init__(self, name: str, digits: tuple[int, ...] | list[int]) -> None:
        self.name = name
        self.digits = tuple(digits)
        self.names: dict[str, str] = {}
        self._edges = tuple(accumulate(self.digits))

    def code(self, value: str | int) -> str:
        """Write a code in full: without dashes, and with the zeros that a number drops on its left.

        A name that :meth:`entries` met is taken for its code.
        """
        by_name = {name: code for code, name in self.names.items()}
        text = by_name.get(str(value).strip(), str(value).translate(_PUNCTUATION))
        return text.zfill(self._edges[-1]) if text.isdecimal() else text

    def lineage(self, value: str | int) -> list[str]:
        """Return the code itself, then those above it, the nearest first."""
        code = self.code(value)
        above = [code[:edge].ljust(len(code), "0") for edge in reversed(self._edges)]
        return list(dict.fromkeys([code, *above]))

    def depth(self, code: str) -> int:
        """Return the level of a code, from 1: the last group that is not all zeros."""
        groups = pairwise((0, *self._edges))
        return max((number for number, (a, b) in enumerate(groups, 1) if code[a:b].strip("0")), default=1)

    def label(self, code: str) -> str:
        """Return code and name."""
        return f"{code} {self.names[code]}" if code in self.names else code

    def entries(self, said: Mapping[str | int, _Item], file: str) -> dict[str, _Item]:
        """Read the keys of a crosswalk, ``CODE`` or ``CODE name``, and remember the names.

        Raises:
            TaxonomyError: A code has another length, or two entries.
        """
        found: dict[str, _Item] = {}
        for key, item in said.items():
            match = _KEY.fullmatch(str(key).strip())
            code = self.code(match[1]) if match else ""
            if match is None or len(code) != self._edges[-1]:
                raise TaxonomyError(
                    f"Expected codes of {self._edges[-1]} digits for digits {list(self.digits)}, but got "
                    f"'{key}' (in {file}, classes)."
                )
            if code in found:
                raise TaxonomyError(
                    f"Expected one entry per code, but '{key}' is the second (in {file}, classes)."
                )
            found[code] = item
            if match[2]:
                self.names[code] = match[2]
        return found
