"""Reading YAML that others wrote: plain values only, every key once, and no file that can hang or crash us.

PyYAML keeps the last of two equal keys without a word, follows aliases that multiply (a few lines can stand
for billions of values) or contain themselves, and its C parser overflows the stack on deep nesting. Each of
these is refused here, before anything is built.

Files of the data catalog are found in the repository or inside the installed wheel.
"""

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from ..errors import HieraRSError, MissingFileError, TaxonomyError

try:
    from yaml import CSafeLoader as _SafeLoader  # the one with libyaml is ten times faster
except ImportError:
    from yaml import SafeLoader as _SafeLoader  # type: ignore[assignment]

#: Far more than the largest tree needs; keeps a file given by mistake (a raster, say) from being parsed.
MAX_BYTES = 64 * 2**20
#: A taxonomy nests five deep: file, levels, level, classes, class.
MAX_DEPTH = 16
#: What pydantic calls what people do most often.
_REASONS = {"missing": "the key is missing", "extra_forbidden": "unknown key"}


Form = TypeVar("Form")


class Strict(BaseModel):
    """Base of what the catalog's files hold: unknown keys are refused, text has no blanks around it."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class _UniqueKeyLoader(_SafeLoader):
    """Safe loader that refuses a key given twice instead of keeping the last one silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            if isinstance(key_node, yaml.ScalarNode):
                if key_node.value in seen:
                    raise yaml.YAMLError(f"key '{key_node.value}' is given twice{_line(key_node)}")
                seen.add(key_node.value)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path, max_items: int, kind: type[HieraRSError] = TaxonomyError) -> object:
    """Read a YAML file.

    Args:
        path: The file.
        max_items: Longest list that is accepted; a longer one is refused while it is being read.
        kind: The error for a file that cannot be read, is no YAML, gives a key twice, holds a list that is
            too long, or repeats a list or mapping by an alias; file, reason and line are named.

    Returns:
        Plain values: dict, list, str, int, float, bool, date or None.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise yaml.YAMLError(f"it has {size} bytes, more than {MAX_BYTES}")
        text = path.read_text(encoding="utf-8")
        _check_events(yaml.parse(text, Loader=_SafeLoader), max_items)
        return yaml.load(text, Loader=_UniqueKeyLoader)
    except (
        OSError,
        ValueError,
        yaml.YAMLError,
    ) as error:  # ValueError: bad UTF-8, a date that does not exist
        reason = " ".join(str(error).split())
        raise kind(f"Expected {path} to be a readable YAML file, but: {reason}. Correct the file.") from error


def _check_events(events: Iterator[yaml.Event], max_items: int) -> None:
    """Refuse deep nesting, long lists and aliases of lists or mappings, in one pass that builds nothing.

    Raises:
        yaml.YAMLError: One of these was found; the line is named.
    """
    open_nodes: list[tuple[str | None, bool]] = []  # (anchor, is a list), outermost first
    items: list[int] = []
    collections: set[str] = set()
    for event in events:
        if isinstance(event, yaml.CollectionEndEvent):
            open_nodes.pop()
            items.pop()
        elif isinstance(event, yaml.NodeEvent):
            if items:
                items[-1] += 1
                if open_nodes[-1][1] and items[-1] > max_items:
                    raise yaml.YAMLError(f"a list has more than {max_items} entries{_line(event)}")
            if isinstance(event, yaml.AliasEvent) and event.anchor in collections:
                _refuse_alias(event, {anchor for anchor, _ in open_nodes})
            if isinstance(event, yaml.CollectionStartEvent):
                if len(open_nodes) == MAX_DEPTH:
                    raise yaml.YAMLError(f"it is nested deeper than {MAX_DEPTH} levels{_line(event)}")
                if event.anchor is not None:
                    collections.add(event.anchor)
                open_nodes.append((event.anchor, isinstance(event, yaml.SequenceStartEvent)))
                items.append(0)


def _refuse_alias(event: yaml.AliasEvent, open_anchors: set[str | None]) -> None:
    what = "contains itself (a cycle)" if event.anchor in open_anchors else "repeats a list or mapping"
    raise yaml.YAMLError(f"alias '*{event.anchor}' {what}{_line(event)}; write it out")


def _line(item: yaml.Event | yaml.Node) -> str:
    return f" (line {item.start_mark.line + 1})" if item.start_mark else ""


def validated(form: type[Form], content: object, expected: str, kind: type[HieraRSError]) -> Form:
    """Check what was read by a model or dataclass; the error of a kind names the first wrong key, and why."""
    try:
        return TypeAdapter(form).validate_python(content)
    except ValidationError as error:
        raise kind(f"Expected {expected}, but {first_complaint(error)}. Correct the file.") from error


def first_complaint(error: ValidationError) -> str:
    """Name the first key that is wrong, why, and how many more there are: ``bands.0.gsd: unknown key``."""
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"]) or "(top)"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    reason = _REASONS.get(first["type"], first["msg"].removeprefix("Value error, "))
    return f"{key}: {reason}{more}"


_PACKAGE = Path(__file__).resolve().parents[1]
#: In the wheel the catalog lies inside the package, in the repository beside it.
CATALOG_ROOT = (
    _PACKAGE / "data_catalog" if (_PACKAGE / "data_catalog").is_dir() else _PACKAGE.parent / "data_catalog"
)


def catalog_names(kind: str) -> tuple[str, ...]:
    """List the entries of a kind, a folder of the catalog (``"taxonomies"``): names, sorted."""
    return tuple(sorted(path.stem for path in (CATALOG_ROOT / kind).glob("*.yaml")))


def resolve_catalog_file(kind: str, name_or_path: str | Path) -> Path:
    """Turn a catalog name or the path of a YAML file into a path that exists.

    Anything with a ``.yaml``/``.yml`` suffix or a folder in it is a path; the rest is looked up in the
    catalog.

    Args:
        kind: A folder of the catalog, for example ``"taxonomies"``.
        name_or_path: ``"mm5b"`` or ``"my/tree.yaml"``.

    Raises:
        MissingFileError: There is no such file or entry; near names are listed.
    """
    path = Path(name_or_path)
    if path.suffix in {".yaml", ".yml"} or len(path.parts) > 1:
        if not path.is_file():
            raise MissingFileError(
                f"Expected {path} to be a YAML file, but it does not exist. Check the path."
            )
        return path
    names = catalog_names(kind)
    if str(name_or_path) not in names:
        near = get_close_matches(str(name_or_path), names, n=3) or names
        raise MissingFileError(
            f"Expected a catalog entry of {kind} or the path of a .yaml file, but got '{name_or_path}'. "
            f"Did you mean: {', '.join(near)}?"
        )
    return CATALOG_ROOT / kind / f"{name_or_path}.yaml"
