"""Quality bands: what the values of SCL, QA_PIXEL, Fmask and the like say of a pixel."""

import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from ..taxonomy.yaml_reader import Strict

_Numbers = tuple[int, ...]
_Bit = Annotated[int, Field(ge=0, le=31)]


class QualityBand(Strict):
    """A band that a product ships beside its images, and the classes that its values stand for.

    One of ``values``, ``bits`` and ``at_least`` says which; classes may overlap.

    Attributes:
        name: How its file, its asset or its band is called: ``SCL`` of ``T48QUE_20190801_SCL_20m.jp2``.
        nodata: Value that says nothing.
        values: Values of every class.
        all_listed: Whether no other values are to be expected.
        bits: Bits, the lowest is 0, that are all set where a class is.
        at_least: Least value of every class, such as a probability in per cent.
    """

    name: Annotated[str, Field(min_length=1, max_length=100)]
    nodata: int | None = None
    values: dict[str, _Numbers] = Field(default_factory=dict)
    all_listed: bool = True
    bits: dict[str, tuple[_Bit, ...]] = Field(default_factory=dict)
    at_least: dict[str, int] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _says_one_thing(self) -> "QualityBand":
        if sum(map(bool, (self.values, self.bits, self.at_least))) != 1:
            raise ValueError("expected one of values, bits and at_least")
        return self

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return (*self.values, *self.bits, *self.at_least)

    def flags(self, data: NDArray[Any], classes: Sequence[str]) -> NDArray[np.bool_]:
        """Tell where pixels are of any of some classes; ``NAME=NUMBER`` sets another least value of one."""
        found = np.zeros(data.shape, dtype=np.bool_)
        for wanted in classes:
            name, _, least = wanted.partition("=")
            if name in self.values:
                found |= np.isin(data, self.values[name])
            elif name in self.bits:
                bits = sum(1 << bit for bit in self.bits[name])
                found |= (data.astype(np.int64) & bits) == bits
            elif name in self.at_least:
                found |= data >= (float(least) if least else self.at_least[name])
        return found if self.nodata is None else found & (data != self.nodata)

    def unknown(self, data: NDArray[Any]) -> NDArray[Any]:
        """Return the values (n,) of pixels that the table does not list, where it should."""
        if not self.values or not self.all_listed:
            return data[:0].ravel()
        return data[~np.isin(data, self._known)]

    @cached_property
    def _known(self) -> list[int]:
        own = [] if self.nodata is None else [self.nodata]
        return [*own, *(value for values in self.values.values() for value in values)]


def quality_of_name(stem: str, bands: Iterable[QualityBand]) -> QualityBand | None:
    """Return the quality band that the name of a file without its suffix ends in, None for another file.

    Examples:
        >>> scl = QualityBand(name="SCL", values={"cloud": (8, 9)})
        >>> quality_of_name("T48QUE_20190801T032541_SCL_20m", [scl]).name
        'SCL'
    """
    for band in bands:
        pattern = rf"(?:^|.*[_\-. ]){re.escape(band.name)}(?:_\d+m)?"
        if re.fullmatch(pattern, stem, re.IGNORECASE):
            return band
    return None
