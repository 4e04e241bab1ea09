"""Learn what the training ground looks like to a model: prototypes, scale and threshold."""

import warnings
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2
from scipy.spatial.distance import cdist
from torch.nn import functional as F

from ..errors import DataError
from ..models.applicability import Applicability
from ..models.dissimilarity import pooled
from ..models.features import padded_size
from ..models.map_model import MapModel
from ..types import Batch
from .batches import ground_valid

#: Prototypes, and cells of the training ground that they are found among.
PROTOTYPES = 256
_MOST_CELLS = 20_000

#: Cells of a chip that are kept: neighbours look alike.
_CELLS_PER_CHIP = 64

#: Chips of a ground that stand for all of it.
MOST_CHIPS = 320

#: Parts of the ground that are left out in turn to find the threshold.
FOLDS = 5

_ITERATIONS = 12
_PAIRS = 2_000

Block = tuple[str, int, int]


def learn_ground(
    model: MapModel, batches: Iterable[Batch], block_of: Callable[[Batch, int], Block]
) -> Applicability:
    """Learn the training ground of a model.

    Features are standardised by band of the decoder. The prototypes are the centres of clusters of them, and
    dissimilarity 1 is their mean distance from each other. To find the threshold, blocks of ground are left
    out in turn: it is the largest dissimilarity of their features to prototypes of the rest, outliers apart
    (above the upper quartile by more than 1.5 times the distance between the quartiles).

    Args:
        model: In eval mode.
        batches: Of the training ground, not augmented.
        block_of: Which block a chip of a batch lies in.

    Returns:
        What the checkpoint shall know; ``outside`` is 0 until :func:`share_outside` has counted.

    Raises:
        DataError: There are fewer than two blocks, or no pixel holds data.
    """
    features, block = _sampled(model, batches, block_of)
    blocks = sorted(set(block))
    if len(blocks) < 2:
        raise DataError(
            f"Expected at least 2 blocks of training ground with data, but got {len(blocks)}. Take smaller "
            "blocks: --block-m."
        )
    mean, std = features.mean(axis=0), features.std(axis=0)
    std = np.maximum(std, 1e-3 * max(float(std.max()), 1e-6))  # a dead channel says nothing
    normal = ((features - mean) / std).astype(np.float32)
    rng = np.random.default_rng(0)
    one, other = rng.integers(len(normal), size=(2, _PAIRS))
    scale = float(np.linalg.norm(normal[one] - normal[other], axis=1).mean())
    fold_of = dict(zip(blocks, rng.permutation(len(blocks)) % min(FOLDS, len(blocks)), strict=True))
    fold = np.array([fold_of[each] for each in block])
    left_out = np.concatenate(
        [_nearest(normal[fold == each], _centres(normal[fold != each], rng)) for each in np.unique(fold)]
    )
    return Applicability(
        mean=tuple(mean.tolist()),
        std=tuple(std.tolist()),
        prototypes=tuple(map(tuple, np.round(_centres(normal, rng), 4).tolist())),
        scale=scale,
        threshold=upper_whisker(left_out / scale),
        blocks=len(blocks),
        outside=0.0,
    )


def share_outside(model: MapModel, known: Applicability, batches: Iterable[Batch]) -> float:
    """Share of the cells of some ground that lie outside the area of applicability, 0..1.

    Raises:
        DataError: No pixel of it holds data.
    """
    mean, std, centres = (np.array(each) for each in (known.mean, known.std, known.prototypes))
    limit, outside, count = known.scale * known.threshold, 0, 0
    for batch in batches:
        cells = np.concatenate(cell_features(model, batch))
        outside += int((_nearest(((cells - mean) / std), centres) > limit).sum())
        count += len(cells)
    if count == 0:
        raise DataError("Expected ground kept apart that holds data, but got none. Keep other ground apart.")
    return outside / count


def upper_whisker(values: NDArray[np.floating]) -> float:
    """Return the largest value that is no outlier by Tukey's rule.

    Examples:
        >>> upper_whisker(np.array([1.0, 2.0, 3.0, 4.0, 100.0]))
        4.0
    """
    low, high = np.quantile(values, (0.25, 0.75))
    return float(values[values <= high + 1.5 * (high - low)].max())


def _nearest(features: NDArray[np.floating], centres: NDArray[np.floating]) -> NDArray[np.float64]:
    """Distance (n,) of features (n, D) to the nearest of (K, D)."""
    nearest: NDArray[np.float64] = cdist(features, centres).min(axis=1)
    return nearest


def _centres(features: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Cluster features (n, D): (K, D), at most :data:`PROTOTYPES`."""
    start = features[rng.permutation(len(features))[:PROTOTYPES]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a cluster that lost its members keeps its place
        centres: NDArray[np.float32] = kmeans2(features, start, iter=_ITERATIONS, minit="matrix")[0]
    return centres


def _sampled(
    model: MapModel, batches: Iterable[Batch], block_of: Callable[[Batch, int], Block]
) -> tuple[NDArray[np.float64], Sequence[Block]]:
    """Features (n, D) of some cells of every chip, and the block of each."""
    rng = np.random.default_rng(0)
    found: list[NDArray[np.float32]] = []
    block: list[Block] = []
    for batch in batches:
        for chip, cells in enumerate(cell_features(model, batch)):
            kept = cells[rng.permutation(len(cells))[:_CELLS_PER_CHIP]]
            found.append(kept)
            block += [block_of(batch, chip)] * len(kept)
    features = np.concatenate(found).astype(np.float64) if found else np.zeros((0, 1))
    if len(features) > _MOST_CELLS:
        chosen = rng.choice(len(features), _MOST_CELLS, replace=False)
        features, block = features[chosen], [block[each] for each in chosen]
    return features, block


def cell_features(model: MapModel, batch: Batch) -> list[NDArray[np.float32]]:
    """Features (n, D) of the cells of every chip all of whose pixels hold data."""
    device = next(iter(model.parameters())).device
    image, valid = batch["image"].to(device), batch["valid"].to(device)
    with torch.inference_mode():
        doy = batch["doy"].to(device) if "doy" in batch else None
        features = model.features_and_logits(image, valid, doy)[0].float()
        cells = pooled(features, model.cell(image, features))
        height, width = image.shape[-2:]
        tall, wide = padded_size((height, width), model.multiple)
        ground = ground_valid(batch).to(device)[:, None].float()
        held = F.pad(ground, (0, wide - width, 0, tall - height))
        whole = F.interpolate(held, size=cells.shape[-2:], mode="area")[:, 0] == 1
    return [chip[:, there].T.cpu().numpy() for chip, there in zip(cells, whole, strict=True)]
