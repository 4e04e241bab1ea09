"""Heads over a season's dates on generated scenes, single dates and TorchGeo's ConvLSTM in equal CPU time.

    hierars-geo synth clear --crops --dates 12 --clouds 0 --size-m 2560 --sensors sentinel2
    hierars-geo synth cloudy --crops --dates 12 --clouds 0.4 --size-m 2560 --sensors sentinel2
    python experiments/season_heads.py clear cloudy --models mean 0606 0618
    python experiments/season_heads.py clear cloudy --models utae ltae --drop-dates 0.3 --day-shift 8
    python experiments/season_heads.py clear --models presto --presto-weights FILE --freeze

One place and year trains, another of each tests. All models see the same random chips of the same pixels in
memory, for the same seconds of CPU, the learning rate following the seconds. Dates are read under the scenes'
own cloud masks (SCL). All are scored on the ground that is clear at any date: a model of one date guesses
under its clouds; ``clear_L3`` is its score where it is clear.
``--models``: temporal heads, ``dates`` for each date alone, a day (``0708``, nearest), ``convlstm`` with
TorchGeo 0.10 or newer, flat, whose masked pixels hold the mean as it takes no mask, and ``presto`` on chips
of 8 px, whose pixels have no neighbours. ``--probe`` trains no network: a forest on single pixels, left half
to right half of the training place, says what each date of a season without clouds and all are worth.
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
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import balanced_accuracy_score
from torch import Tensor, nn

from hierars_geo.grid import Window
from hierars_geo.losses import HSCLoss
from hierars_geo.metrics import HierarchicalMetrics, LevelScores
from hierars_geo.models import ModelConfig, ModelRecord, SceneModel, build_scene_model, jsps
from hierars_geo.models.temporal import TEMPORAL
from hierars_geo.models.tuning import freeze
from hierars_geo.scenes.season import SeasonScene
from hierars_geo.scenes.sensors import find_sensor
from hierars_geo.tasks.linear_head import measure_units
from hierars_geo.taxonomy import Taxonomy
from hierars_geo.types import MaskRule, ReadRecipe, SeriesRule

TREE = Taxonomy.from_yaml("crop10m")
BANDS = tuple(find_sensor("sentinel2").default_bands)
RECIPE = ReadRecipe(BANDS, "sentinel2", series=SeriesRule(), mask=MaskRule(("cloud", "shadow", "cirrus")))
CHIP_PX, BATCH = 32, 4
#: Pixels left out on both sides between the halves of a probe.
BUFFER_PX = 8
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

    def chips(
        self, random: np.random.Generator, drop: float, shift: int, side: int
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Draw a batch: image, validity, days and leaves; turned over, dates left out and moved at random."""
        rows, cols = random.integers(0, np.array(self.leaf.shape)[:, None] - side + 1, (2, BATCH))
        drawn = []
        for row, col in zip(rows, cols, strict=True):
            window = (..., slice(row, row + side), slice(col, col + side))
            flips = [axis for axis in (-1, -2) if random.random() < 0.5]
            drawn.append([part[window].flip(flips) for part in (self.image, self.valid, self.leaf)])
        image, valid, leaf = (torch.stack(parts) for parts in zip(*drawn, strict=True))
        kept = torch.from_numpy(random.random(valid.shape[:2]) >= drop)
        kept[~kept.any(dim=1)] = True
        valid = valid & kept[:, :, None, None]
        doy = self.doy + torch.from_numpy(random.integers(-shift, shift + 1, (BATCH, 1)))
        return image, valid, doy, leaf.masked_fill(~valid.any(dim=1), -100)  # no label where nothing is seen


