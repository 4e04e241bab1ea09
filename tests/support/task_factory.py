"""Tasks that know their data without a data module, chips of random classes, and a trainer for both."""

from typing import Any

import torch
from lightning.pytorch import Trainer
from torch.utils.data import DataLoader

from hierars_geo.tasks import BHCCMTask, SegmentationTask, TrainingData
from hierars_geo.taxonomy import Taxonomy
from hierars_geo.types import ReadRecipe

#: A model that a test trains in a second, and the two bands that it sees.
SMALL: dict[str, Any] = {
    "taxonomy": "mm5b",
    "bands": ("B02", "B03"),
    "mean": (1000.0, 1000.0),
    "std": (500.0, 500.0),
    "architecture": "unet",
    "encoder": "tu-test_resnet",
    "model_options": {"decoder_channels": [32, 16, 16, 8, 8]},
}


def make_task(
    kind: type[SegmentationTask] = BHCCMTask,
    *,
    taxonomy: str | Taxonomy,
    bands: tuple[str, ...],
    mean: tuple[float, ...],
    std: tuple[float, ...],
    chip_size: int | None = None,
    gsd_m: float | None = None,
    class_frequencies: Any = None,
    **options: Any,
) -> Any:
    """Build a task; what is not said of the data are options of the task."""
    tree = taxonomy if isinstance(taxonomy, Taxonomy) else Taxonomy.from_yaml(taxonomy)
    data = TrainingData(tree, ReadRecipe(tuple(bands)), mean, std, chip_size, gsd_m, class_frequencies)
    return kind(**options).build(data)


def chip_loader(count: int, classes: int = 18, bands: int = 2) -> DataLoader[Any]:
    """Batches of two chips of random classes, the first of them always the same."""
    generator = torch.Generator().manual_seed(1)
    mask = torch.randint(-1, classes, (2 * count, 32, 32), generator=generator)
    image = torch.rand(2 * count, bands, 32, 32, generator=generator) * 2000
    mask[mask < 0] = -100
    valid = torch.ones(2, 32, 32, dtype=torch.bool)
    batches: Any = [
        {"image": image[i : i + 2], "mask": mask[i : i + 2], "valid": valid} for i in range(0, 2 * count, 2)
    ]
    # a generator of its own, as the data module's: starting an epoch then draws nothing from the common one
    return DataLoader(batches, batch_size=None, generator=torch.Generator())


def quiet_trainer(folder: Any, **options: Any) -> Trainer:
    """Return a trainer on the CPU that writes below a folder and says nothing."""
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    return Trainer(default_root_dir=folder, accelerator="cpu", **(quiet | options))
