"""What differs between a checkpoint and the task that is to go on with it."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import CheckpointError, list_some
from ..models.record import RECORD_KEY, ModelRecord, Transfer
from ..taxonomy import Taxonomy


def require_same_model(checkpoint: Mapping[str, Any], own: ModelRecord) -> ModelRecord:
    """Refuse weights of another tree, band set, model or version.

    Colours, raster values and the name of the tree may differ: no weight depends on them.

    Args:
        checkpoint: Its content.
        own: What the task is.

    Returns:
        The checkpoint's record.

    Raises:
        CheckpointError: It holds no record, one of another version, or of another model; what differs is
            named.
    """
    content = checkpoint.get(RECORD_KEY)
    if content is None:
        raise CheckpointError("Expected a checkpoint written by this package, but it holds no model record.")
    saved = ModelRecord.from_dict(content, "the checkpoint")
    found = [
        *_taxonomies(saved.taxonomy, own.taxonomy),
        *_bands(saved.bands, own.bands),
        *_models(saved.model.to_dict(), own.model.to_dict()),
        *_sources(saved.transfer, own.transfer),
    ]
    if found:
        raise CheckpointError(
            f"Expected a checkpoint of the model that is configured, but got another: {'; '.join(found)}. "
            "Resume with the configuration the checkpoint was trained with."
        )
    return saved


def _taxonomies(saved: Taxonomy, own: Taxonomy) -> list[str]:
    title = f"taxonomy {saved.name} in the checkpoint, {own.name} here"
    if saved.num_levels != own.num_levels:
        leaves = _names(saved.class_names(saved.num_levels), own.class_names(own.num_levels))
        return [f"{title} ({saved.num_levels} levels, {own.num_levels} here; leaves {leaves})"]
    levels = []
    for level in range(1, own.num_levels + 1):
        before, now = saved.class_names(level), own.class_names(level)
        if before != now:
            levels.append(f"L{level} {_names(before, now)}")
    if levels:
        return [f"{title} ({', '.join(levels)})"]
    if saved.paths.tolist() != own.paths.tolist():
        return [f"{title} (the same classes below other parents)"]
    return []


def _bands(saved: Sequence[str], own: Sequence[str]) -> list[str]:
    return [] if tuple(saved) == tuple(own) else [f"bands {_names(saved, own)}"]


def _names(before: Sequence[str], now: Sequence[str]) -> str:
    """Say which names are gone and which are new, or that their order is another."""
    gone = [name for name in before if name not in now]
    new = [name for name in now if name not in before]
    parts = [f"without {list_some(gone)}"] if gone else []
    parts += [f"with {list_some(new)}"] if new else []
    if parts:
        return f"here {' and '.join(parts)}"
    return "the same" if before == now else f"in another order: {list_some(before)}, here {list_some(now)}"


def _sources(saved: Transfer | None, own: Transfer | None) -> list[str]:
    """Compare the source branches: whether there is one, what it is, and how the branches talk."""
    if saved is None or own is None:
        return [] if saved is own else [f"{'no' if saved is None else 'a'} source branch in the checkpoint"]
    found = [
        *_taxonomies(saved.source.taxonomy, own.source.taxonomy),
        *_bands(saved.source.bands, own.source.bands),
        *_models(saved.source.model.to_dict(), own.source.model.to_dict()),
    ]
    plain = [dict(transfer.to_dict()) for transfer in (saved, own)]
    for content in plain:
        content.pop("source")
    return [f"source branch: {difference}" for difference in found] + _models(*plain)


def _models(saved: Mapping[str, Any], own: Mapping[str, Any]) -> list[str]:
    return [
        f"{key} {saved.get(key)} in the checkpoint, {own.get(key)} here"
        for key in sorted({*saved, *own})
        if saved.get(key) != own.get(key)
    ]


__all__ = ("require_same_model",)
