"""Compile a model where compiling works, in place: the names of its weights stay as they are."""

import warnings
from difflib import get_close_matches

import torch
from torch import Tensor, nn

from ..errors import HieraRSWarning, OptionError


def check_backend(backend: str) -> None:
    """Refuse a backend that does not exist.

    Raises:
        OptionError: It does not; near ones are listed.
    """
    known = torch.compiler.list_backends(exclude_tags=())
    if backend not in known:
        near = get_close_matches(backend, known, n=3, cutoff=0.4) or known
        raise OptionError(
            f"Expected compile to be true, false or a backend of torch.compile, but got '{backend}'. "
            f"Near ones: {', '.join(near)}."
        )


def compile_in_place(model: nn.Module, backend: str, device: torch.device) -> None:
    """Compile a model's forward pass; a checkpoint holds no trace of it, since the module is not wrapped.

    Where compiling does not work (no C++ compiler, no Triton) a note says so and the model stays as it is.
    """
    try:
        torch.compile(_probe, backend=backend)(torch.ones(2, device=device))
    except (RuntimeError, ImportError, OSError) as error:
        reason = " ".join(str(error).split())[:120]
        warnings.warn(
            f"torch.compile does not work here ({reason}); training goes on without it.",
            HieraRSWarning,
            stacklevel=2,
        )
        return
    model.compile(backend=backend)


def _probe(values: Tensor) -> Tensor:
    """Be the smallest thing that needs a compiler."""
    return values * 2 + 1
