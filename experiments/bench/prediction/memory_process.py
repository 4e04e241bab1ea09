"""Predict a raster or a season in a process of its own: peak memory beyond imports and model, CPU time.

Usage: python memory_process.py CHECKPOINT RASTER_OR_FOLDER OUT_DIR WINDOW_PX OVERLAP BATCH CONSTANT
"""

import json
import sys
import time
from dataclasses import replace

import numpy as np
import peak
import torch

from hierars_geo.models.checkpoint import Model
from hierars_geo.predict import PredictOptions, Predictor
from hierars_geo.predict.checkpoint_runner import CheckpointRunner


def main(arguments: list[str]) -> None:
    """Measure."""
    checkpoint, raster, out_dir = arguments[:3]
    window_px, overlap, batch = int(arguments[3]), float(arguments[4]), int(arguments[5])
    # torch at every size: from 128 windows on auto loads another library, which would look like growth
    options = PredictOptions(window=window_px, overlap=overlap, batch_size=batch, runtime="torch")
    predictor = Predictor(checkpoint, options, device="cpu")
    record = predictor.loaded.record
    assert isinstance(predictor.runner, CheckpointRunner)
    assert isinstance(predictor.loaded, Model)
    model = predictor.loaded.network
    paths = torch.from_numpy(record.taxonomy.paths.copy())
    with torch.inference_mode():  # the model once, on a batch: its own memory is no matter of tiling
        image = torch.rand(batch, len(record.bands), window_px, window_px)
        if predictor.of_series:
            model.path_logits(image[:, None], None, paths, torch.ones(batch, 1, dtype=torch.int64))
        else:
            model.path_logits(image, None, paths)
    if arguments[6] == "1":
        blocks = np.random.default_rng(0).normal(size=(len(paths), window_px // 16, window_px // 16))
        pattern = blocks.astype(np.float32).repeat(16, axis=1).repeat(16, axis=2)
        plain = predictor.runner.runtime
        predictor.runner.runtime = replace(plain, run=lambda image, _: np.stack([pattern] * len(image)))
    level = peak.start_peak()
    start, cpu = time.perf_counter(), time.process_time()
    predictor.predict(raster, out_dir, overwrite=True)
    found = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - cpu}
    above = peak.peak_above(level)
    print(json.dumps(found | {"peak_bytes": above, "process_bytes": above + level}))


if __name__ == "__main__":
    main(sys.argv[1:])
