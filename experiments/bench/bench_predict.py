"""Prediction: time over the bare model, peak memory, seams, and other tools on the same raster.

Run: make bench-predict (or python experiments/bench/bench_predict.py). ``--only`` takes one part or several:
``floor`` (3 minutes on two quiet cores), ``season`` (2), ``memory`` (5; ``memory-2048``, ``memory-8192`` and
``memory-16384`` are its sizes one by one), ``seams`` (1) and ``peers`` (20, and 13 GB of disk for the other
tools' environments, once, in ``--folder``; ``--no-peers`` leaves them out), ``runtimes`` (3), and ``windows``
(1) with ``--demo``, the folder of a ``hierars-geo demo``. ``--small`` runs everything on small
rasters: to see that it works, not for figures. Prints Markdown for docs/benchmarks.md as soon as a part is
done. The exit status is 0 also where a target is missed.

* Floor: the model's path logits of the same windows in the same batches, the input in memory; and the same
  windows in the batches that the predictor makes of them, which on a CPU are smaller. Prediction and floors
  run in turns in one process after one run of each that does not count; medians of the rounds. The prediction
  is the whole way, from the raster to three cloud-optimised class maps.
* Peak memory: resident bytes (VmHWM) of a process of its own, above what it held after imports and one
  forward pass of a batch. A pattern in place of what a network says, so that only the tiling is seen; beside
  other tools a model that costs next to nothing.
* Season: the same of a folder of dates, for a model of series, against one of its dates alone; CPU time.
* Other tools: environments of their own with the same PyTorch; the same model as an exported program (ATen
  operators, the same numbers), the same raster, window, overlap and batch; a process of its own each.
  They write one level, this project three.
* Seams: the largest step between neighbouring pixels across a border of windows, in units of the largest
  step elsewhere; a smooth image, so that each step was made by the tiling.
* Runtimes: path logits of one window by each library and precision, in turns in one process; CPU time.
* Windows: the demonstration's model on its test scene, by size of the window, with gates over the window and
  over a training chip around each pixel.
"""

import argparse
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from prediction import memory, peers, seams, workers
from prediction.floor import time_over_floor
from prediction.models import LEAVES, export_model, write_checkpoint
from prediction.runtimes import by_runtime
from prediction.scenes import write_scene
from prediction.table import markdown, verdict
from prediction.windows import by_window

MIB = 2**20


@dataclass(frozen=True)
class Sizes:
    """What is measured, in pixels."""

    floor_px: int = 2048
    season_px: int = 2048
    dates: int = 12
    gpu_floor_px: int = 8192
    memory_px: tuple[int, ...] = (2048, 8192, 16384)
    peer_time_px: int = 2048
    peer_memory_px: int = 8192
    seam_px: int = 1152
    window_px: int = 512
    rounds: int = 5
    peer_rounds: int = 3
    peer_limit_s: float = 600.0

    @property
    def overlap_px(self) -> int:
        """A quarter of the window."""
        return self.window_px // 4


SMALL = Sizes(256, 256, 3, 512, (256, 512), 256, 512, 192, 64, 1, 1, 300.0)
OVERLAP = 0.25
BATCH = 4


def bench_floor(folder: Path, sizes: Sizes) -> str:
    """Time over the floor, on the CPU, and on the GPU where there is one."""
    unet = "unet-resnet18", sizes.floor_px, "cpu"
    cases: list[tuple[str, int, str, float, dict[str, str]]] = [
        (*unet, 1.05, {"runtime": "torch"}),
        (*unet, 0.72, {"runtime": "onnx"}),
        (*unet, 0.40, {"runtime": "openvino", "precision": "bf16"}),
    ]
    if torch.cuda.is_available():
        cases.append(("upernet-convnext-t", sizes.gpu_floor_px, "cuda", 1.15, {}))
    rows, notes = [], []
    for model, side_px, device, target, network in cases:
        ours, floors = time_over_floor(
            folder, model, side_px, sizes.window_px, OVERLAP, BATCH, sizes.rounds, device, **network
        )
        for floor in floors:
            ways = " ".join((device, *network.values()))
            what = f"{model}, {side_px} px, {ways}, bare model in batches of {floor.batch}"
            cells = f"{ours:.2f} s", f"{floor.seconds:.2f} s", f"{floor.ratio:.3f}", f"{target}"
            rows.append((what, *cells, verdict(floor.ratio, target)))
        pixels_per_s = side_px**2 / ours
        notes.append(
            f"{model} on {device}: {pixels_per_s:,.0f} px/s; the example of docs/scale.md, 1.2e9 px, takes "
            f"{1.2e9 / pixels_per_s / 3600:.2f} worker hours"
        )
    table = markdown(("model, raster", "prediction", "bare model", "ratio", "at most", ""), rows)
    return "\n".join([table, "", *notes])