def ours(temporal: str, mean: Tensor, std: Tensor, args: argparse.Namespace) -> Trainable:
    """Build BHCCM over a head, or over Presto."""
    config = ModelConfig(
        "unet", "tu-test_resnet", options={"decoder_channels": [32, 16, 16, 8, 8]}, temporal=temporal
    )
    if temporal == "presto":
        options = {"latitude": args.place[0], "longitude": args.place[1]}
        config = ModelConfig("hypercolumn", "torchgeo:presto", options=options)
        mean, std = torch.zeros(len(BANDS)), torch.full((len(BANDS),), 10000.0)
    record = ModelRecord(TREE, RECIPE, tuple(mean.tolist()), tuple(std.tolist()), config, CHIP_PX, 10.0)
    model = build_scene_model(record, args.presto_weights if temporal == "presto" else None)
    if temporal == "presto" and args.freeze:
        freeze(model.segmenter.features.body.get_submodule("encoder"))
    loss = HSCLoss(TREE.paths, TREE.num_classes, alpha=1.0)
    return model, model, lambda logits, leaf: loss(logits, leaf)["loss"]


def convlstm(width: int, mean: Tensor, std: Tensor) -> Trainable:
    """Build TorchGeo's model of series, flat."""
    model = torchgeo.models.ConvLSTM(len(BANDS), hidden_dim=width, num_classes=TREE.num_classes[-1])  # type: ignore[call-arg]

    def scores(image: Tensor, valid: Tensor, doy: Tensor) -> Tensor:
        normal = (image - mean[:, None, None]) / std[:, None, None]
        found: Tensor = model(normal.masked_fill(~valid.unsqueeze(2), 0.0))
        return found

    return model, scores, nn.CrossEntropyLoss(ignore_index=-100)


