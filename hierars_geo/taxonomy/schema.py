"""The YAML form of a class tree, validated at the door by pydantic.

A file lists the levels from coarse to fine and under each its classes in index order. A class below the first level
names its ``parent`` (a class of the level above; a list where it hangs under several). A class without children above
the last level is repeated downwards with the same name and colour, so that every path has full length.

Example:
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
              - {name: water, value: 3, color: "#0000ff", parent: water}
"""

from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ..errors import TaxonomyError

#: A class raster is at most uint16 with one value kept for nodata, and 65 535 itself stays free as a second mark.
MAX_CLASSES = 65_534
MAX_VALUE = 65_535

RGB = tuple[int, int, int]


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
    raise ValueError(f"expected a colour '#rrggbb' or [r, g, b] with 0..255, but got {color!r}")


def _as_tuple(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, str_strip_whitespace=True)


class ClassSpec(_Strict):
    """One class of one level."""

    name: str = Field(min_length=1)
    value: int = Field(ge=0, le=MAX_VALUE, strict=True)
    color: Annotated[RGB, BeforeValidator(_parse_color)]
    parent: Annotated[tuple[str, ...], BeforeValidator(_as_tuple)] = ()


class LevelSpec(_Strict):
    """One level, classes in index order."""

    name: str = Field(min_length=1)
    classes: tuple[ClassSpec, ...] = Field(min_length=1, max_length=MAX_CLASSES)


class TaxonomySpec(_Strict):
    """The whole file."""

    name: str = Field(min_length=1, pattern=r"^[A-Za-z0-9_.-]+$")
    title: str = ""
    source: str = ""
    nodata: int = Field(default=0, ge=0, le=MAX_VALUE, strict=True)
    levels: tuple[LevelSpec, ...] = Field(min_length=1)
    anchors: dict[str, str] = {}


class _UniqueKeyLoader(yaml.SafeLoader):
    """SafeLoader that refuses a key given twice instead of keeping the last one silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            if isinstance(key_node, yaml.ScalarNode):
                if key_node.value in seen:
                    line = key_node.start_mark.line + 1
                    raise yaml.YAMLError(f"key '{key_node.value}' is given twice (line {line})")
                seen.add(key_node.value)
        return super().construct_mapping(node, deep)


def read_taxonomy_spec(path: Path) -> TaxonomySpec:
    """Read and validate a taxonomy file.

    Args:
        path: A YAML file.

    Returns:
        The validated content.

    Raises:
        TaxonomyError: It is no YAML or breaks the schema; file, key and reason are named.
    """
    try:
        # A subclass of SafeLoader: builds plain values only.
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeyLoader)  # noqa: S506
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise TaxonomyError(
            f"Expected {path} to be a readable YAML file, but: {reason}. Correct the file."
        ) from error
    return parse_taxonomy_spec(content, str(path))


def parse_taxonomy_spec(content: object, origin: str) -> TaxonomySpec:
    """Validate the plain content of a taxonomy file.

    Args:
        content: What a YAML or JSON reader returned.
        origin: Where it came from, for the message.

    Returns:
        The validated content.

    Raises:
        TaxonomyError: It breaks the schema; origin, key and reason are named.
    """
    try:
        return TaxonomySpec.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = _key_of(first["loc"]) or "(top)"
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        reason = first["msg"].removeprefix("Value error, ")
        if first["type"] == "recursion_loop":
            reason = "the tree contains itself (a cycle)"
        raise TaxonomyError(f"Expected {origin} to be a taxonomy, but {key}: {reason}{more}.") from error


def _key_of(location: tuple[int | str, ...]) -> str:
    """Write a pydantic location the way one finds it in the file: ``levels[1].classes[0].color``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")


__all__ = (
    "MAX_CLASSES",
    "RGB",
    "ClassSpec",
    "LevelSpec",
    "TaxonomySpec",
    "parse_taxonomy_spec",
    "read_taxonomy_spec",
)
