"""TrainingData: what a task has to know of the data that it learns from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..errors import OptionError
from ..models.map_model import MapModel
from ..models.record import ModelRecord
from ..taxonomy import Taxonomy
from ..types import ReadRecipe
from .loss import Frequencies


@dataclass(frozen=True)
class TrainingData:
    """What a task has to know of its data; a data module says it by itself.

    Attributes:
        taxonomy: The class tree of the labels.
        read: How scenes are read; its bands are the channels of the images.
        mean: Normalisation per band, in stored values.
        std: Normalisation per band, in stored values, > 0.
        chip_size: Side of a training chip in pixels, or None.
        gsd_m: Ground sampling distance in metres, or None.
        class_frequencies: Pixels per leaf, or per level and class, or a function that counts them, called
            when training starts with weights to be computed.
        by_weights: Whether mean and std come from the pretrained weights; those here are then what these
            are checked against.
    """

    taxonomy: Taxonomy
    read: ReadRecipe
    mean: Sequence[float]
    std: Sequence[float]
    chip_size: int | None = None
    gsd_m: float | None = None
    class_frequencies: Frequencies | None = None
    by_weights: bool = False

    @classmethod
    def of(cls, datamodule: object) -> "TrainingData":
        """Ask a data module; statistics are computed now, classes are counted only when somebody asks.

        Raises:
            OptionError: It is none that knows its bands and classes, or there is none.
            HieraRSError: Its scenes cannot be read.
        """
        names = ("taxonomy", "read_recipe", "mean", "std", "chip_size", "gsd_m", "class_frequencies")
        lacking = [name for name in names if not hasattr(type(datamodule), name)]
        if lacking:
            found = "none" if datamodule is None else f"a {type(datamodule).__name__} without {lacking[0]}"
            raise OptionError(
                f"Expected a data module that knows bands, statistics and classes, but got {found}. Give a "
                "hierars_geo.datamodules.SceneDataModule to the trainer, or call "
                "task.build(TrainingData(...))."
            )
        module: Any = datamodule
        counted: Callable[[], Any] = lambda: module.class_frequencies  # noqa: E731 - asked for by few
        return cls(
            taxonomy=module.taxonomy,
            read=module.read_recipe,
            mean=module.mean,
            std=module.std,
            chip_size=module.chip_size,
            gsd_m=module.gsd_m,
            class_frequencies=counted,
            by_weights=getattr(module, "normalized_by_weights", False),
        )


def require_same_data(record: ModelRecord, datamodule: object) -> None:
    """Refuse a data module whose bands or classes are not the model's.

    Raises:
        OptionError: They are others.
    """
    tree, bands = getattr(datamodule, "taxonomy", None), getattr(datamodule, "bands", None)
    if bands is not None and tuple(bands) != record.bands:
        raise OptionError(
            f"Expected data with the bands of the model, {', '.join(record.bands)}, but got "
            f"{', '.join(bands)}. Set bands of the data module."
        )
    own = record.taxonomy
    if isinstance(tree, Taxonomy) and (
        tree.num_levels != own.num_levels
        or any(tree.class_names(level) != own.class_names(level) for level in range(1, own.num_levels + 1))
    ):
        raise OptionError(
            f"Expected data with the classes of the model, {own.name}, but got those of {tree.name}. Set "
            "taxonomy of the data module, or carry the model over: hierars-geo expand."
        )


def try_size(model: MapModel, record: ModelRecord, chip_px: int) -> None:
    """Show the model one empty chip: encoders of one size would fail at the first step, in a library's words.

    Raises:
        OptionError: It cannot take chips of this size.
    """
    training = {name: module.training for name, module in model.named_modules()}
    random = torch.get_rng_state()
    try:
        with torch.no_grad():
            chip = torch.zeros(1, len(record.bands), chip_px, chip_px)
            series = record.model.temporal is not None
            model.eval()(*((chip[None], None, torch.ones(1, 1)) if series else (chip,)))
    except (RuntimeError, AssertionError, ValueError, IndexError, TypeError) as error:
        reason = " ".join(str(error).split())[:160]
        raise OptionError(
            f"Expected architecture '{record.model.architecture}' with encoder '{record.model.encoder}' to "
            f"take chips of {chip_px} px, but: {reason}. Set another chips.size, or an encoder of any size "
            "(resnet18, convnext_tiny, swin_tiny)."
        ) from error
    finally:
        torch.set_rng_state(random)
        for name, module in model.named_modules():
            module.training = training[name]
