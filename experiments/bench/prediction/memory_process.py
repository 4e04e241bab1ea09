"""Predict one raster in a process of its own and print its peak memory beyond imports and model.

Usage: python memory_process.py CHECKPOINT RASTER OUT_DIR WINDOW_PX OVERLAP BATCH
"""

import json
import sys
import time

import peak
import torch

from hierars_geo.predict import PredictOptions, Predictor


def main(arguments: list[str]) -> None:
    """Measure."""
    checkpoint, raster, out_dir = arguments[:3]
    window_px, overlap, batch = int(arguments[3]), float(arguments[4]), int(arguments[5])
    # torch at every size: from 128 windows on auto loads another library, which would look like growth
    options = PredictOptions(window=window_px, overlap=overlap, batch_size=batch, runtime="torch")
    predictor = Predictor(checkpoint, options, device="cpu")
    model, record = predictor.loaded.network, predictor.loaded.record
    paths = torch.from_numpy(record.taxonomy.paths.copy())
    with torch.inference_mode():  # the model once, on a batch: its own memory is no matter of tiling
        model.path_logits(torch.rand(batch, len(record.bands), window_px, window_px), None, paths)
    level = peak.start_peak()
    start = time.perf_counter()
    predictor.predict(raster, out_dir, overwrite=True)
    print(json.dumps({"seconds": time.perf_counter() - start, "peak_bytes": peak.peak_above(level)}))


if __name__ == "__main__":
    main(sys.argv[1:])