def run(
    name: str, train: Place, test: Place, seen: Tensor, args: argparse.Namespace, seed: int
) -> dict[str, Any]:
    """Train for the seconds that are given, and score on the ground that is seen (H, W)."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    pixels = train.image.movedim(1, -1)[train.valid]
    statistics = pixels.mean(dim=0), pixels.std(dim=0)
    flat = name == "convlstm"
    model, scores, loss = convlstm(args.width, *statistics) if flat else ours(name, *statistics, args)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.rate)
    began, steps, spent = time.process_time(), 0, 0.0
    model.train()
    while spent < args.cpu_seconds:
        done = spent / args.cpu_seconds
        for group in optimizer.param_groups:
            group["lr"] = args.rate * min(1.0, 0.02 + 10 * done) * (1 + np.cos(np.pi * done)) / 2
        drop, side = 0.0 if len(train.days) == 1 else args.drop_dates, 8 if name == "presto" else CHIP_PX
        *chips, leaf = train.chips(random, drop, args.day_shift, side)
        if steps == 0 and isinstance(model, SceneModel):
            measure_units(model, {"image": chips[0], "valid": chips[1], "doy": chips[2], "mask": leaf})
        value = loss(scores(*chips), leaf)
        optimizer.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        steps, spent = steps + 1, time.process_time() - began
    model.eval()
    given = test.image[None], test.valid[None], test.doy[None]
    with torch.inference_mode():
        if isinstance(model, SceneModel):
            paths = torch.from_numpy(TREE.paths.copy())
            model.pool_gates(CHIP_PX)
            best = jsps(model.path_logits(given[0], given[1], paths, given[2]), paths)[:, -1]
        else:
            best = scores(*given).argmax(dim=1)

    def scored(ground: Tensor) -> LevelScores:
        metrics = HierarchicalMetrics(TREE)
        metrics.update_leaf(best, test.leaf.masked_fill(~ground, -100)[None])
        return metrics.compute().levels[-1]

    whole, clear = scored(seen), scored(test.valid.any(dim=0))
    shares = {"mIoU_L3": whole.miou, "OA_L3": whole.oa, "clear_L3": clear.miou}
    counted = {"seed": seed, "steps": steps, "cpu_s": round(spent, 1)}
    return counted | {key: round(100 * share, 1) for key, share in shares.items()}


def probe(place: Place) -> list[float]:
    """Score a forest on single clear pixels, trained left and tested right: all dates, then each by itself.

    Returns:
        Mean of the classes' accuracies.
    """
    random, half = np.random.default_rng(0), place.leaf.shape[1] // 2
    column = torch.arange(place.leaf.shape[1]).expand_as(place.leaf)
    usable = place.valid.all(dim=0) & (place.leaf >= 0)
    if not usable.any():
        raise SystemExit("Expected a season without clouds for --probe, but no pixel is clear at all dates.")
    parts = []
    for side, count in ((column < half - BUFFER_PX, 150), (column > half + BUFFER_PX, 400)):
        leaves = [
            np.flatnonzero(usable & side & (place.leaf == leaf)) for leaf in range(TREE.num_classes[-1])
        ]
        rows = np.concatenate([random.permutation(each)[:count] for each in leaves])
        parts.append((place.image.flatten(2)[..., rows].permute(2, 0, 1).numpy(), place.leaf.flatten()[rows]))
    (x, y), (seen, truth) = parts

    def accuracy(dates: slice) -> float:
        forest = RandomForestClassifier(200, random_state=0)
        found = forest.fit(x[:, dates].reshape(len(x), -1), y).predict(seen[:, dates].reshape(len(seen), -1))
        return float(balanced_accuracy_score(truth, found))

    return [accuracy(slice(None)), *(accuracy(slice(n, n + 1)) for n in range(len(place.days)))]


def nearest(place: Place, day: str) -> int:
    """Number the date of a place that is nearest to a day of the year such as 0708."""
    wanted = date(place.days[0].year, int(day[:2]), int(day[2:]))
    return int(np.argmin([abs((each - wanted).days) for each in place.days]))


def main(argv: Sequence[str]) -> int:
    """Print one line of JSON per training."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("scenes", type=Path, nargs="+")
    p.add_argument("--models", nargs="+", default=[*TEMPORAL, "dates"])
    p.add_argument("--cpu-seconds", type=float, default=20.0, help="CPU seconds of a training")
    p.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    p.add_argument("--width", type=int, default=16, help="channels of convlstm's state")
    p.add_argument(
        "--place", type=float, nargs=2, default=[46.9, 130.5], help="latitude and longitude, for presto"
    )
    p.add_argument("--presto-weights", help="a file; random ones without")
    p.add_argument("--freeze", action="store_true", help="leave presto as it starts")
    p.add_argument("--rate", type=float, default=3e-3, help="largest learning rate")
    p.add_argument("--drop-dates", type=float, default=0.0, help="share that is hidden from a training")
    p.add_argument("--day-shift", type=int, default=0, help="days that a series is moved by, at most")
    p.add_argument("--probe", action="store_true")
    args = p.parse_args(argv)
    torch.set_num_threads(1)
    pairs = {
        folder.name: [Place.read(folder / name) for name in ("crop_train", "crop_test")]
        for folder in args.scenes
    }
    for scenes, (train, _) in pairs.items() if args.probe else ():
        every, *single = probe(train)
        named = {f"{day:%m%d}": round(share, 3) for day, share in zip(train.days, single, strict=True)}
        sys.stdout.write(json.dumps({"scenes": scenes, "all": round(every, 3)} | named) + "\n")
    for seed in () if args.probe else args.seeds:
        for scenes, pair in pairs.items():
            seen = pair[1].valid.any(dim=0)
            days = [f"{day:%m%d}" for day in pair[1].days]
            for name in (one for asked in args.models for one in (days if asked == "dates" else [asked])):
                known = name in (*TEMPORAL, "convlstm", "presto")
                train, test = pair if known else (place.only(nearest(place, name)) for place in pair)
                line = {"scenes": scenes, "model": name} | run(
                    name if known else "mean", train, test, seen, args, seed
                )
                sys.stdout.write(json.dumps(line) + "\n")
                sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