def bench_memory(folder: Path, sizes: Sizes, sides_px: Sequence[int]) -> str:
    """Peak memory by size of the raster."""
    checkpoint = folder / "cheap.ckpt"
    write_checkpoint(checkpoint, "cheap", sizes.window_px)
    rows, peak_of = [], {}
    for side_px in sides_px:
        scene = write_scene(folder / f"plain_{side_px}.tif", side_px, noisy=False)
        result = memory.measure(checkpoint, scene, sizes.window_px, OVERLAP, BATCH, constant=True)
        peak_of[side_px] = result["peak_bytes"]
        mb = result["peak_bytes"] / 1e6
        rows.append(
            (f"{side_px} px", f"{mb:.0f} MB", "450 MB", verdict(mb, 450), f"{result['seconds']:.0f} s")
        )
        print(f"{side_px} px: {mb:.0f} MB", file=sys.stderr)  # the next one takes minutes
        scene.unlink()
    first, last = min(peak_of), max(peak_of)
    if first < last:
        growth = (peak_of[last] - peak_of[first]) / (last**2 - first**2)
        what = f"growth, {first} to {last} px"
        rows.append((what, f"{growth:.2f} bytes/px", "0.5", verdict(growth, 0.5), ""))
    return markdown(("raster, side", "peak", "at most", "", "time"), rows)


def bench_season(folder: Path, sizes: Sizes) -> str:
    """Time and memory of a season over those of one date."""
    season, single = folder / "season", folder / "single"
    season.mkdir()
    single.mkdir()
    first = write_scene(season / "S2_20200101.tif", sizes.season_px)
    for number in range(1, sizes.dates):
        (season / f"S2_2020{1 + number % 12:02d}{1 + number // 12:02d}.tif").hardlink_to(first)
    (single / first.name).hardlink_to(first)
    rows = []
    for temporal in ("mean", "utae"):
        checkpoint = folder / f"cheap_{temporal}.ckpt"
        write_checkpoint(checkpoint, "cheap", sizes.window_px, temporal)
        one, all_dates = (
            memory.measure(checkpoint, each, sizes.window_px, OVERLAP, 1) for each in (single, season)
        )
        for what, key, most, unit in (
            ("CPU s", "cpu_seconds", 12.5, 1),
            ("process, MB", "process_bytes", 1.3, 1e6),
            ("beyond imports and model, MB", "peak_bytes", 1.3, 1e6),
        ):
            ratio = all_dates[key] / one[key]
            figures = f"{one[key] / unit:.1f}", f"{all_dates[key] / unit:.1f}", f"{ratio:.2f}"
            rows.append((f"{temporal}, {what}", *figures, f"{most}", verdict(ratio, most)))
    header = f"{sizes.season_px} px", "one date", f"{sizes.dates} dates", "ratio", "at most", ""
    return markdown(header, rows)


