"""Groups of a task's options: as dataclasses, as mappings, and as what a checkpoint holds."""

from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from typing import Any, Final, TypeVar

from ..errors import OptionError, unknown_name

GroupT = TypeVar("GroupT")

#: Local names of a constructor that are no options.
_OF_CONSTRUCTORS: Final = ("self", "__class__")


def group(kind: type[GroupT], value: GroupT | Mapping[str, Any], name: str) -> GroupT:
    """Return a group of options, also where a mapping states it.

    Raises:
        OptionError: A key is none of the group's.
    """
    if not isinstance(value, Mapping):
        return value
    known = [each.name for each in fields(kind)]  # type: ignore[arg-type]  # a dataclass
    for key in value:
        if key not in known:
            raise OptionError(unknown_name(f"option of {name}", str(key), known))
    return kind(**value)


def plain_options(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return options as plain values, which a checkpoint can hold and a safe loader reads.

    Args:
        told: By name, as ``locals()`` of a constructor gives them.
    """

    def plain(value: Any) -> Any:  # noqa: ANN401
        if is_dataclass(value) and not isinstance(value, type):
            return plain(asdict(value))
        if isinstance(value, Mapping):
            return {str(key): plain(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [plain(inner) for inner in value]
        return value if value is None or isinstance(value, bool | int | float | str) else str(value)

    return {name: plain(value) for name, value in told.items() if name not in _OF_CONSTRUCTORS}
