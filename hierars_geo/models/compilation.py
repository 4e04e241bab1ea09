"""Whether torch.compile works here, and with which backends."""

import warnings
from difflib import get_close_matches

import torch

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


def compiles(device: torch.device, instead: str, backend: str = "inductor") -> bool:
    """Try torch.compile on the smallest thing that needs a compiler, and say what happens where it fails."""
    try:
        torch.compile(lambda values: values * 2 + 1, backend=backend)(torch.ones(2, device=device))
    except (RuntimeError, ImportError, OSError) as error:
        reason = " ".join(str(error).split())[:120]
        warnings.warn(
            f"torch.compile does not work here ({reason}): {instead}.", HieraRSWarning, stacklevel=3
        )
        return False
    return True
