"""Weights of a trained model in a new one: other bands, another tree, or only its backbone."""

from collections.abc import Mapping
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from ..errors import CheckpointError, OptionError
from ..types import Spectra
from .backbones import find_backbone
from .band_adaptation import BandAdaptation, adapt_bands, by_names
from .checkpoint import weights_below
from .class_rows import no_rows
from .head_transplant import HeadTransplant, HeadTree, transplant_head
from .hypercolumn import Hypercolumn
from .init_report import InitReport, PartReport
from .pretrained import first_layer
from .record import ModelRecord
from .scene_model import SceneModel

Parts = Literal["backbone", "decoder", "all"]

_BODY = "segmenter.features."
_ENCODER = "segmenter.features.body.encoder."
_DECODER = "segmenter.features.body.decoder."
_HEAD = "segmenter.head."

#: Of a part of the model the names that start so, and which choice of ``parts`` takes it over.
_TAKEN: dict[Parts, tuple[str, ...]] = {
    "backbone": ("encoder",),
    "decoder": ("encoder", "decoder"),
    "all": ("encoder", "decoder", "head"),
}


def transplant(
    model: SceneModel,
    weights: Mapping[str, Tensor],
    old: ModelRecord,
    new: ModelRecord,
    parts: Parts = "all",
    band_adaptation: BandAdaptation = "auto",
    spectra: Spectra = by_names,
) -> InitReport:
    """Start a model from the weights of a trained one.

    * ``backbone``: the encoder. Where the bands differ, its first layer takes over those it knows by name,
      see :func:`~hierars_geo.models.adapt_bands`.
    * ``decoder``: the decoder, too.
    * ``all``: the classifiers and merge blocks of BHCCM, too, class by class by name, see
      :func:`transplant_head`.

    Tensors of another shape stay as they were built. So does the normalisation: it is that of the new data.

    Args:
        model: Takes the weights, in place; built from ``new``.
        weights: State of the trained model's :class:`SceneModel`, see :class:`Checkpoint`.
        old: Record of the trained model.
        new: Record of ``model``.
        parts: What to take over.
        band_adaptation: How the first layer meets other bands.
        spectra: Looks bands up in the sensor catalog.

    Returns:
        What was copied, adapted and left as it was, and the classes of every level.

    Raises:
        OptionError: Unknown parts, or bands that cannot be adapted in the way asked for.
        CheckpointError: The weights are of another encoder.
    """
    if parts not in _TAKEN:
        raise OptionError(f"Expected parts to be one of {', '.join(get_args(Parts))}, but got '{parts}'.")
    if find_backbone(old.model.encoder).name != find_backbone(new.model.encoder).name:
        raise CheckpointError(
            f"Expected weights of encoder '{new.model.encoder}', but got those of '{old.model.encoder}'. "
            "Take the encoder of the checkpoint, another checkpoint, or start without."
        )
    own = model.state_dict()
    placed = {
        name: weights[name]
        for name in own
        if _part(name) in _TAKEN[parts] and _part(name) != "head" and name in weights
    }
    adapted: list[str] = []
    decoder = model.segmenter.features.body.decoder
    if isinstance(decoder, Hypercolumn):  # weights of its stages are in units, also where the bands differ
        stages = sum(decoder.sizes[1:])
        for name in {_DECODER + "center", _DECODER + "spread"} & placed.keys():
            if stages and placed[name].shape != own[name].shape:
                placed[name] = torch.cat([own[name][:-stages], placed[name][-stages:]])
                adapted.append(name)
    body: nn.Module = model.segmenter.features.body.encoder  # type: ignore[assignment]  # an EncoderDecoder's
    first = _ENCODER + first_layer(body)
    same = (old.read.sensor, old.bands) == (new.read.sensor, new.bands)
    if first in placed and not same:
        known = spectra(old.read.sensor or new.read.sensor, old.bands)
        wanted = spectra(new.read.sensor or old.read.sensor, new.bands)
        placed[first] = adapt_bands(placed[first], len(new.bands), known, wanted, band_adaptation)
        adapted.append(first)
    placed = {name: value for name, value in placed.items() if value.shape == own[name].shape}
    head = _head(model, weights, old, new, parts)
    placed |= {_HEAD + name: value for name, value in head.state.items()}
    adapted += [_HEAD + name for name in head.adapted]
    model.load_state_dict({**own, **placed})
    return InitReport(
        parts=parts,
        encoder=_report("encoder", own, placed, adapted),
        decoder=_report("decoder", own, placed, adapted),
        head=_report("head", own, placed, adapted),
        levels=head.levels,
        lost_levels=head.lost_levels,
        same_normalisation=(old.bands, old.mean, old.std, old.read.standardize)
        == (new.bands, new.mean, new.std, new.read.standardize),
    )


def _head(
    model: SceneModel, weights: Mapping[str, Tensor], old: ModelRecord, new: ModelRecord, parts: Parts
) -> HeadTransplant:
    old_tree = HeadTree(old.taxonomy, old.model.mode == "flat")
    new_tree = HeadTree(new.taxonomy, new.model.mode == "flat")
    if parts != "all":
        return HeadTransplant({}, (), no_rows(new_tree.tree, new_tree.levels))
    return transplant_head(
        weights_below(weights, _HEAD), model.segmenter.head.state_dict(), old_tree, new_tree
    )


def _part(name: str) -> str:
    """Part of the model that a tensor belongs to; empty for the normalisation."""
    if name.startswith(_HEAD):
        return "head"
    if name.startswith(_ENCODER):
        return "encoder"
    return "decoder" if name.startswith(_BODY) else ""


def _report(
    part: str, own: Mapping[str, Tensor], placed: Mapping[str, Tensor], adapted: list[str]
) -> PartReport:
    names = [name for name in own if _part(name) == part]
    prefix = {"encoder": _ENCODER, "decoder": _DECODER, "head": _HEAD}[part]
    return PartReport(
        copied=sum(name in placed and name not in adapted for name in names),
        adapted=tuple(name.removeprefix(prefix) for name in names if name in adapted),
        new=tuple(name.removeprefix(prefix) for name in names if name not in placed),
    )
