"""Build models without their first random values, where these are replaced at once or never seen."""

from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

#: What sets values in place, called on a tensor or from ``nn.init``.
_SETTING: Final = frozenset(
    {
        *("add_", "clamp_", "constant_", "div_", "erfinv_", "fill_", "mul_", "normal_", "ones_", "sub_"),
        *("kaiming_normal_", "kaiming_uniform_", "trunc_normal_", "uniform_", "xavier_normal_"),
        *("xavier_uniform_", "zero_", "zeros_"),
    }
)


class NoInitialValues(TorchFunctionMode):
    """Leave tensors without memory (device ``meta``) alone, and parameters, too, where they come later.

    segmentation-models-pytorch builds timm's encoders on ``meta`` first, to ask how large they are, and
    PyTorch imports its compiler for values that nobody sees: 1.2 s of CPU and 140 MB. Of a checkpoint every
    parameter is read from the file; drawing them first takes 3 s of CPU for a UPerNet.

    Args:
        parameters: Whether parameters get their values afterwards; buffers are always computed.
    """

    def __init__(self, parameters: bool = False) -> None:
        super().__init__()
        self._parameters = parameters

    def __torch_function__(
        self,
        func: Any,  # noqa: ANN401
        types: Any,  # noqa: ANN401
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        """Call a function of PyTorch, or leave it out."""
        named = dict(kwargs or {})
        if func.__name__ in _SETTING:
            tensor = args[0] if args else named.get("tensor")
            later = self._parameters and isinstance(tensor, nn.Parameter)
            if later or (isinstance(tensor, Tensor) and tensor.is_meta):
                return tensor
        if func is not torch.empty and str(named.get("device")) == "meta":  # all else is small
            named["device"] = "cpu"
        return func(*args, **named)
