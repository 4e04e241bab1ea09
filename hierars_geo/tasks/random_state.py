"""The state of the random numbers, so that a resumed training goes on as if it had not stopped."""

from collections.abc import Mapping

import torch
from torch import Tensor

#: Key of the state in a checkpoint.
RANDOM_KEY = "random_state"


def random_state(device: torch.device) -> dict[str, Tensor]:
    """Return the states of PyTorch's generators: what dropout and drop path draw from.

    Args:
        device: Where the model is.
    """
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def restore_random_state(state: Mapping[str, Tensor], device: torch.device) -> None:
    """Set the generators to a state of :func:`random_state`; one of another kind of device is left out."""
    torch.set_rng_state(state["cpu"].cpu())
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"].cpu(), device)


__all__ = ("RANDOM_KEY", "random_state", "restore_random_state")
