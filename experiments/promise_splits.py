"""Draw blocks of held-out ground anew, again and again, and see how often promises of a map hold.

    python experiments/promise_splits.py bhccm.ckpt --flat flat.ckpt --config base/gewata.yaml --block-m 960

The ground is predicted once. Every split deals its blocks at random: one half finds temperature and
thresholds as ``hierars-geo calibrate`` does, the other half is shown with them. Rivals are told the risk that
was measured there and take the deepest map that is no worse, which no real map could know.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from hierars_geo.cli.calibrate import configured_data
from hierars_geo.errors import DataError, HieraRSError, OptionError
from hierars_geo.metrics.reliability import Curve, Reliability, fitted_temperature
from hierars_geo.metrics.risk import THRESHOLDS, above, check_promises, promised_threshold, shown_and_wrong
from hierars_geo.models import load
from hierars_geo.models.calibration import curved_steps
from hierars_geo.models.map_model import MapModel
from hierars_geo.models.siblings import Ladder
from hierars_geo.tasks.batches import ground_valid
from hierars_geo.tasks.calibration import fitted_curves, true_paths
from hierars_geo.tasks.training_data import require_same_data
from hierars_geo.taxonomy import Taxonomy
from hierars_geo.taxonomy.depth import most_siblings
from hierars_geo.types import Batch

#: Pixels of a block that temperature and curves are fitted on.
_DRAWN_PER_BLOCK = 200

#: Temperatures are rounded to it: splits share what every pixel says at them.
_STEP = 0.05

#: Rows of a table of counts.
_WRONG, _SHOWN, _DEPTH, _LEFT = range(4)
#: Maps of classes alone, and with sets of siblings.
_PLAIN, _SETS = range(2)


@dataclass
class Ground:
    """What a model says of labelled pixels that it never saw, in order of their blocks.

    Attributes:
        scores: (n, T) path logits.
        row: (n,) true paths.
        starts: (blocks + 1,) first pixel of every block, and the end.
        paths: (T, N) classes of every path.
        most: Most classes of a set of siblings.
    """

    scores: NDArray[np.float32]
    row: NDArray[np.int64]
    starts: NDArray[np.int64]
    paths: NDArray[np.int64]
    most: int = 3
    _climbed: dict[float, tuple[NDArray[Any], ...]] = field(default_factory=dict)

    @property
    def pixels(self) -> NDArray[np.int64]:
        """(blocks,) labelled pixels."""
        return np.diff(self.starts)

    def climbed(self, temperature: float) -> tuple[NDArray[Any], ...]:
        """Climb every pixel, once per temperature.

        Returns:
            (steps, n) confidence, whether the truth is in what is said, and the paths that it leaves open.
        """
        if temperature not in self._climbed:
            ladder = Ladder(self.paths, self.most)
            chance = np.exp((self.scores - self.scores.max(axis=1, keepdims=True)) / np.float32(temperature))
            climb = ladder.climb((chance / chance.sum(axis=1, keepdims=True)).T, self.scores.argmax(axis=1))
            right = climb.holds([group[self.row] for group in ladder.groups])
            self._climbed[temperature] = np.stack(climb.confidence), right, paths_left(ladder, climb.members)
        return self._climbed[temperature]

    def counted(
        self, temperature: float, curves: Sequence[Curve] = ()
    ) -> tuple[NDArray[np.int64], NDArray[Any], NDArray[Any]]:
        """Count by block.

        Returns:
            (blocks, 2, 4, K) pixels wrong, shown, the sum of the levels shown and that of the paths left open
            by it, of classes alone and with sets of siblings, by threshold; and by level and pixel (N, n)
            confidence and whether the class is right.
        """
        plain, right, left = self.climbed(temperature)
        sure = np.stack(curved_steps(list(plain), curves))
        alone = slice(self.most - 1, None, self.most)
        block = np.repeat(np.arange(len(self.pixels)), self.pixels)
        reached = (sure * (len(THRESHOLDS) - 1)).astype(np.int64)
        depth = sum(above(step, block) for step in reached[alone])
        families = []
        for some in (alone, slice(None)):
            fewer = np.diff(left[some], axis=0, prepend=0)
            open_ = sum(above(step, block, less) for step, less in zip(reached[some], fewer, strict=True))
            families.append([*shown_and_wrong(sure[some], right[some], block), depth, open_])
        return np.array(families).transpose(2, 0, 1, 3), sure[alone], right[alone]

    def drawn(self, blocks: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw the pixels of some blocks that their calibration is fitted on."""
        return np.concatenate(
            [
                start + rng.permutation(size)[:_DRAWN_PER_BLOCK]
                for start, size in zip(self.starts[blocks], self.pixels[blocks], strict=True)
            ]
        )

    def thinned(self, most: int) -> "Ground":
        """Return some of the pixels, drawn evenly: the same of two models of the same ground."""
        kept = np.sort(np.random.default_rng(0).permutation(len(self.row))[:most])
        starts = np.searchsorted(kept, self.starts)
        starts = np.append(starts[:-1][np.diff(starts) > 0], len(kept))
        return Ground(self.scores[kept], self.row[kept], starts, self.paths, self.most)

    def deepest(self, blocks: NDArray[np.int64], risk: float) -> float:
        """Mean levels of the deepest map of some blocks, uncalibrated, whose measured risk is no higher."""
        wrong, shown, depth, _ = self.uncalibrated[blocks, _PLAIN].sum(axis=0)
        kept = wrong <= risk * shown
        return float(depth[kept].max(initial=0) / self.pixels[blocks].sum())

    @cached_property
    def uncalibrated(self) -> NDArray[np.int64]:
        """Counts of :meth:`counted`, as the model says it."""
        return self.counted(1.0)[0]


