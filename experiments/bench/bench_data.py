"""What a sample costs, against stock TorchGeo and against plain rasterio reads of the same windows.

Run: make bench-data (or python experiments/bench/bench_data.py), a few minutes on two cores. It makes its
rasters in a temporary folder from a fixed seed, compares the arrays of all ways first, measures them in turns
in one process and prints a Markdown table. Medians of turns, in CPU time of the process (one thread), so that
other work on the machine counts little; files warm. The exit status is 0 also where a target is missed: the
table says so.

What plain rasterio does: both files stay open; the windows are known as pixels beforehand; image.read(window)
to float32 and labels.read(1, window) to int64, as tensors. No search for the scene, no snapping, no class
lookup, no validity: what a data set adds to that is measured here. Uncompressed files lie in GDAL's block
cache as a whole, so that reading costs next to nothing and the overhead shows most. Compressed ones are
decoded at every read (the cache is kept small, as in training on more data than memory holds): decoding takes
most of the time whoever asks for it. Decoded once means that the cache holds them.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import torch
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window
from torchgeo.datasets import RasterDataset

from hierars_geo.datasets import HierarchicalLabels, SceneRaster, SceneSeries
from hierars_geo.samplers import RandomChipSampler
from hierars_geo.taxonomy import Taxonomy
from hierars_geo.types import SeriesRule

SIZE_PX, CHIP_PX, CHIPS, TURNS = 2500, 256, 100, 5
LEFT, TOP, RES_M, COARSE_M = 500_000.0, 4_000_000.0, 4.0, 10.0
#: Megabytes of decoded blocks that GDAL may keep: fewer than a compressed scene has, or more than all.
SMALL_CACHE, LARGE_CACHE = 16, 1024
Chip = tuple[slice, slice, slice]


@dataclass
class Row:
    """One line of the table."""

    what: str
    measured: str
    target: str
    met: bool

    def __str__(self) -> str:
        return (
            f"| {self.what} | {self.measured} | {self.target} | {'met' if self.met else 'SHORT OF TARGET'} |"
        )


class StockImage(RasterDataset):
    """TorchGeo's own class."""

    filename_glob = "image_*.tif"


class StockSecond(RasterDataset):
    """The second sensor."""

    filename_glob = "second_*.tif"


class StockLabels(RasterDataset):
    """Labels."""

    filename_glob = "labels_*.tif"
    is_image = False


def write(
    path: Path,
    array: NDArray[Any],
    res: float,
    left: float = LEFT,
    top: float = TOP,
    **profile: Any,
) -> Path:
    """Write (C, H, W)."""
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=len(array),
        height=array.shape[1],
        width=array.shape[2],
        dtype=array.dtype,
        crs="EPSG:32650",
        transform=Affine(res, 0, left, 0, -res, top),
        **profile,
    ) as file:
        file.write(array)
    return path


