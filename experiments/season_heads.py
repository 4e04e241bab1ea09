"""Heads over a season's dates on generated scenes, single dates and TorchGeo's ConvLSTM in equal CPU time.

    hierars-geo synth clear --crops --dates 12 --clouds 0 --size-m 2560 --sensors sentinel2
    hierars-geo synth cloudy --crops --dates 12 --clouds 0.4 --size-m 2560 --sensors sentinel2
    python experiments/season_heads.py clear cloudy --models utae mean 0613 convlstm

One place and year trains, another of each tests. All models see the same random chips of the same pixels in
memory, for the same seconds of CPU, the learning rate following the seconds. Dates are read under the scenes'
own cloud masks (SCL); a model of one date is scored where that date is clear, the others wherever any is.
``--models``: temporal heads, ``dates`` for each date alone, a day (``0708``, nearest), and ``convlstm`` with
TorchGeo 0.10 or newer, flat, whose masked pixels hold the mean as it takes no mask.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import rasterio
import torch
import torchgeo.models
from torch import Tensor, nn

from hierars_geo.grid import Window
from hierars_geo.losses import HSCLoss
from hierars_geo.metrics import HierarchicalMetrics
from hierars_geo.models import ModelConfig, ModelRecord, SceneModel, build_model, jsps
from hierars_geo.models.temporal import TEMPORAL
from hierars_geo.scenes.season import SeasonScene
from hierars_geo.scenes.sensors import find_sensor
from hierars_geo.taxonomy import Taxonomy
from hierars_geo.types import MaskRule, ReadRecipe, SeriesRule

TREE = Taxonomy.from_yaml("crop10m")
BANDS = tuple(find_sensor("sentinel2").default_bands)
RECIPE = ReadRecipe(BANDS, "sentinel2", series=SeriesRule(), mask=MaskRule(("cloud", "shadow", "cirrus")))
CHIP_PX, BATCH, RATE = 32, 4, 3e-3
#: A module, what maps series (B, D, C, H, W), validity (B, D, H, W) and days (B, D) to its outputs, and their
#: loss by leaves (B, H, W).
Trainable: TypeAlias = tuple[
    nn.Module, Callable[[Tensor, Tensor, Tensor], Any], Callable[[Any, Tensor], Tensor]
]


@dataclass(frozen=True)
class Place:
    """One place and season: image (D, C, H, W), valid (D, H, W), days of the year (D,), leaves (H, W)."""

    image: Tensor
    valid: Tensor
    days: tuple[date, ...]
    leaf: Tensor

    @classmethod
    def read(cls, folder: Path) -> "Place":
        """Read what ``synth --crops`` wrote."""
        with rasterio.open(folder / f"{folder.name}_labels.tif") as labels:
            leaf = torch.from_numpy(TREE.value_to_index(labels.read(1)).astype(np.int64))
        with SeasonScene.of_paths([folder / "season"], RECIPE) as scene:
            dated = [
                found for (found,) in scene.dates([Window(0, 0, *scene.grid.shape)]) if found is not None
            ]
        image = np.stack([patch.data for _, patch in dated]).astype(np.float32)
        valid = np.stack([patch.valid for _, patch in dated])
        return cls(torch.from_numpy(image), torch.from_numpy(valid), tuple(day for day, _ in dated), leaf)

    def only(self, number: int) -> "Place":
        """Return one date alone."""
        part = slice(number, number + 1)
        return Place(self.image[part], self.valid[part], self.days[part], self.leaf)

    @property
    def doy(self) -> Tensor:
        """(D,) int64."""
        return torch.tensor([day.timetuple().tm_yday for day in self.days])

    def chips(self, random: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Draw a batch: image, validity, days and leaves; turned over at random."""
        rows, cols = random.integers(0, np.array(self.leaf.shape)[:, None] - CHIP_PX + 1, (2, BATCH))
        drawn = []
        for row, col in zip(rows, cols, strict=True):
            window = (..., slice(row, row + CHIP_PX), slice(col, col + CHIP_PX))
            flips = [axis for axis in (-1, -2) if random.random() < 0.5]
            drawn.append([part[window].flip(flips) for part in (self.image, self.valid, self.leaf)])
        image, valid, leaf = (torch.stack(parts) for parts in zip(*drawn, strict=True))
        # no label where nothing is seen
        return image, valid, self.doy.expand(BATCH, -1), leaf.masked_fill(~valid.any(dim=1), -100)


