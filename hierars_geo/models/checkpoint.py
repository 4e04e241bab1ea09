"""The one door to a checkpoint: read as data, never as pickled code, and built only where all parts fit."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import CheckpointError, MissingFileError, OptionError
from ..output import sha256_of
from .build import build_model
from .initial_values import NoInitialValues
from .map_model import MapModel
from .plain_file import read_plain
from .published import model_file
from .record import RECORD_KEY, ModelFile, ModelRecord, knows_reading
from .tuning import without_additions

#: Before the names of a model's weights; before those of the two branches where there is a source, too.
MODEL_PREFIX = "model."
_TARGET, _SOURCE = "model.target.", "model.source."

#: Options below this are built without asking the weights: at most some hundred megabytes per layer.
_MODEST = 4096


@dataclass(frozen=True)
class Model(ModelFile):
    """A trained model, ready to predict: what :func:`load` gives.

    Attributes:
        network: In eval mode, on the device asked for. Its gates pool over the ground of a training chip
            around each pixel, see :class:`~hierars_geo.models.LocalGates`.
    """

    network: MapModel


def load(path: str | Path, device: str | torch.device = "cpu") -> Model:
    """Load a trained model.

    Args:
        path: Checkpoint written by a task of this package, also of release 0.1; or the name of a published
            model.
        device: Where the model shall be.

    Raises:
        MissingFileError: There is no such file.
        CheckpointError: It is damaged, holds code, or was written by something else.

    Examples:
        .. code-block:: python

            model = load("model.ckpt")
            model.record.taxonomy.class_names(1)
    """
    checkpoint = Checkpoint.read(path)
    network = checkpoint.build().to(device).eval()
    network.pool_gates(checkpoint.record.chip_size)
    digest = sha256_of(checkpoint.path)
    return Model(checkpoint.record, checkpoint.path, digest, checkpoint.notes, network)


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as it is stored: to start from, to expand, to resume.

    Attributes:
        path: The file.
        record: What it says of its model.
        content: All of it, plain values and tensors; ``state_dict`` holds finite weights.
    """

    path: Path
    record: ModelRecord
    content: Mapping[str, Any]

    @classmethod
    def read(cls, path: str | Path) -> "Checkpoint":
        """Read a checkpoint, by its path or by the name of a published model.

        Raises:
            MissingFileError: There is no such file.
            CheckpointError: It is damaged, holds code, or was written by something else.
        """
        path = model_file(path)
        content = read_checkpoint(path)
        content["state_dict"] = without_additions(content["state_dict"])
        record = ModelRecord.from_dict(content[RECORD_KEY], str(path))
        found = cls(Path(path), record, content)
        _check_weights(record, found.weights(MODEL_PREFIX), str(path))
        return found

    @property
    def training(self) -> Mapping[str, Any]:
        """How the weights came about, in plain values."""
        told = self.content[RECORD_KEY].get("training")
        return told if isinstance(told, Mapping) else {}

    @property
    def notes(self) -> tuple[str, ...]:
        """What a careful user should know."""
        if knows_reading(self.content[RECORD_KEY]):
            return ()
        harmonized = ", values of new baselines as those of old ones" if self.record.read.harmonize else ""
        return (
            f"{self.path.name} is of release 0.1, which did not keep how scenes were read: bands go by their "
            f"names, nodata is what files declare{harmonized}. Give --sensor and --nodata if the "
            "training was told otherwise",
        )

    def weights(self, prefix: str) -> dict[str, Tensor]:
        """Return the weights whose names begin with a prefix, by what follows it."""
        return weights_below(self.content["state_dict"], prefix)

    @property
    def scene_prefix(self) -> str:
        """What stands before the weights of the :class:`SceneModel`; of two branches the target's."""
        return (
            _TARGET if any(name.startswith(_TARGET) for name in self.content["state_dict"]) else MODEL_PREFIX
        )

    @cached_property
    def scene_weights(self) -> dict[str, Tensor]:
        """Weights of the :class:`SceneModel`, by its own names; of two branches the target's."""
        return self.weights(self.scene_prefix)

    def source(self) -> "Checkpoint":
        """Return the source branch, as if it were stored alone.

        Raises:
            CheckpointError: There is none.
        """
        if self.record.transfer is None:
            raise CheckpointError(
                f"Expected a model with a source branch, but {self.path} has none. Give source, the "
                "checkpoint of the land-cover model, too."
            )
        alone = {MODEL_PREFIX + name: value for name, value in self.weights(_SOURCE).items()}
        return Checkpoint(self.path, self.record.transfer.source, {"state_dict": alone, RECORD_KEY: {}})

    def build(self) -> MapModel:
        """Build the whole model with its weights, in training mode.

        Raises:
            CheckpointError: Record and weights do not belong together.
        """
        return build_trained(self.record, self.weights(MODEL_PREFIX), str(self.path))


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read the plain content of a checkpoint: ``state_dict``, the model record and what else its task wrote.

    Raises:
        MissingFileError: There is no such file.
        CheckpointError: It is damaged, holds code, or was written by something else.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"Expected {path} to be a checkpoint, but it does not exist. Check the path.")
    content = read_plain(path)
    parts = [content.get(key) for key in ("state_dict", RECORD_KEY)] if isinstance(content, dict) else []
    if not isinstance(content, dict) or not all(isinstance(part, dict) for part in parts):
        raise CheckpointError(
            f"Expected {path} to be written by this package, but it holds no model record. "
            "Train with 'hierars-geo fit' or BHCCMTask."
        )
    if not all(isinstance(name, str) for name in content["state_dict"]):
        raise CheckpointError(
            f"Expected weights by name, but got other keys (in {path}). Write it with this package."
        )
    return content


