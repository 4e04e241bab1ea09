"""Score the temporal heads on series of single pixels: chips of 1 x 1, no neighbour to help.

    python experiments/pixel_series.py tempcnn train_dataset.csv test_dataset.csv --dates 50 --dropout 0.5
    python experiments/pixel_series.py modis modis.npz --epochs 60

tempcnn: 149 dates of NIR, red and green, 13 crops, 260 + 260 samples of disjoint parcels (Pelletier et al.
2019). MODIS: 12 dates of NDVI, 4 classes below 2, 1218 places; modis.npz holds ``ndvi`` (n, 12), ``doy``
(n, 12) and ``label`` (n,) of the package sits; scored by five folds of places. The defaults were set before
the first run; dates and dropout of tempcnn were chosen by ``--folds 4`` on its training half, whose parcels
are dealt whole. Nothing was tuned on MODIS or on what is scored in the end.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hierars_geo.losses import HSCLoss
from hierars_geo.models import HierarchicalSegmenter, SceneModel, jsps, path_logits
from hierars_geo.models.features import EncoderDecoder
from hierars_geo.models.temporal import TEMPORAL, SeriesFeatures
from hierars_geo.taxonomy import Taxonomy

MODIS = {"Natural": ["Forest", "Cerrado"], "Farmed": ["Pasture", "Soy_Corn"]}


@dataclass(frozen=True)
class Samples:
    """Series (n, D, C) of values, days of the year (n, D), leaves (n,), and the places (n,) they are of."""

    values: NDArray[np.float32]
    doy: NDArray[np.int64]
    leaf: NDArray[np.int64]
    place: NDArray[np.int64]

    def at(self, rows: NDArray[Any]) -> "Samples":
        """Return some of them."""
        return Samples(self.values[rows], self.doy[rows], self.leaf[rows], self.place[rows])


class PixelEncoder(nn.Module):
    """Features of one date: two 1 x 1 convolutions."""

    output_stride = 1

    def __init__(self, bands: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(bands, width, 1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 1),
            nn.ReLU(),
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        """Map (B, C, H, W) to the image and its features."""
        return [image, self.layers(image)]


class PixelDecoder(nn.Module):
    """What follows the reduction: normalise, mix, drop."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.BatchNorm2d(width), nn.Conv2d(width, width, 1), nn.ReLU(), nn.Dropout(dropout)
        )

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Map the features of all levels to those of the last."""
        found: Tensor = self.layers(maps[-1])
        return found


def build(tree: Taxonomy, samples: Samples, args: argparse.Namespace) -> SceneModel:
    """Build a model of series of pixels, with the statistics of the samples."""
    bands = samples.values.shape[-1]
    body = EncoderDecoder(PixelEncoder(bands, args.width), PixelDecoder(args.width, args.dropout))
    features = SeriesFeatures(body, args.width, 1, args.temporal, bands)
    segmenter = HierarchicalSegmenter(features, tree.num_classes, dropout=0.0)
    flat = samples.values.reshape(-1, bands)
    return SceneModel(segmenter, flat.mean(axis=0).tolist(), flat.std(axis=0).tolist())


def train(tree: Taxonomy, samples: Samples, args: argparse.Namespace, seed: int) -> SceneModel:
    """Train on all samples."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    model = build(tree, samples, args)
    loss = HSCLoss(tree.paths, tree.num_classes)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.rate, weight_decay=args.decay)
    steps = args.epochs * -(-len(samples.leaf) // args.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, args.rate, total_steps=steps)
    spread = samples.values.std(axis=(0, 1))
    for _ in range(args.epochs):
        order = random.permutation(len(samples.leaf))
        for rows in np.array_split(order, -(-len(order) // args.batch)):
            part = samples.at(rows)
            level = random.normal(0, args.jitter, (len(rows), 1, part.values.shape[-1])) * spread
            noise = random.normal(0, args.jitter / 2, part.values.shape) * spread
            values = (part.values + level + noise).astype(np.float32)
            doy = part.doy + random.integers(-args.shift, args.shift + 1, (len(rows), 1))
            if args.dates:  # as many of every sample, so that the others cost nothing
                drawn = random.permuted(np.tile(np.arange(doy.shape[1]), (len(rows), 1)), axis=1)
                drawn = np.sort(drawn[:, : args.dates], axis=1)
                values = np.take_along_axis(values, drawn[..., None], axis=1)
                doy, kept = np.take_along_axis(doy, drawn, axis=1), np.ones(drawn.shape, np.bool_)
            else:
                kept = random.random(doy.shape) >= args.drop_dates
                kept[:, 0] |= ~kept.any(axis=1)
            logits = model(*_batch(values, kept, doy))
            value = loss(logits, torch.from_numpy(part.leaf)[:, None, None])["loss"]
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            schedule.step()
    return model.eval()


def _batch(
    values: NDArray[np.float32], valid: NDArray[np.bool_], doy: NDArray[np.int64]
) -> tuple[Tensor, Tensor, Tensor]:
    """Series (n, D, C) as batches of chips of 1 x 1."""
    image = torch.from_numpy(values)[..., None, None]
    return image, torch.from_numpy(valid)[..., None, None], torch.from_numpy(doy)


def accuracy(model: SceneModel, tree: Taxonomy, samples: Samples) -> list[float]:
    """Share of samples that are right, per level."""
    paths = torch.from_numpy(tree.paths.copy())
    with torch.inference_mode():
        whole = np.ones(samples.doy.shape, np.bool_)
        levels = model(*_batch(samples.values, whole, samples.doy))
        found = jsps(path_logits(levels, paths), paths)[:, :, 0, 0].numpy()
    truth = np.stack([tree.lift(samples.leaf, level) for level in range(1, tree.num_levels + 1)], axis=1)
    return [float(share) for share in (found == truth).mean(axis=0)]


def folds(samples: Samples, count: int, seed: int) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Deal places to folds, every class evenly: rows to train on, and rows to score."""
    random = np.random.default_rng(seed)
    fold = np.zeros(len(samples.leaf), np.int64)
    for leaf in np.unique(samples.leaf):
        places, sizes = np.unique(samples.place[samples.leaf == leaf], return_counts=True)
        mixed = random.permutation(len(places))
        held = np.zeros(count, np.int64)
        for number in mixed[np.argsort(-sizes[mixed], kind="stable")]:
            least = int(np.argmin(held))
            fold[(samples.leaf == leaf) & (samples.place == places[number])] = least
            held[least] += sizes[number]
    return [(np.flatnonzero(fold != n), np.flatnonzero(fold == n)) for n in range(count)]


def read(args: argparse.Namespace) -> tuple[Taxonomy, Samples, Samples | None]:
    """Return the tree, the samples to train on, and those to score where they are apart."""
    if args.data == "tempcnn":
        parts = [np.loadtxt(path, delimiter=",", dtype=np.float64) for path in args.files]
        classes = np.unique(parts[0][:, 0])
        tree = _tree({"crops": [f"crop {int(value)}" for value in classes]}, flat=True)
        made = [
            Samples(
                part[:, 2:].reshape(len(part), -1, 3).astype(np.float32),
                np.tile(np.arange((part.shape[1] - 2) // 3) * 2 + 1, (len(part), 1)),
                np.searchsorted(classes, part[:, 0]),
                part[:, 1].astype(np.int64),
            )
            for part in parts
        ]
        return tree, made[0], made[1]
    held = np.load(args.files[0])
    names = [name for group in MODIS.values() for name in group]
    leaf = np.array([names.index(str(label)) for label in held["label"]])
    doy, places = held["doy"].astype(np.int64), np.arange(len(leaf))
    return _tree(MODIS), Samples(held["ndvi"][..., None], doy, leaf, places), None


def _tree(groups: dict[str, list[str]], flat: bool = False) -> Taxonomy:
    leaves = [(name, group) for group, names in groups.items() for name in names]
    fine = [
        {"name": name, "value": n + 1, "color": [20 + n, 0, 0]} | ({} if flat else {"parent": group})
        for n, (name, group) in enumerate(leaves)
    ]
    coarse = [{"name": name, "value": n + 1, "color": [0, 90 * n, 0]} for n, name in enumerate(groups)]
    levels = [{"name": "L1", "classes": coarse}, {"name": "L2", "classes": fine}]
    return Taxonomy.from_dict({"name": "pixels", "nodata": 0, "levels": levels[1:] if flat else levels})


def main(argv: Sequence[str]) -> int:
    """Train and score, and print one line of JSON per head and seed."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("data", choices=("tempcnn", "modis"))
    p.add_argument("files", type=Path, nargs="+")
    p.add_argument("--temporal", choices=TEMPORAL, default="ltae")
    p.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    p.add_argument("--folds", type=int, default=0, help="score by folds of the training samples alone")
    p.add_argument("--epochs", type=int, default=100)
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--width", type=int, default=64)
    p.add_argument("--rate", type=float, default=3e-3)
    p.add_argument("--decay", type=float, default=0.05)
    p.add_argument("--dropout", type=float, default=0.3)
    p.add_argument("--jitter", type=float, default=0.1)
    p.add_argument("--shift", type=int, default=5, help="days that a series is moved by, at most")
    p.add_argument("--drop-dates", type=float, default=0.3, help="share that is hidden from a training")
    p.add_argument(
        "--dates", type=int, default=0, help="that a training sees of a sample, in place of a share"
    )
    args = p.parse_args(argv)
    torch.set_num_threads(1)
    tree, samples, test = read(args)
    for seed in args.seeds:
        began = time.process_time()
        if test is not None and not args.folds:
            scores = [accuracy(train(tree, samples, args, seed), tree, test)]
        else:
            parts = folds(samples, args.folds or 5, seed)
            scores = [
                accuracy(train(tree, samples.at(fit), args, seed), tree, samples.at(held))
                for fit, held in parts
            ]
        mean = np.mean(scores, axis=0).round(4).tolist()
        line = {"temporal": args.temporal, "seed": seed, "accuracy": mean}
        line["cpu_s"] = round(time.process_time() - began, 1)
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
