"""Tasks that know their data without a data module."""

from typing import Any

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