def weights_below(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the weights whose names begin with a prefix, by what follows it.

    Example:
        >>> weights_below({"model.head.bias": torch.zeros(2), "loss": torch.zeros(1)}, "model.")
        {'head.bias': tensor([0., 0.])}
    """
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def load_weights(module: nn.Module, weights: Mapping[str, Tensor], expected: str) -> None:
    """Load all weights of a module, none missing and none left over.

    Args:
        module: Takes them, in place.
        weights: By its own names.
        expected: Beginning of the message, without the reason.

    Raises:
        CheckpointError: They do not fit.
    """
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise CheckpointError(f"{expected}, but: {reason[:160]}. Write the checkpoint again.") from error


def build_trained(record: ModelRecord, weights: Mapping[str, Tensor], origin: str) -> MapModel:
    """Build the whole model of a checkpoint, in training mode, and give it its weights.

    Raises:
        CheckpointError: Record and weights do not belong together, or a weight is not finite.
    """
    _check_weights(record, weights, origin)
    try:
        with NoInitialValues(parameters=True):
            model = build_model(record)
    except OptionError as error:
        raise CheckpointError(
            f"Expected the record in {origin} to be of a model that can be built here, but: {error}"
        ) from error
    load_weights(model, weights, f"Expected the weights in {origin} to fit its own model record")
    return model


def _check_weights(record: ModelRecord, weights: Mapping[str, Tensor], origin: str) -> None:
    """Refuse what would fill the memory or every map before anything is built.

    Layers are as wide as the record says before they are filled, so a few bytes of it could ask for more
    memory than there is; each of its widths is one of the weights, too.
    """
    for name, weight in weights.items():
        if not isinstance(weight, Tensor):
            raise CheckpointError(
                f"Expected weights to be tensors, but {name} is a {type(weight).__name__} (in {origin})."
            )
        # largest and smallest are NaN where any is: a tenth of the time of asking each
        if weight.is_floating_point() and weight.numel() and not all(map(torch.isfinite, weight.aminmax())):
            raise CheckpointError(
                f"Expected finite weights, but {name} holds NaN or infinity (in {origin}). The training "
                "diverged: take an earlier checkpoint, or train with a lower rate."
            )
    widest = max((size for weight in weights.values() for size in weight.shape), default=0)
    said = max(_widths(record))
    if said > max(widest, _MODEST):
        raise CheckpointError(
            f"Expected the model record to be of the size of its weights, but it asks for {said} where the "
            f"widest weight has {widest} (in {origin}). The file is damaged or made to harm."
        )


def _widths(record: ModelRecord) -> Iterator[int]:
    """Numbers that the model's layers grow with."""
    yield len(record.bands)
    yield from record.taxonomy.num_classes
    yield from _integers(record.model.options)
    if record.transfer is not None:
        yield from _widths(record.transfer.source)
        yield from _integers(record.transfer.options.to_dict())


def _integers(value: Any) -> Iterator[int]:  # noqa: ANN401 - plain values of any kind
    if isinstance(value, int):
        yield abs(value)
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _integers(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _integers(inner)
