"""What the size of a window does to a map: scores, agreement and time, by what BHCCM's gates pool over."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio

from hierars_geo.accuracy import evaluate_maps
from hierars_geo.models import Model
from hierars_geo.predict import PredictOptions, Predictor


@dataclass(frozen=True)
class WindowRow:
    """A prediction of the demonstration's test scene.

    Attributes:
        window_px: Side of a window.
        is_local: Whether gates pool over a chip around each pixel, or over the window as published.
        oa: Overall accuracy of the finest level, per cent.
        miou: Mean IoU of the finest level, per cent.
        cpu_seconds: Of the prediction.
        equal: Share of pixels with the finest class of the largest window, per cent.
    """

    window_px: int
    is_local: bool
    oa: float
    miou: float
    cpu_seconds: float
    equal: float


def by_window(demo: Path, folder: Path, sides_px: Sequence[int] = (64, 128, 256, 512)) -> list[WindowRow]:
    """Predict the test scene of a demonstration with windows of several sizes.

    Args:
        demo: What ``hierars-geo demo`` wrote.
        folder: For maps.
        sides_px: Of the windows, ascending.
    """
    scene, labels = (demo / "scenes" / "test_0" / f"test_0_{part}.tif" for part in ("S2", "labels"))
    rows = []
    for is_local in (False, True):
        largest = None
        for side_px in reversed(sides_px):
            predictor = Predictor(demo / "model.ckpt", PredictOptions(window=side_px, runtime="torch"))
            if not is_local:
                assert isinstance(predictor.loaded, Model)
                predictor.loaded.network.pool_gates(None)
            started = time.process_time()
            prediction = predictor.predict(scene, folder / "maps", overwrite=True)
            seconds = time.process_time() - started
            tree = predictor.loaded.record.taxonomy
            finest = prediction.layers[f"L{tree.num_levels}"]
            scores = evaluate_maps(finest, labels, tree).to_dict(tree)["levels"][f"L{tree.num_levels}"]
            with rasterio.open(finest) as dataset:
                classes = dataset.read(1)
            largest = classes if largest is None else largest
            equal = 100 * float(np.mean(classes == largest))
            rows.append(
                WindowRow(side_px, is_local, 100 * scores["oa"], 100 * scores["miou"], seconds, equal)
            )
    return rows