def bench_peers(folder: Path, environments: Path, sizes: Sizes, keep: bool) -> str:
    """Other tools: time with the real model, each beside ours, and memory with the cheap one."""
    work = folder / "peers"
    work.mkdir(exist_ok=True)
    timed = write_scene(folder / f"scene_{sizes.peer_time_px}.tif", sizes.peer_time_px)
    large = write_scene(folder / f"plain_{sizes.peer_memory_px}.tif", sizes.peer_memory_px, noisy=False)
    models = {}
    for name in ("unet-resnet18", "cheap"):
        model = write_checkpoint(work / f"{name}.ckpt", name, sizes.window_px)
        export_model(model, work / f"{name}.pt2", sizes.window_px)
        models[name] = work / name
    job = {
        "out": str(work / "peer.tif"),
        "window": sizes.window_px,
        "overlap_px": sizes.overlap_px,
        "classes": LEAVES,
        "batch": BATCH,
    }

    def timed_run(peer: peers.Peer, tool: str) -> peers.PeerRun:
        found = job | {"model": f"{models['unet-resnet18']}{peer.suffix}", "raster": str(timed)}
        return peers.run(
            peer, environments, found | {"tool": tool, "rounds": sizes.peer_rounds + 1}, sizes.peer_limit_s
        )

    own = memory.measure(work / "cheap.ckpt", large, sizes.window_px, OVERLAP, BATCH)["peak_bytes"]
    pixels = sizes.peer_memory_px**2
    rows = []
    for peer in peers.PEERS:
        reason = peers.install(peer, environments)
        for tool in peer.tools:
            ours = timed_run(peers.OURS, peers.OURS.tools[0])
            theirs = peers.PeerRun(failure=reason) if reason else timed_run(peer, tool)
            cells = ("-",) * 4
            if theirs.seconds and ours.seconds:
                ratios = theirs.seconds / ours.seconds, theirs.cpu_seconds / ours.cpu_seconds
                beside = f"{theirs.seconds:.1f} s ({ours.seconds:.1f} s)"
                cells = beside, f"{ratios[0]:.2f}", f"{ratios[1]:.2f}", verdict(2.0, ratios[1])
            held = f"{own / MIB:.0f} MiB", f"{own / pixels:.1f}", "1.0", ""
            if peer is not peers.OURS:
                found = job | {"model": f"{models['cheap']}{peer.suffix}", "raster": str(large)}
                large_run = peers.PeerRun(failure=reason)
                if not reason:
                    large_run = peers.run(
                        peer, environments, found | {"tool": tool, "rounds": 1}, sizes.peer_limit_s
                    )
                peak = large_run.peak_bytes
                held = (
                    f"{peak / MIB:.0f} MiB",
                    f"{peak / pixels:.1f}",
                    f"{peak / own:.1f}",
                    verdict(own, peak / 10),
                )
                if large_run.failure:
                    held = large_run.failure, "-", "-", ""
            print(f"{tool}: {cells} {held} {theirs.failure}", file=sys.stderr, flush=True)
            rows.append((tool, *cells, *held))
        if not keep:
            peers.remove(peer, environments)
    header = (
        f"tool, {sizes.peer_time_px} px",
        "time (ours beside it)",
        "over ours",
        "CPU over ours",
        "twice ours",
        f"peak at {sizes.peer_memory_px} px",
        "bytes/px",
        "over ours",
        "ten times ours",
    )
    return markdown(header, rows)


def bench_seams(folder: Path, sizes: Sizes, checkpoint: Path | None) -> str:
    """Seams of blended windows, and without blending."""
    image = seams.smooth_image(sizes.seam_px)
    rows = []
    for name, model in seams.models(folder, sizes.window_px, checkpoint).items():
        blended = seams.seam_step(model, image, sizes.window_px, OVERLAP, "hann")
        plain = seams.seam_step(model, image, sizes.window_px, 0.0, "none")
        rows.append((name, f"{blended:.2f}", "1.1", verdict(blended, 1.1), f"{plain:.1f}"))
    header = ("model", "hann", "at most", "", "none, windows side by side")
    return markdown(header, rows)


def bench_runtimes(folder: Path, sizes: Sizes, trained: Path | None, scene: Path | None) -> str:
    """Time and changed classes by runtime, of random weights or of a trained model on a scene."""
    models = [folder / f"{name}.ckpt" for name in ("unet-resnet18", "upernet-convnext-t")]
    if trained is not None and scene is not None:
        models = [trained]
    rows = []
    for model in models:
        if model != trained:
            write_checkpoint(model, model.stem, sizes.window_px)
        found = by_runtime(folder, model, sizes.window_px, min(sizes.rounds, 3), scene)
        for row in found:
            ratio = row.seconds / found[0].seconds
            rows.append((model.stem, row.name, f"{ratio:.2f}", f"{row.changed:.4f} %"))
    return markdown(("model", "runtime", "time over torch float32", "classes changed"), rows)