def fields(size: int, bands: int, seed: int) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    """Fields of 40 pixels with a class each (0 is unlabelled) and reflectances that go with it."""
    rng = np.random.default_rng(seed)
    patches = rng.integers(0, 19, (size // 40 + 1, size // 40 + 1)).astype(np.uint8)
    classes = np.kron(patches, np.ones((40, 40), dtype=np.uint8))[:size, :size]
    levels = rng.integers(200, 4000, (bands, 19))
    noise = rng.normal(0, 60, (size, size))
    image = np.clip(levels[:, classes] + noise, 1, 10_000).astype(np.uint16)
    return image, classes


def make_scenes(folder: Path, **profile: Any) -> None:
    """Write the image (4 bands, 4 m), the second sensor (10 bands, 10 m) and the labels of one ground."""
    image, classes = fields(SIZE_PX, 4, seed=0)
    second, _ = fields(int(SIZE_PX * RES_M / COARSE_M), 10, seed=1)
    tiles = {"tiled": True, "blockxsize": 256, "blockysize": 256} | profile
    for name, array, res in (
        ("image", image, RES_M),
        ("second", second, COARSE_M),
        ("labels", classes[None], RES_M),
    ):
        predictor = {"predictor": 2} if profile and name != "labels" else {}
        write(folder / f"{name}_0.tif", array, res, **tiles, **predictor)


def in_turns(ways: dict[str, Callable[[Chip], Any]], chips: list[Chip]) -> dict[str, float]:
    """Milliseconds per sample of each way: the median of turns, in which the ways follow one another."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(TURNS + 1):  # the first one warms up
        for name, way in ways.items():
            start = time.process_time()
            for chip in chips:
                way(chip)
            if turn:
                seconds[name].append(time.process_time() - start)
    return {name: 1000 * statistics.median(times) / len(chips) for name, times in seconds.items()}


def window_of(chip: Chip, res: float = RES_M) -> Window:
    """Pixels of a chip."""
    return Window(round((chip[0].start - LEFT) / res), round((TOP - chip[1].stop) / res), CHIP_PX, CHIP_PX)


def check(same: bool, what: str) -> None:
    """Stop where two ways read different arrays."""
    if not same:
        raise SystemExit(f"bench_data: {what} differ; the times would mean nothing.")


def one_grid(folder: Path, taxonomy: Taxonomy, title: str) -> list[Row]:
    """Image and labels on one grid, against stock TorchGeo and plain reads."""
    ours = SceneRaster(folder / "image_0.tif") & HierarchicalLabels(folder / "labels_0.tif", taxonomy)
    stock = StockImage(folder) & StockLabels(folder)
    chips = list(RandomChipSampler(ours, CHIP_PX, CHIPS, seed=3))
    windows = {id(chip): window_of(chip) for chip in chips}
    with rasterio.open(folder / "image_0.tif") as image, rasterio.open(folder / "labels_0.tif") as labels:

        def plain(chip: Chip) -> tuple[torch.Tensor, torch.Tensor]:
            window = windows[id(chip)]
            return (
                torch.from_numpy(image.read(window=window).astype(np.float32)),
                torch.from_numpy(labels.read(1, window=window).astype(np.int64)),
            )

        for chip in chips[:20]:
            sample, theirs, (pixels, values) = ours[chip], stock[chip], plain(chip)
            leaves = torch.where(values == 0, -100, values - 1)
            check(torch.equal(sample["image"], pixels) and torch.equal(theirs["image"], pixels), "images")
            check(
                torch.equal(sample["mask"], leaves) and torch.equal(theirs["mask"].long(), values), "labels"
            )
        ms = in_turns({"ours": ours.__getitem__, "stock": stock.__getitem__, "plain": plain}, chips)
    faster, slower = ms["stock"] / ms["ours"], ms["ours"] / ms["plain"]
    against = "{:.2f} x ({:.2f} ms against {:.2f} ms)".format
    rows = [
        Row(
            f"image and labels, {title}: samples per second of stock TorchGeo",
            against(faster, ms["ours"], ms["stock"]),
            ">= 5 x",
            faster >= 5,
        ),
        Row(
            f"image and labels, {title}: time of plain reads",
            against(slower, ms["ours"], ms["plain"]),
            "<= 1.6 x",
            slower <= 1.6,
        ),
    ]
    return rows


def two_sensors(folder: Path, taxonomy: Taxonomy) -> list[Row]:
    """A second sensor of 10 m read on the 4 m grid of the first, with labels."""
    labels = HierarchicalLabels(folder / "labels_0.tif", taxonomy)
    ours = SceneRaster(folder / "image_0.tif") & SceneRaster(folder / "second_0.tif") & labels
    stock = StockImage(folder) & StockSecond(folder) & StockLabels(folder)
    chips = list(RandomChipSampler(ours, CHIP_PX, CHIPS // 3, seed=4))
    with rasterio.open(folder / "second_0.tif") as second:
        to_fine = Affine(RES_M, 0, LEFT, 0, -RES_M, TOP)
        size = {"transform": to_fine, "width": SIZE_PX, "height": SIZE_PX}
        with WarpedVRT(second, dtype="float32", resampling=Resampling.bilinear, **size) as fine:
            for chip in chips[:5]:
                warped = fine.read(window=window_of(chip))
                sample = ours[chip]["image"][4:].numpy()
                check(
                    bool(np.abs(sample - warped).max() <= 1.0), "resampled images"
                )  # GDAL's weights are rounded
    ms = in_turns({"ours": ours.__getitem__, "stock": stock.__getitem__}, chips)
    faster = ms["stock"] / ms["ours"]
    return [
        Row(
            "with a second sensor, 10 bands from 10 m to 4 m: samples per second of stock TorchGeo (nearest)",
            f"{faster:.1f} x ({ms['ours']:.2f} ms against {ms['stock']:.2f} ms)",
            ">= 3 x",
            faster >= 3,
        )
    ]


def season(folder: Path) -> list[Row]:
    """Twelve dates of one place as a series, against each of its images by itself."""
    image, _ = fields(SIZE_PX // 2, 4, seed=8)
    paths = [folder / f"s_2020{month:02}15.tif" for month in range(1, 13)]
    for number, path in enumerate(paths):
        write(
            path,
            image + number,
            RES_M,
            tiled=True,
            blockxsize=256,
            blockysize=256,
            compress="deflate",
            predictor=2,
        )
    series, apart = SceneSeries(SceneRaster(folder), SeriesRule()), [SceneRaster(path) for path in paths]
    chips = list(RandomChipSampler(apart[0], CHIP_PX, CHIPS // 5, seed=9))
    chips = [(x, y, slice(None)) for x, y, _ in chips]
    for chip in chips[:3]:
        alone = torch.stack([one[chip]["image"] for one in apart])
        check(torch.equal(series[chip]["image"], alone), "dates")
    ways: dict[str, Callable[[Chip], Any]] = {
        "series": series.__getitem__,
        "apart": lambda chip: [one[chip] for one in apart],
    }
    ms = in_turns(ways, chips)
    ratio = ms["series"] / ms["apart"]
    measured = f"{ratio:.2f} x ({ms['series']:.1f} ms against {ms['apart']:.1f} ms)"
    return [Row("12 dates as a series: time of 12 images, one by one", measured, "<= 1.05 x", ratio <= 1.05)]


def many_files(folder: Path) -> list[Row]:
    """An index of 10 000 files, against one of the 400 that the chips lie on."""
    side, tile = 100, 32
    pixels = np.random.default_rng(5).integers(1, 255, (1, tile, tile)).astype(np.uint8)
    for i in range(side * side):
        row, col = divmod(i, side)
        name = folder / f"{'near' if row < 20 and col < 20 else 'far'}_{i:05}.tif"
        write(name, pixels, RES_M, LEFT + col * tile * RES_M, TOP - row * tile * RES_M)
    start = time.perf_counter()  # waiting for the disk counts here
    whole = SceneRaster(folder)
    build_s = time.perf_counter() - start
    few = SceneRaster(sorted(folder.glob("near_*.tif")))
    chips = list(RandomChipSampler(few, 48, CHIPS, seed=6))
    for chip in chips[:5]:
        check(torch.equal(whole[chip]["image"], few[chip]["image"]), "samples of the two indexes")
    ms = in_turns({"whole": whole.__getitem__, "few": few.__getitem__}, chips)
    ratio = ms["whole"] / ms["few"]
    measured = f"{ratio:.2f} x ({ms['whole']:.2f} ms against {ms['few']:.2f} ms)"
    return [
        Row("index of 10 000 files", f"{build_s:.1f} s", "< 30 s", build_s < 30),
        Row("sampling from 10 000 files: time of sampling from 400", measured, "<= 1.1 x", ratio <= 1.1),
    ]


def memory(folder: Path, taxonomy: Taxonomy) -> list[Row]:
    """Memory of the process over 20 000 samples."""
    ours = SceneRaster(folder / "image_0.tif") & HierarchicalLabels(folder / "labels_0.tif", taxonomy)
    used: list[float] = []
    for number, chip in enumerate(RandomChipSampler(ours, 128, 20_000, seed=7), 1):
        ours[chip]
        if number in (2_000, 20_000):
            pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
            used.append(pages * 4096 / 2**20)
    grown = used[1] - used[0]
    return [
        Row(
            "memory from sample 2 000 to sample 20 000",
            f"{grown:+.1f} MB (of {used[0]:.0f})",
            "<= 5 MB",
            grown <= 5,
        )
    ]


@contextmanager
def gdal_cache(megabytes: int) -> Iterator[None]:
    """Bound GDAL's block cache."""
    # rasterio takes bytes, whatever GDAL does
    env: AbstractContextManager[object] = rasterio.Env(GDAL_CACHEMAX=megabytes * 2**20)  # type: ignore[no-untyped-call]
    with env:
        yield


def main() -> None:
    """Measure everything and print the table."""
    torch.set_num_threads(1)
    taxonomy = Taxonomy.from_yaml("mm5b")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        compressed, plain, dates, many = (
            Path(name, part) for part in ("compressed", "plain", "dates", "many")
        )
        for folder in (compressed, plain, dates, many):
            folder.mkdir()
        make_scenes(compressed, compress="deflate")
        make_scenes(plain)
        with gdal_cache(SMALL_CACHE):
            rows += one_grid(compressed, taxonomy, "deflate, decoded at every read")
            rows += season(dates)
        with gdal_cache(LARGE_CACHE):
            rows = one_grid(plain, taxonomy, "uncompressed and cached") + rows
            rows += one_grid(compressed, taxonomy, "deflate, decoded once")
            rows += two_sensors(plain, taxonomy)
        rows += many_files(many)
        with gdal_cache(SMALL_CACHE):
            rows += memory(plain, taxonomy)
    print("| samples of 256 px | measured | target | |\n|---|---|---|---|")
    for row in rows:
        print(row)


if __name__ == "__main__":
    main()
