"""The YAML form of a class tree, validated at the door by pydantic.

A file lists the levels from coarse to fine and under each its classes in index order. A class below the first
level names its ``parent`` (a class of the level above; a list where it hangs under several). A class without
children above the last level is repeated downwards with the same name and colour, so that every path has full
length. ``ignore_values`` are further raster values without a class that a product uses besides ``nodata``.

Examples:
    .. code-block:: yaml

        name: tiny
        levels:
          - name: L1
            classes:
              - {name: land, value: 1, color: "#00aa00"}
              - {name: water, value: 2, color: "#0000ff"}
          - name: L2
            classes:
              - {name: field, value: 1, color: "#aaff00", parent: land}
              - {name: forest, value: 2, color: "#006600", parent: land}
              - {name: pond, value: 3, color: "#0000ff", parent: water}
"""

import re
from collections.abc import Mapping
from pathlib import Path
from reprlib import Repr
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from ..errors import TaxonomyError
from .yaml_reader import Strict, read_yaml

#: A class raster is at most uint16; one value is kept for nodata and one as a second mark.
MAX_CLASSES = 65_534
MAX_VALUE = 65_535

RGB = tuple[int, int, int]

#: Control characters, lone surrogates and non-characters: unfit for one-line messages and forbidden in XML;
#: and what turns the direction of writing round, so that a table shows something else than it says.
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
_Item = TypeVar("_Item")
_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = 60
_SHORT.maxlevel = 2


def hex_color(color: RGB) -> str:
    """Write (red, green, blue) 0..255 as ``#rrggbb``."""
    return "#{:02x}{:02x}{:02x}".format(*color)


def _parse_color(color: object) -> RGB:
    """Turn ``"#rrggbb"`` or ``[r, g, b]`` (0..255) into a tuple.

    Raises:
        ValueError: It is neither; pydantic adds the key.
    """
    if isinstance(color, str) and len(color) == 7 and color[0] == "#":
        try:
            red, green, blue = bytes.fromhex(color[1:])
        except ValueError:
            pass
        else:
            return (red, green, blue)
    if isinstance(color, (list, tuple)) and len(color) == 3:
        channels = tuple(c for c in color if isinstance(c, int) and not isinstance(c, bool) and 0 <= c <= 255)
        if len(channels) == 3:
            return channels
    raise ValueError("expected a colour '#rrggbb' or [r, g, b] with 0..255")


def _one_line(text: str) -> str:
    if _UNFIT.search(text):
        raise ValueError("expected text on one line without control characters")
    return text


def _without_slash(text: str) -> str:
    if "/" in text:
        raise ValueError("expected no '/', which separates level and class in anchors")
    return text


def _not_empty(items: tuple[_Item, ...]) -> tuple[_Item, ...]:
    # Not pydantic's min_length, which also counts an entry that failed for a reason of its own as absent.
    if not items:
        raise ValueError("expected at least one entry")
    return items


def _as_tuple(value: object) -> object:
    return (value,) if isinstance(value, str) else value


_Text = Annotated[str, Field(max_length=1000), AfterValidator(_one_line)]
_Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_one_line)]
_Value = Annotated[int, Field(ge=0, le=MAX_VALUE, strict=True)]


#: A value that is read and never written: -1 stands for no class in signed label rasters.
_Ignored = Annotated[int, Field(ge=-(2**31), le=MAX_VALUE, strict=True)]


class ClassSpec(Strict):
    """One class of one level."""

    name: _Name
    value: _Value
    color: Annotated[RGB, BeforeValidator(_parse_color)]
    parent: Annotated[tuple[str, ...], BeforeValidator(_as_tuple)] = ()


class LevelSpec(Strict):
    """One level, classes in index order."""

    name: Annotated[_Name, AfterValidator(_without_slash)]
    classes: Annotated[tuple[ClassSpec, ...], Field(max_length=MAX_CLASSES), AfterValidator(_not_empty)]


class TaxonomySpec(Strict):
    """The whole file."""

    name: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9_.-]+$")]
    title: _Text = ""
    source: _Text = ""
    nodata: _Value = 0
    ignore_values: tuple[_Ignored, ...] = ()
    levels: Annotated[tuple[LevelSpec, ...], AfterValidator(_not_empty)]
    anchors: dict[str, str] = Field(default_factory=dict)


def read_taxonomy_spec(path: Path) -> TaxonomySpec:
    """Read and validate a taxonomy file.

    Raises:
        TaxonomyError: It is no YAML or breaks the schema; file, key and reason are named.
    """
    return parse_taxonomy_spec(read_yaml(path, max_items=MAX_CLASSES), str(path))


def parse_taxonomy_spec(content: object, origin: str) -> TaxonomySpec:
    """Validate the plain content of a taxonomy file.

    Raises:
        TaxonomyError: It breaks the schema; origin, key and reason are named.
    """
    try:
        return TaxonomySpec.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = _key_of(first["loc"]) or "(top)"
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise TaxonomyError(
            f"Expected {origin} to be a taxonomy, but {key}: {_reason(first)}{more}."
        ) from error


def _key_of(location: tuple[int | str, ...]) -> str:
    """Write a pydantic location the way one finds it in the file: ``levels[1].classes[0].color``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")


def _reason(error: Mapping[str, Any]) -> str:
    """Say what is wrong in words of the file, with what was found there."""
    if error["type"] == "missing":
        return "the key is missing"
    if error["type"] == "recursion_loop":
        return "it contains itself (a cycle)"
    if error["type"] == "extra_forbidden":
        model = (TaxonomySpec, LevelSpec, ClassSpec)[min(2, sum(isinstance(p, int) for p in error["loc"]))]
        return f"unknown key (known here: {', '.join(model.model_fields)})"
    reason = str(error["msg"]).removeprefix("Value error, ")
    found = "" if error["type"] == "too_long" else f", but got {_SHORT.repr(error['input'])}"
    return f"{reason[0].lower()}{reason[1:]}{found}"
