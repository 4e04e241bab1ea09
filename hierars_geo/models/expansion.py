"""Dynamic category expansion: the same model for another class tree (Ai et al. 2026, section III-D)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from .. import __version__
from ..errors import OptionError, TaxonomyError
from ..taxonomy import Taxonomy
from .build import build_scene_model
from .checkpoint import MODEL_PREFIX, Checkpoint, build_trained, weights_below
from .init_report import InitReport
from .record import RECORD_KEY, ModelRecord
from .transplanting import transplant

#: What Lightning wants of a checkpoint besides weights.
_LIGHTNING = "pytorch-lightning_version"


def expand_checkpoint(checkpoint: Checkpoint, tree: Taxonomy) -> tuple[dict[str, Any], InitReport]:
    """Turn a checkpoint into one of another tree, without training; say where its weights come from.

    Classes that both trees have by name keep their weights, new ones start from their relatives, see
    :func:`~hierars_geo.models.transplant`. A source branch stays as it is. Optimiser and averages are left
    out: a training starts from the result, it does not resume.

    Raises:
        OptionError: The trees are the same.
        TaxonomyError: They have no class in common, or the new one lacks anchors that the source branch
            needs.
        CheckpointError: The weights do not fit their own record.
    """
    old, origin, content = checkpoint.record, checkpoint.path, checkpoint.content
    if old.taxonomy == tree:
        raise OptionError(
            f"Expected another tree than the checkpoint's, but got {tree.name} itself (in {origin}). "
            "There is nothing to do."
        )
    _require_anchors(old, tree)
    new = replace(old, taxonomy=tree, calibration=None)
    state: Mapping[str, Tensor] = content["state_dict"]
    scene = build_scene_model(new)
    prefix = checkpoint.scene_prefix
    report = transplant(scene, checkpoint.scene_weights, old, new, "all")
    if report.classes_copied == 0:
        raise TaxonomyError(
            f"Expected a tree with classes of {old.taxonomy.name}, but {tree.name} has none of them by name "
            f"at its levels (in {origin}). Train for it, with start.checkpoint and start.parts decoder."
        )
    carried = {name: value for name, value in state.items() if not name.startswith(prefix)}
    weights = {**carried, **{prefix + name: value for name, value in scene.state_dict().items()}}
    build_trained(
        new, weights_below(weights, MODEL_PREFIX), str(origin)
    )  # refuses what predicting could not load
    training = dict(checkpoint.training)
    training.pop("class_weights", None)
    training |= {
        "release": __version__,
        "expanded": {"from": old.taxonomy.name, "report": report.to_dict()},
    }
    expanded = {
        "state_dict": weights,
        RECORD_KEY: new.to_dict() | {"training": training},
        "epoch": 0,
        "global_step": 0,
        **{key: content[key] for key in (_LIGHTNING,) if key in content},
    }
    return expanded, report


def _require_anchors(old: ModelRecord, tree: Taxonomy) -> None:
    """Refuse a tree that would cut a source branch off."""
    if old.transfer is None or not old.transfer.cdsa:
        return
    before, now = (
        {f"{anchor.key(each.levels)}: {anchor.target}" for anchor in each.anchors}
        for each in (old.taxonomy, tree)
    )
    if missing := sorted(before - now):
        raise TaxonomyError(
            f"Expected taxonomy {tree.name} to keep the anchors to the source model, but got none for "
            f"{', '.join(missing)}. Add them below anchors."
        )