def paths_left(ladder: Ladder, members: Sequence[Sequence[NDArray[np.integer]]]) -> NDArray[np.int64]:
    """Count the paths that every step of some pixels leaves open, (steps, n)."""
    found = []
    for group, ids in zip(ladder.groups, members, strict=True):
        below = np.append(np.bincount(group), 0)  # of no member none
        found += [sum(below[number] for number in ids[:size]) for size in range(ladder.most, 0, -1)]
    return np.array(found)


def held_out(models: Iterable[tuple[MapModel, Iterable[Batch]]], tree: Taxonomy, block_m: float) -> Ground:
    """Predict ground that was kept apart, each part of it by the model whose training left it out.

    Args:
        models: In eval mode, and the batches of its ground with ``bounds``; the temperature that a model was
            calibrated to is left out.
        tree: Their taxonomy.
        block_m: Side of a block in units of the ground's CRS, > 0.

    Raises:
        DataError: No pixel is labelled.
    """
    paths = torch.from_numpy(tree.paths.copy())
    scores, rows, places = [], [], []
    for network, batch in ((network, batch) for network, batches in models for batch in batches):
        network.temperature = 1.0
        with torch.inference_mode():
            logits = network.path_logits(batch["image"], batch["valid"], paths).float()
        truth, valid = true_paths(tree, batch), ground_valid(batch)
        for chip, bounds in enumerate(batch["bounds"]):
            left, bottom, right, top = (float(value) for value in bounds)  # type: ignore[attr-defined]
            known = (truth[chip] >= 0) & valid[chip]
            height, width = known.shape
            line, column = (index.numpy() for index in torch.nonzero(known, as_tuple=True))
            x = left + (column + 0.5) * (right - left) / width
            y = top - (line + 0.5) * (top - bottom) / height
            scores.append(logits[chip][:, known].T.numpy())
            rows.append(truth[chip][known].numpy())
            places.append(np.stack([x // block_m, y // block_m], axis=1).astype(np.int64))
    if not sum(len(row) for row in rows):
        raise DataError("Expected labelled pixels to score, but got none. Keep other ground apart.")
    _, block = np.unique(np.concatenate(places), axis=0, return_inverse=True)
    order = np.argsort(block.ravel(), kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(block.ravel()))])
    found = np.concatenate(scores)[order], np.concatenate(rows)[order], starts, tree.paths.copy()
    return Ground(*found, most_siblings(tree))


def score_splits(
    ground: Ground, flat: Ground | None, risks: Sequence[float], delta: float, splits: int, seed: int
) -> dict[str, Any]:
    """Calibrate on one half of the blocks and look at the other, many times.

    Args:
        ground: Of the model.
        flat: Of a flat model, the same pixels; None where there is none.
        risks: Promises, 0..1.
        delta: Probability with which one may fail.
        splits: How often blocks are drawn, >= 1.
        seed: Of the draws.

    Returns:
        Means over the splits, by risk.

    Raises:
        DataError: There are too few blocks, or the two models were not shown the same pixels.
    """
    blocks = len(ground.pixels)
    check_promises(risks, delta, blocks // 2)
    if flat is not None and not np.array_equal(ground.row, flat.row):
        raise DataError("Expected both models to know the same classes of the same ground, but they differ.")
    rng = np.random.default_rng(seed)
    errors, temperatures = [], []
    found: dict[float, list[tuple[float, ...]]] = {risk: [] for risk in risks}
    for split in range(splits):
        order = rng.permutation(blocks)
        apart, test = order[: blocks // 2], order[blocks // 2 :]
        drawn = ground.drawn(apart, rng)
        scores, rows = ground.scores[drawn], ground.row[drawn]
        temperature = round(fitted_temperature(scores, rows) / _STEP) * _STEP
        temperatures.append(temperature)
        curves = fitted_curves(scores / np.float32(temperature), rows, ground.paths)
        counts, sure, right = ground.counted(temperature, curves)
        seen = np.concatenate([np.arange(ground.starts[each], ground.starts[each + 1]) for each in test])
        alone = slice(ground.most - 1, None, ground.most)
        errors.append(
            [
                Reliability.of(each[:, seen], right[:, seen]).calibration_error()
                for each in (ground.climbed(1.0)[0][alone], ground.climbed(temperature)[0][alone], sure)
            ]
        )
        for risk in risks:
            ours, sets = (
                _shown(
                    counts[:, family],
                    test,
                    promised_threshold(
                        counts[apart, family, _WRONG],
                        counts[apart, family, _SHOWN],
                        THRESHOLDS,
                        risk,
                        delta,
                        seed=split,
                    ),
                    ground,
                )
                for family in (_PLAIN, _SETS)
            )
            naive = _shown(ground.uncalibrated[:, _PLAIN], test, round(1 - risk, 2), ground)
            models = (ground,) if flat is None else (ground, flat)
            rivals = [each.deepest(test, ours[0]) if ours[1] else 0.0 for each in models]
            found[risk].append((*ours, *sets, *naive, *rivals))
    before_after = np.mean(errors, axis=0)
    return {
        "blocks": blocks,
        "pixels": len(ground.row),
        "temperature": [min(temperatures), max(temperatures)],
        "error_before": before_after[0].tolist(),
        "error_by_temperature": before_after[1].tolist(),
        "error_after": before_after[2].tolist(),
        "risks": {f"{risk:g}": _summary(np.array(rows), risk) for risk, rows in found.items()},
    }


def _shown(
    counts: NDArray[np.int64], blocks: NDArray[np.int64], threshold: float | None, ground: Ground
) -> tuple[float, float, float, float]:
    """Risk of what is shown, share that is shown; levels shown and paths left open, all pixels counted."""
    paths = len(ground.paths)
    if threshold is None:
        return 0.0, 0.0, 0.0, float(paths)
    wrong, shown, depth, left = counts[blocks, :, THRESHOLDS.index(threshold)].sum(axis=0)
    pixels = ground.pixels[blocks].sum()
    open_ = paths * (1 - shown / pixels) + left / pixels
    return float(wrong / max(shown, 1)), float(shown / pixels), float(depth / pixels), float(open_)


def _summary(rows: NDArray[np.float64], risk: float) -> dict[str, float]:
    measured, share, depth, left = rows.T[:4]
    sets_measured, sets_share, _, sets_left = rows.T[4:8]
    naive_risk, naive_share, naive_depth, _, *rivals = rows.T[8:]
    shown, sets_shown = share > 0, sets_share > 0

    def mean(column: NDArray[Any], some: NDArray[np.bool_] = shown) -> float:
        return float(column[some].mean()) if some.any() else 0.0

    found = {
        "within": float((measured <= risk).mean()),
        "nothing_shown": float((~shown).mean()),
        "risk": mean(measured),
        "share": mean(share),
        "risk_sd": float(measured[shown].std()) if shown.any() else 0.0,
        "depth": mean(depth),
        "paths_left": mean(left),
        "sets_within": float((sets_measured <= risk).mean()),
        "sets_nothing_shown": float((~sets_shown).mean()),
        "sets_risk": mean(sets_measured, sets_shown),
        "sets_share": mean(sets_share, sets_shown),
        "sets_paths_left": mean(sets_left, sets_shown),
        "naive_within": float((naive_risk <= risk).mean()),
        "naive_risk": float(naive_risk.mean()),
        "naive_share": float(naive_share.mean()),
        "naive_depth": float(naive_depth.mean()),
    }
    for name, rival in zip(("uncalibrated", "flat"), rivals, strict=False):
        found |= {f"{name}_depth": mean(rival), f"deeper_than_{name}": mean(depth > rival)}
    return found


def _predicted(
    checkpoints: Sequence[Path],
    config: Sequence[str],
    regions: Sequence[Sequence[float]] | None,
    part: Literal["val", "test"],
    block_m: float,
) -> Ground:
    """Predict the ground that each of some trainings was not shown."""
    overlays: Sequence[Any] = regions or [None]
    if len(checkpoints) != len(overlays):
        raise OptionError(
            f"Expected as many --region as checkpoints, but got {len(overlays)} for {len(checkpoints)}."
        )
    models = []
    with TemporaryDirectory() as folder:
        for path, region in zip(checkpoints, overlays, strict=True):
            overlay = Path(folder, "region.yaml")
            splits = {} if region is None else {"train_region": None, f"{part}_region": list(region)}
            overlay.write_text(json.dumps({"data": {"init_args": {"splits": splits}}}))
            data = configured_data([*config, str(overlay)])
            data.setup(part)
            model = load(path)
            require_same_data(model.record, data)
            models.append((model, data.val_dataloader() if part == "val" else data.test_dataloader()))
    tree = models[0][0].record.taxonomy
    return held_out([(model.network, batches) for model, batches in models], tree, block_m)


def main(argv: Sequence[str]) -> int:
    """Score the splits and print what was found as JSON.

    Returns:
        0, or 1 where that failed.
    """
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("checkpoint", type=Path, nargs="+", help="a trained model, or one per --region")
    p.add_argument("--flat", type=Path, nargs="+", help="flat models of the same ground (default: none)")
    p.add_argument(
        "--region",
        type=float,
        nargs=4,
        action="append",
        help="left, bottom, right, top of the ground that a checkpoint was not shown, one for each in order: "
        "all of it together is counted (default: the ground of the configuration)",
    )
    p.add_argument(
        "--config", nargs="+", required=True, help="configuration that says the data, with overlays"
    )
    p.add_argument(
        "--part", choices=["val", "test"], default="test", help="ground kept apart (default: test)"
    )
    p.add_argument("--block-m", type=float, required=True, help="side of a block, units of the ground's CRS")
    p.add_argument("--risks", type=float, nargs="+", default=[0.05, 0.1], help="promises (default: 0.05 0.1)")
    p.add_argument("--delta", type=float, default=0.1, help="chance that one may fail (default: 0.1)")
    p.add_argument("--splits", type=int, default=200, help="random splits (default: 200)")
    p.add_argument("--pixels", type=int, default=150_000, help="most pixels to count (default: 150000)")
    p.add_argument("--seed", type=int, default=0, help="of the splits (default: 0)")
    args = p.parse_args(argv)
    try:
        seen = [
            _predicted(paths, args.config, args.region, args.part, args.block_m).thinned(args.pixels)
            for paths in (args.checkpoint, args.flat)
            if paths
        ]
        found = score_splits(
            seen[0], seen[1] if args.flat else None, args.risks, args.delta, args.splits, args.seed
        )
    except HieraRSError as error:
        sys.stderr.write(f"promise_splits.py: error: {error}\n")
        return 1
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
