"""What takes PyTorch: running the network of a checkpoint, and exporting it."""

from typing import TYPE_CHECKING

from ...imports import lazy_face

if TYPE_CHECKING:
    from .torch_network import TorchNetwork
    from .torch_session import resolve_device, torch_runtime
else:
    __getattr__ = lazy_face(__name__, __file__)

__all__ = ("TorchNetwork", "resolve_device", "torch_runtime")
