"""Same seed, same data, same machine: the same weights and the same bytes, however the work is shared out."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from hierars_geo.cli import main
from hierars_geo.models import read_checkpoint

#: All that draws random numbers at once.
RANDOM = {
    "data__augmentation__flips": True,
    "data__augmentation__scale_range": [0.5, 2.0],
    "data__augmentation__gain": 0.2,
    "data__augmentation__noise": 0.05,
    "data__chips__sampler": "balanced",
    "data__seed": 3,
    "model__dropout": 0.3,
    "model__optimizer": {"lr": 0.003, "ema_decay": 0.9},
    "model__loss": {"class_weights": "sqrt_inverse"},
}
#: When something was made; and the digest of a run, in which are the times of its inputs.
TIMES = re.compile(
    rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?( ?UTC|Z)?"
    rb'|("hierars:run": "|Run</th><td>)[0-9a-f]{64}'
)


def tensors(content, path=""):
    """Every tensor of a checkpoint: weights, average, optimiser, random numbers."""
    if isinstance(content, torch.Tensor):
        return {path: content}
    if not isinstance(content, dict | list):
        return {}
    items = content.items() if isinstance(content, dict) else enumerate(content)
    parts = [tensors(part, f"{path}/{name}") for name, part in items]
    return {key: value for part in parts for key, value in part.items()}


def different(first, second):
    ours, theirs = (tensors(read_checkpoint(path)) for path in (first, second))
    assert ours.keys() == theirs.keys()
    assert len(ours) > 300
    return [key for key, value in ours.items() if not torch.equal(value, theirs[key])]


def content(folder):
    """Name -> bytes of all files below a folder, times taken out."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): TIMES.sub(b"", path.read_bytes()) for path in files}


def test_weights_do_not_depend_on_the_number_of_loader_workers(workplace, tmp_path):
    """Nor do the optimiser, the moving average and the state of the random numbers, also after a resume."""
    kept = ["--checkpoint.every_n_train_steps", "1", "--checkpoint.save_top_k", "-1", "--checkpoint.filename"]
    start = ["--ckpt_path", str(tmp_path / "none" / "step=3.ckpt")]
    starts = {"none": (0, []), "two": (2, []), "resumed": (2, start)}
    for name, (workers, more) in starts.items():
        config = workplace.config(
            tmp_path,
            data__loader__num_workers=workers,
            data__chips__per_epoch=8,
            trainer__max_steps=6,
            **RANDOM,
        )
        options = [*kept, "{step}", "--checkpoint.dirpath", str(tmp_path / name), *more]
        assert main(["fit", "--config", config, *options]) == 0
    first = tmp_path / "none" / "step=6.ckpt"
    assert different(first, tmp_path / "two" / "step=6.ckpt") == []
    assert different(first, tmp_path / "resumed" / "step=6.ckpt") == []
    assert different(first, tmp_path / "none" / "step=5.ckpt") != []


def test_results_have_the_same_bytes_again_and_with_more_threads(workplace, maps, tmp_path):
    scene, polygons = str(workplace.test), str(tmp_path / "polygons.gpkg")
    assert main(["vectorize", str(maps), "-o", polygons]) == 0
    commands = (
        "vectorize MAPS -o OUT/a.gpkg --min-area-m2 500",
        "vectorize MAPS -o OUT/a.parquet --simplify-m 15",
        "vectorize MAPS -o OUT/a.fgb --smooth",
        f"areas MAPS --by {polygons} --layer L1 -o OUT/areas.gpkg",
        f"areas MAPS --by {polygons} --layer L2 -o OUT/areas.parquet",
        f"evaluate MAPS {scene}_labels.tif --taxonomy mm5b -o OUT/metrics.json",
        "sample MAPS -o OUT/points.gpkg --points 100 --min-per-class 2",
        f"report MAPS -o OUT/report.html --image {scene}_S2.tif",
    )
    threads = torch.get_num_threads()
    try:
        for turn in (1, 2):
            torch.set_num_threads(turn)
            for words in commands:
                placed = words.replace("MAPS", str(maps)).replace("OUT", str(tmp_path / str(turn)))
                assert main(placed.split()) == 0
    finally:
        torch.set_num_threads(threads)
    first, second = content(tmp_path / "1"), content(tmp_path / "2")
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []
    assert len(first) == 12


@pytest.mark.slow
def test_the_whole_way_in_other_processes_ends_in_the_same_files(tmp_path):
    """With other seeds of Python's hashes; only times may differ."""
    sizes = "--steps 20 --size-m 1280 --scenes 1 --chip-size 32 --encoder tu-test_resnet"
    for seed in ("1", "2"):
        subprocess.run(
            [sys.executable, "-m", "hierars_geo", "demo", str(tmp_path / seed / "demo"), *sizes.split()],
            check=True,
            capture_output=True,
            env=os.environ | {"PYTHONHASHSEED": seed, "OMP_NUM_THREADS": "1"},
        )
    first, second = (content(tmp_path / seed) for seed in ("1", "2"))
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []
    assert {Path(name).suffix for name in first} >= {".tif", ".ckpt", ".gpkg", ".html", ".json", ".qml"}
