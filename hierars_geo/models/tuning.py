"""What of a model learns: all but the encoder, low-rank additions to it (LoRA), or what levels say."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ..errors import OptionError
from .scene_model import HierarchicalSegmenter

#: Factor on the additions: an alpha of twice the rank.
_SCALE: Final = 2.0
#: Where a checkpoint keeps the additions beside the weights that they are part of.
_UP, _DOWN = "lora_up", "lora_down"
#: Where PyTorch keeps a weight that is computed, and the parameters that it is computed from.
_WEIGHT: Final = "parametrizations.weight."


class LowRank(nn.Module):
    """A weight that moves within a low rank: W + 2 up down (LoRA, Hu et al. 2022, arXiv 2106.09685).

    Args:
        weight: (outputs, inputs) W, which stays.
        rank: Of what is added, >= 1.
    """

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        outputs, inputs = weight.shape
        self.down = nn.Parameter(weight.new_empty(rank, inputs))
        self.up = nn.Parameter(weight.new_zeros(outputs, rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weight with what was learnt."""
        return weight + added(self.up, self.down)


def added(up: Tensor, down: Tensor) -> Tensor:
    """Compute what (outputs, r) and (r, inputs) add to a weight."""
    return _SCALE * (up @ down)


def freeze(encoder: nn.Module) -> list[nn.Module]:
    """Let nothing of an encoder learn but a pyramid behind it, which no pretrained weights hold.

    Returns:
        What has to stay in eval mode, so that running statistics stay, too.
    """
    encoder.requires_grad_(False).eval()
    if isinstance(pyramid := getattr(encoder, "pyramid", None), nn.Module):
        pyramid.requires_grad_(True).train()
    return [child for child in encoder.children() if child is not pyramid]


def learn_to_talk(segmenter: HierarchicalSegmenter) -> list[nn.Module]:
    """Let of a model learn only what its levels tell each other.

    Returns:
        What has to stay in eval mode.

    Raises:
        OptionError: Its levels do not talk.
    """
    if not segmenter.head.merges:
        raise OptionError(
            f"Expected levels that talk with head 'tuned', but got mode '{segmenter.head.mode}' and "
            f"{len(segmenter.num_classes)} of them. Take a mode and a tree that have some, or head 'pooled'."
        )
    segmenter.requires_grad_(False)
    for name, part in segmenter.head.named_children():
        part.requires_grad_(name != "classifiers")
    return [segmenter.features]


def add_low_rank(encoder: nn.Module, name: str, rank: int) -> None:
    """Let an encoder learn low-rank additions to the linear layers of its attention, and its pyramid.

    Its state stays that of the encoder without them: weights are written with what was added. The additions
    stand beside them, for a training that is resumed; whoever predicts leaves them out
    (:func:`without_additions`).

    Raises:
        OptionError: It has no attention with linear layers.
    """
    layers = list(_attention_layers(encoder))
    if not layers:
        raise OptionError(
            f"Expected an encoder with attention for start.lora_rank, but got '{name}', which has none. Take "
            "a ViT, a Swin or a MiT, or start.freeze_backbone."
        )
    freeze(encoder)
    encoder.train()
    for layer in layers:
        addition = LowRank(layer.weight, rank)
        parametrize.register_parametrization(layer, "weight", addition)
        layer.register_state_dict_post_hook(_write_whole)  # type: ignore[no-untyped-call]
        layer.register_load_state_dict_pre_hook(_read_whole)  # type: ignore[no-untyped-call]


def without_additions(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Leave out the additions of a state: its weights hold them."""
    return {key: value for key, value in state.items() if key.rpartition(".")[2] not in (_UP, _DOWN)}


def _attention_layers(encoder: nn.Module) -> Iterator[nn.Linear]:
    """Yield queries, keys, values and projections; an MLP inside, of positions, is none of them."""
    for module in encoder.modules():
        if "Attention" in type(module).__name__:
            yield from (child for child in module.children() if isinstance(child, nn.Linear))


def _write_whole(layer: nn.Module, state: dict[str, Any], prefix: str, _: object) -> None:
    """Write the weight with what was added, and the additions where something was."""
    state.pop(f"{prefix}{_WEIGHT}original")
    up, down = (state.pop(f"{prefix}{_WEIGHT}0.{part}") for part in ("up", "down"))
    with torch.no_grad():
        state[f"{prefix}weight"] = layer.weight.detach()  # type: ignore[operator]  # computed
    if bool(up.any()):
        state |= {f"{prefix}{_UP}": up, f"{prefix}{_DOWN}": down}


def _read_whole(layer: nn.Module, state: dict[str, Any], prefix: str, *_: object) -> None:
    """Take apart what :func:`_write_whole` put together; of other states the additions stay as they are."""
    if f"{prefix}weight" not in state:
        return
    own: Any = layer.get_submodule("parametrizations.weight.0")
    up = state.pop(f"{prefix}{_UP}", own.up.detach())
    down = state.pop(f"{prefix}{_DOWN}", own.down.detach())
    whole = state.pop(f"{prefix}weight")
    state[f"{prefix}{_WEIGHT}original"] = whole - added(up, down).to(whole.device)
    state |= {f"{prefix}{_WEIGHT}0.up": up, f"{prefix}{_WEIGHT}0.down": down}
