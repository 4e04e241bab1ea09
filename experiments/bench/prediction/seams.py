"""Seams: steps of the path logits across window borders against steps inside windows."""

from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter  # type: ignore[attr-defined]
from torch import Tensor, nn

from hierars_geo.models import load
from hierars_geo.predict import WindowPlan, predict_array
from hierars_geo.types import Blend

from .models import BANDS, TREE, write_checkpoint


def smooth_image(side_px: int) -> Tensor:
    """A scene without edges of its own (C, side, side): what is a step was made by the tiling."""
    noise = np.random.default_rng(0).normal(size=(len(BANDS), side_px, side_px))
    smooth = np.stack([gaussian_filter(band, 8) for band in noise])
    return torch.from_numpy(smooth / smooth.std() * 500 + 1000).float()


class RandomConvolutions(nn.Module):
    """Convolutions with random weights and zero padding: borders of windows differ from their inside."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(
            nn.Conv2d(len(BANDS), 16, 7, padding=3),
            nn.ReLU(),
            nn.Conv2d(16, 16, 7, padding=3),
            nn.ReLU(),
            nn.Conv2d(16, TREE.num_paths, 7, padding=3),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Compute path logits."""
        logits: Tensor = self.layers((image - 1000) / 500)
        return logits


def seam_step(model: nn.Module, image: Tensor, window_px: int, overlap: float, blend: Blend) -> float:
    """Largest step across a border of windows in units of the largest elsewhere.

    Args:
        model: Maps (B, C, h, w) to (B, T, h, w).
        image: (C, H, W).
        window_px: Side of a window.
        overlap: Share of the window.
        blend: How windows are blended.
    """
    result = predict_array(
        model, image, num_classes=TREE.num_paths, window=window_px, overlap=overlap, blend=blend
    )
    plan = WindowPlan.of((image.shape[1], image.shape[2]), window_px, overlap)
    worst = []
    for axis, extent in ((1, "row"), (2, "col")):
        steps = result.path_logits.diff(dim=axis).abs().amax(dim=(0, 3 - axis))
        edges = {getattr(window, extent) for window in plan.windows}
        edges |= {getattr(window, f"{extent}_stop") for window in plan.windows}
        border = torch.zeros(len(steps), dtype=torch.bool)
        border[[edge - 1 for edge in edges if 0 < edge < image.shape[axis]]] = True
        worst.append(float(steps[border].max() / steps[~border].max()))
    return max(worst)


class _Paths(nn.Module):
    """A loaded model as a map from stored values to path logits."""

    def __init__(self, checkpoint: Path) -> None:
        super().__init__()
        loaded = load(checkpoint)
        self.model = loaded.network
        self.paths = torch.from_numpy(loaded.record.taxonomy.paths.copy())

    def forward(self, image: Tensor) -> Tensor:
        return self.model.path_logits(image, None, self.paths)


def models(folder: Path, window_px: int, trained: Path | None = None) -> dict[str, nn.Module]:
    """Return the models whose seams are looked at; ``trained`` is a checkpoint with four bands."""
    checkpoint = folder / "bhccm.ckpt"
    write_checkpoint(checkpoint, "unet-resnet18", window_px)
    found = {"random convolutions": RandomConvolutions(), "BHCCM, random weights": _Paths(checkpoint)}
    if trained is not None:
        found[f"BHCCM, {trained.name}"] = _Paths(trained)
    return found
