"""The models that are predicted with: checkpoints for this project, exported programs for the others."""

import warnings
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from hierars_geo.models import RECORD_KEY, ModelConfig, ModelRecord, SceneModel, build_model
from hierars_geo.taxonomy import Taxonomy
from hierars_geo.types import ReadRecipe, SeriesRule

BANDS = ("B02", "B03", "B04", "B08")
TREE = Taxonomy.from_yaml("mm5b")
LEAVES = TREE.num_classes[-1]
CONFIGS = {
    "unet-resnet18": ModelConfig("unet", "resnet18", "residual"),
    "upernet-convnext-t": ModelConfig("upernet", "convnext_tiny", "residual"),
    "cheap": ModelConfig("unet", "tu-test_resnet", "flat", options={"decoder_channels": [16, 16, 8, 8, 8]}),
}


def write_checkpoint(
    path: Path,
    name: str,
    window_px: int,
    temporal: str | None = None,
    bands: tuple[str, ...] = BANDS,
) -> SceneModel:
    """Write a checkpoint with random weights that says different things at different places.

    Args:
        path: File to write.
        name: One of :data:`CONFIGS`.
        window_px: Side of the training chips it shall claim.
        temporal: How the dates of a series become one; None for a model of images.
        bands: Of its scenes.

    Returns:
        The model in eval mode.
    """
    torch.manual_seed(0)
    record = ModelRecord(
        taxonomy=TREE,
        read=ReadRecipe(bands, series=None if temporal is None else SeriesRule()),
        mean=(1000.0,) * len(bands),
        std=(500.0,) * len(bands),
        model=replace(CONFIGS[name], temporal=temporal),
        chip_size=window_px,
        gsd_m=10.0,
    )
    model = build_model(record).eval()
    assert isinstance(model, SceneModel)
    for name, weight in model.named_parameters():
        if "head.classifiers" in name and name.endswith("weight"):
            nn.init.normal_(weight, std=2.0)
    weights = {f"model.{key}": value for key, value in model.state_dict().items()}
    torch.save({"state_dict": weights, RECORD_KEY: record.to_dict()}, path)
    return model


class _PathLogits(nn.Module):
    """Stored values (B, C, h, w) to path logits (B, T, h, w): what any tool for flat models can run."""

    def __init__(self, model: SceneModel) -> None:
        super().__init__()
        self.model = model
        self.paths: Tensor
        self.register_buffer("paths", torch.from_numpy(TREE.paths.copy()))

    def forward(self, image: Tensor) -> Tensor:
        """Run the model on stored values."""
        return self.model.path_logits(image, None, self.paths)


def export_model(model: SceneModel, path: Path, window_px: int) -> None:
    """Write a model as a program of ATen operators that needs nothing but PyTorch to run.

    Args:
        model: In eval mode.
        path: File to write, ``.pt2``.
        window_px: Side of the windows; the size of the batch stays free.
    """
    image = torch.rand(2, len(BANDS), window_px, window_px)
    batch = torch.export.Dim("batch", min=1, max=64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on weights that share storage: all of them are on the CPU
        program = torch.export.export(_PathLogits(model), (image,), dynamic_shapes=({0: batch},))
        torch.export.save(program, path)
