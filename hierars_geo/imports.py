"""Imports that wait: faces of rooms by name, and torchvision without PyTorch's compiler."""

import ast
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final

_COMPILER: Final = ("torch._dynamo", "torch._dynamo.utils")


def lazy_face(package: str, file: str) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a room whose imports stand below ``if TYPE_CHECKING``.

    Type checkers read these imports as they stand; at run time each is done when its name is first used, so
    that a command does not pay for what it leaves alone.

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


@contextmanager
def without_compiler() -> Iterator[None]:
    """Import torchvision and timm without torch.compile, which is a quarter of all that predicting imports.

    Both name two functions of it while they are imported and call neither: these two load it when they are
    called. Afterwards everything is as if it had not been imported yet.
    """
    if any(name in sys.modules for name in _COMPILER):
        yield
        return
    package, utils = (ModuleType(name) for name in _COMPILER)
    package.__path__ = []
    package.__dict__["disable"] = _disable_later
    utils.__dict__["is_compile_supported"] = _asked_later
    sys.modules.update({_COMPILER[0]: package, _COMPILER[1]: utils})
    try:
        yield
    finally:
        for name, module in zip(_COMPILER, (package, utils), strict=True):
            if sys.modules.get(name) is module:
                del sys.modules[name]


def _disable_later(
    function: Callable[..., Any],
    recursive: bool = True,
    **options: Any,  # noqa: ANN401
) -> Callable[..., Any]:
    """Leave a function out of compiling, from its first call on."""
    disabled: list[Callable[..., Any]] = []

    @wraps(function)
    def call(*args: Any, **arguments: Any) -> Any:  # noqa: ANN401
        if not disabled:
            disabled.append(import_module(_COMPILER[0]).disable(function, recursive, **options))
        return disabled[0](*args, **arguments)

    return call


def _asked_later(device_type: str) -> bool:
    """Ask torch.compile whether it supports a kind of device."""
    answer: bool = import_module(_COMPILER[1]).is_compile_supported(device_type)
    return answer


__all__ = ("lazy_face", "without_compiler")