def bench_workers(folder: Path, sizes: Sizes) -> str:
    """Two processes of one thread against one of two, and a Sentinel-2 tile on up to 64 workers."""
    checkpoint, scene = folder / "workers.ckpt", write_scene(folder / "workers.tif", sizes.floor_px)
    write_checkpoint(checkpoint, "unet-resnet18", sizes.window_px)
    rounds = [
        (workers.by_threads(checkpoint, scene, 2, 1), workers.by_threads(checkpoint, scene, 1, 2))
        for _ in range(sizes.rounds)
    ]
    ratio = statistics.median(two[0] / one[0] for one, two in rounds)
    equal = all(one[1] == two[1] for one, two in rounds)
    said = [
        f"two processes of one thread take {ratio:.2f} of the time of one with two threads; rows "
        f"{'equal' if equal else 'DIFFERENT'}, byte for byte"
    ]
    times = workers.task_times(checkpoint, scene)
    said.append(
        f"a window takes {times.window_s:.3f} s of a worker; a megapixel {1e6 * times.store_s:.3f} s of the "
        f"client to store, {1e6 * times.finish_s:.3f} s to finish"
    )
    rows = []
    for count in (1, 2, 4, 12, 16, 32, 64):
        one, ten = (
            workers.simulate(times, 10_980, sizes.window_px, OVERLAP, LEAVES, count, scenes)
            for scenes in (1, 10)
        )
        shares = (f"{100 * share:.0f} %" for share in (one.busy, ten.busy, ten.client))
        rows.append((f"{count}", f"{one.seconds:.0f} s", f"{ten.seconds:.0f} s", *shares))
    header = (
        "workers, simulated",
        "one tile",
        "a tile of ten",
        "workers busy, one",
        "workers busy, ten",
        "client busy, ten",
    )
    return "\n\n".join([*said, markdown(header, rows)])


def bench_windows(folder: Path, demo: Path) -> str:
    """Scores, agreement and time by size of the window."""
    rows = [
        (
            "around each pixel" if row.is_local else "over the window",
            f"{row.window_px} px",
            f"{row.oa:.1f} / {row.miou:.1f}",
            f"{row.equal:.1f} %",
            f"{row.cpu_seconds:.1f} s",
        )
        for row in by_window(demo, folder)
    ]
    return markdown(("gates", "window", "OA / mIoU, finest level", "as the largest window", "CPU"), rows)


def _works(args: argparse.Namespace, sizes: Sizes, folder: Path) -> dict[str, Callable[[], str]]:
    """Parts by name."""
    return {
        "floor": lambda: bench_floor(folder, sizes),
        "season": lambda: bench_season(folder, sizes),
        "memory": lambda: bench_memory(folder, sizes, sizes.memory_px),
        **{f"memory-{side}": partial(bench_memory, folder, sizes, [side]) for side in sizes.memory_px},
        "seams": lambda: bench_seams(folder, sizes, args.checkpoint),
        "peers": lambda: bench_peers(folder, args.folder, sizes, args.keep),
        "runtimes": lambda: bench_runtimes(folder, sizes, args.checkpoint, args.scene),
        "windows": lambda: bench_windows(folder, args.demo),
        "workers": lambda: bench_workers(folder, sizes),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="small rasters: a try, no figures")
    parser.add_argument("--no-peers", action="store_true", help="leave the other tools out")
    parser.add_argument(
        "--folder", type=Path, default=Path(tempfile.gettempdir()) / "hierars_peers", help="environments"
    )
    parser.add_argument("--keep", action="store_true", help="leave the other tools' environments in --folder")
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="PART",
        help="floor, season, memory, memory-SIDE, seams, peers, runtimes; not by default workers, windows",
    )
    parser.add_argument("--demo", type=Path, help="folder of a demonstration, for windows")
    parser.add_argument("--checkpoint", type=Path, help="a trained model: its seams, too, or its runtimes")
    parser.add_argument("--scene", type=Path, help="what the trained model's runtimes are compared on")
    args = parser.parse_args()
    sizes = SMALL if args.small else Sizes()
    parts = args.only or ["floor", "season", "memory", "seams", "runtimes", "peers"]
    known = list(_works(args, sizes, Path()))
    if unknown := [part for part in parts if part not in known]:
        parser.error(f"--only: expected {', '.join(known)}, but got {', '.join(unknown)}")
    if args.scene is not None and args.checkpoint is None:
        parser.error("--scene: expected --checkpoint FILE")
    if "windows" in parts and args.demo is None:
        parser.error("--only windows: expected --demo FOLDER")
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    print(
        f"{os.cpu_count()} CPU cores, {torch.get_num_threads()} threads, {device}, {platform.machine()}, "
        f"torch {torch.__version__}; window {sizes.window_px} px, overlap {sizes.overlap_px} px, "
        f"batch {BATCH}, {LEAVES} leaves"
    )
    with tempfile.TemporaryDirectory(prefix="bench_predict_") as name:
        folder = Path(name)
        for part in parts:
            if part == "peers" and args.no_peers:
                continue
            print(f"\n### {part.capitalize()}\n")
            print(_works(args, sizes, folder)[part]())
            sys.stdout.flush()


if __name__ == "__main__":
    main()
