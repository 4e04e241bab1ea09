"""The network of a checkpoint: run by PyTorch, or as a graph by another library."""

from typing import TYPE_CHECKING

from ...imports import lazy_face

if TYPE_CHECKING:
    from .checkpoint_runner import CheckpointRunner
    from .torch_session import resolve_device, torch_runtime
else:
    __getattr__ = lazy_face(__name__, __file__)

__all__ = ("CheckpointRunner", "resolve_device", "torch_runtime")