def ours(temporal: str, mean: Tensor, std: Tensor) -> Trainable:
    """Build BHCCM over a head."""
    config = ModelConfig(
        "unet", "tu-test_resnet", options={"decoder_channels": [32, 16, 16, 8, 8]}, temporal=temporal
    )
    record = ModelRecord(TREE, RECIPE, tuple(mean.tolist()), tuple(std.tolist()), config, CHIP_PX, 10.0)
    model, loss = build_model(record), HSCLoss(TREE.paths, TREE.num_classes, alpha=1.0)
    return model, model, lambda logits, leaf: loss(logits, leaf)["loss"]


def convlstm(width: int, mean: Tensor, std: Tensor) -> Trainable:
    """Build TorchGeo's model of series, flat."""
    model = torchgeo.models.ConvLSTM(len(BANDS), hidden_dim=width, num_classes=TREE.num_classes[-1])  # type: ignore[call-arg]

    def scores(image: Tensor, valid: Tensor, doy: Tensor) -> Tensor:
        normal = (image - mean[:, None, None]) / std[:, None, None]
        found: Tensor = model(normal.masked_fill(~valid.unsqueeze(2), 0.0))
        return found

    return model, scores, nn.CrossEntropyLoss(ignore_index=-100)


def run(name: str, train: Place, test: Place, args: argparse.Namespace, seed: int) -> dict[str, Any]:
    """Train for the seconds that are given, and score."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    pixels = train.image.movedim(1, -1)[train.valid]
    statistics = pixels.mean(dim=0), pixels.std(dim=0)
    flat = name == "convlstm"
    model, scores, loss = convlstm(args.width, *statistics) if flat else ours(name, *statistics)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
    began, steps, spent = time.process_time(), 0, 0.0
    model.train()
    while spent < args.seconds:
        done = spent / args.seconds
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, 0.02 + 10 * done) * (1 + np.cos(np.pi * done)) / 2
        *chips, leaf = train.chips(random)
        value = loss(scores(*chips), leaf)
        optimizer.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        steps, spent = steps + 1, time.process_time() - began
    model.eval()
    metrics = HierarchicalMetrics(TREE)
    leaf = test.leaf.masked_fill(~test.valid.any(dim=0), -100)[None]
    given = test.image[None], test.valid[None], test.doy[None]
    with torch.inference_mode():
        if isinstance(model, SceneModel):
            paths = torch.from_numpy(TREE.paths.copy())
            model.pool_gates(CHIP_PX)
            metrics.update(jsps(model.path_logits(given[0], given[1], paths, given[2]), paths), leaf)
        else:
            metrics.update_leaf(scores(*given).argmax(dim=1), leaf)
    found = metrics.compute().levels
    shares = {f"mIoU_L{n}": round(100 * level.miou, 1) for n, level in enumerate(found, start=1)}
    return {
        "seed": seed,
        "steps": steps,
        "cpu_s": round(spent, 1),
        "OA_L3": round(100 * found[-1].oa, 1),
    } | shares


def nearest(place: Place, day: str) -> int:
    """Number the date of a place that is nearest to a day of the year such as 0708."""
    wanted = date(place.days[0].year, int(day[:2]), int(day[2:]))
    return int(np.argmin([abs((each - wanted).days) for each in place.days]))


def main(argv: Sequence[str]) -> int:
    """Print one line of JSON per training."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("scenes", type=Path, nargs="+")
    p.add_argument("--models", nargs="+", default=[*TEMPORAL, "dates"])
    p.add_argument("--seconds", type=float, default=12.0, help="CPU seconds of a training")
    p.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    p.add_argument("--width", type=int, default=16, help="channels of convlstm's state")
    args = p.parse_args(argv)
    torch.set_num_threads(1)
    pairs = {
        folder.name: [Place.read(folder / name) for name in ("crop_train", "crop_test")]
        for folder in args.scenes
    }
    for seed in args.seeds:
        for scenes, pair in pairs.items():
            days = [f"{day:%m%d}" for day in pair[1].days]
            for name in (one for asked in args.models for one in (days if asked == "dates" else [asked])):
                known = name in TEMPORAL or name == "convlstm"
                train, test = pair if known else (place.only(nearest(place, name)) for place in pair)
                line = {"scenes": scenes, "model": name} | run(
                    name if known else "mean", train, test, args, seed
                )
                sys.stdout.write(json.dumps(line) + "\n")
                sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
