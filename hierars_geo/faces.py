"""Faces of rooms that import a name only when it is asked for."""

import ast
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any


def lazy_face(package: str, file: str) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a room whose imports stand below ``if TYPE_CHECKING``.

    Type checkers read these imports as they stand; at run time each is done when its name is first used, so
    that a command does not pay for what it leaves alone.

    Args:
        package: ``__name__`` of the room.
        file: ``__file__`` of its face.

    Examples:
        .. code-block:: python

            if TYPE_CHECKING:
                from .labels import ReferenceLabels
            else:
                __getattr__ = lazy_face(__name__, __file__)
    """
    homes: dict[str, str] = {}

    def find(name: str) -> Any:  # noqa: ANN401
        if not homes:
            tree = ast.parse(Path(file).read_text(encoding="utf-8"))
            checked = (node for node in tree.body if isinstance(node, ast.If))
            for node in (inner for block in checked for inner in block.body):
                if isinstance(node, ast.ImportFrom) and node.level == 1:
                    homes.update({alias.name: f"{package}.{node.module}" for alias in node.names})
        if name not in homes:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        value = getattr(import_module(homes[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    return find


__all__ = ("lazy_face",)
