"""Keep 1, 5, 10 ... per cent of the blocks of a label raster, for the experiments with few labels.

    python experiments/label_shares.py scenes/crop_train/crop_train_labels.tif -o scenes/crop_labels

writes labels_001.tif, labels_005.tif, labels_010.tif and labels_100.tif. Each is part of the next, every
class occurs where a block shows it, and the same seed keeps the same blocks.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray

from hierars_geo.errors import DataError, HieraRSError, OptionError
from hierars_geo.maps import open_class_map
from hierars_geo.output import atomic_path, refuse_existing
from hierars_geo.scenes.dataset import open_dataset

#: A class counts as shown by a block from this share of the block's pixels on.
_SHOWN = 0.25
_TILE_PX = 256


@dataclass(frozen=True)
class LabelShare:
    """A label raster of which some blocks are kept.

    Attributes:
        path: The file.
        share: Of the labelled blocks, as asked for.
        blocks: How many are kept.
        blocks_in_all: How many have labels.
        pixels: Labelled pixels by raster value.
    """

    path: Path
    share: float
    blocks: int
    blocks_in_all: int
    pixels: dict[int, int]


def write_label_shares(
    labels: str | os.PathLike[str],
    out_dir: str | os.PathLike[str],
    shares: Sequence[float],
    block_m: float,
    seed: int = 0,
    overwrite: bool = False,
) -> list[LabelShare]:
    """Write copies of a label raster in which only a share of its blocks is labelled.

    The images stay valid everywhere: a pixel outside the kept blocks has data and no label. Smaller shares
    are part of larger ones. The first blocks show every class that some block shows, as far as there is room.

    Args:
        labels: Class raster with a declared nodata value and pixels in metres.
        out_dir: Folder of the copies, ``labels_001.tif`` for 1 %, ``labels_100.tif`` for all.
        shares: Of the blocks that have labels, whole per cent, 0.01..1; at least one block is kept.
        block_m: Side of a block in metres, rounded to pixels.
        seed: Same seed, same blocks.
        overwrite: Replace files that exist.

    Returns:
        What was written, in the order of ``shares``.

    Raises:
        OptionError: A share or the block's side is out of range.
        DataError: There is no label, or no value that means none.
        RasterError: The raster cannot be read.
        OutputError: A file exists, or cannot be written.
    """
    for share in shares:
        if not 0.01 <= share <= 1 or abs(100 * share - round(100 * share)) > 1e-6:
            raise OptionError(f"Expected shares of whole per cent, 0.01..1, but got {share}.")
    with open_class_map(labels) as source:
        if source.nodata is None:
            raise DataError(f"Expected labels that declare nodata, but got none (in {source.path}).")
        values, nodata = source.read(source.nodata), source.nodata
        block_px = round(block_m / source.grid.res[0])
    if block_px < 1:
        raise OptionError(f"Expected block_m to be at least a pixel, but got {block_m:g}.")
    paths = [Path(out_dir) / f"labels_{round(100 * share):03d}.tif" for share in shares]
    refuse_existing(paths, overwrite)
    order = ranked_blocks(values, nodata, block_px, seed)
    return [
        _write(Path(labels), path, share, _kept(values, nodata, order, share, block_px), nodata, len(order))
        for path, share in zip(paths, shares, strict=True)
    ]


def ranked_blocks(values: NDArray[np.integer], nodata: int, block_px: int, seed: int) -> NDArray[np.int64]:
    """Bring the blocks that have labels into the order in which they are labelled.

    Rare classes lead: of the blocks in random order, the first one that shows the rarest class, then the
    first one for the next class that none of the blocks so far shows, and so on; the others follow as they
    came.

    Args:
        values: (H, W) class values.
        nodata: Value without label.
        block_px: Side of a block; block (i, j) begins at row i * block_px and column j * block_px.
        seed: Of the random order.

    Returns:
        (K, 2) rows and columns of blocks.

    Raises:
        DataError: No pixel has a label.
    """
    classes, frequency = np.unique(values[values != nodata], return_counts=True)
    if not len(classes):
        raise DataError("Expected labels to keep a share of, but every pixel is without.")
    rows, cols = (np.arange(size) // block_px for size in values.shape)
    blocks = rows[:, None] * (cols[-1] + 1) + cols
    counts = np.stack([np.bincount(blocks[values == c], minlength=blocks[-1, -1] + 1) for c in classes])
    labelled = np.random.default_rng(seed).permutation(np.flatnonzero(counts.any(axis=0)))
    shown = counts[:, labelled] >= _SHOWN * block_px**2
    first: list[int] = []
    for number in np.argsort(frequency, kind="stable"):
        found = np.flatnonzero(shown[number])
        if len(found) and not shown[number, first].any():
            first.append(int(found[0]))
    order = labelled[[*first, *np.setdiff1d(np.arange(len(labelled)), first)]]
    return np.stack(np.divmod(order, cols[-1] + 1), axis=1)


def _kept(
    values: NDArray[np.integer], nodata: int, order: NDArray[np.int64], share: float, block_px: int
) -> tuple[NDArray[np.integer], int]:
    """Blank all but the first blocks; return what is left and how many blocks that is."""
    count = max(1, round(share * len(order)))
    kept = np.full_like(values, nodata)
    for row, col in order[:count] * block_px:
        block = np.s_[row : row + block_px, col : col + block_px]
        kept[block] = values[block]
    return kept, count


def _write(
    labels: Path,
    path: Path,
    share: float,
    kept: tuple[NDArray[np.integer], int],
    nodata: int,
    blocks_in_all: int,
) -> LabelShare:
    """Write a copy with grid, palette and tags of the original."""
    values, blocks = kept
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_dataset(str(labels)) as source:
        profile = source.profile | {
            "driver": "GTiff",
            "count": 1,
            "tiled": True,
            "blockxsize": _TILE_PX,
            "blockysize": _TILE_PX,
            "compress": "deflate",
        }
        palette = source.colormap(1) if source.colorinterp[0].name == "palette" else None
        with (
            atomic_path(path) as unfinished,
            rasterio.open(unfinished, "w", **profile) as target,
        ):
            target.write(values, 1)
            target.update_tags(**source.tags(), LABEL_BLOCKS=f"{blocks} of {blocks_in_all}")
            if palette is not None:
                target.write_colormap(1, palette)
    found, counts = np.unique(values[values != nodata], return_counts=True)
    pixels = dict(zip(found.tolist(), counts.tolist(), strict=True))
    return LabelShare(path, share, blocks, blocks_in_all, pixels)


def main(argv: Sequence[str]) -> int:
    """Write the rasters and say what they hold.

    Returns:
        0, or 1 where that failed.
    """
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("labels", type=Path, help="label raster in metres, with a nodata value")
    p.add_argument("-o", "--out", type=Path, required=True, help="folder of the rasters")
    p.add_argument("--shares", type=float, nargs="+", default=[0.01, 0.05, 0.1, 1.0], help="shares of blocks")
    p.add_argument("--block-m", type=float, default=160.0, help="side of a block, metres (default: 160)")
    p.add_argument("--seed", type=int, default=0, help="another seed, other blocks (default: 0)")
    p.add_argument("--overwrite", action="store_true", help="replace rasters that exist")
    args = p.parse_args(argv)
    try:
        written = write_label_shares(
            args.labels, args.out, args.shares, args.block_m, args.seed, args.overwrite
        )
    except HieraRSError as error:
        sys.stderr.write(f"label_shares.py: error: {error}\n")
        return 1
    for share in written:
        pixels = " ".join(f"{value}:{count}" for value, count in share.pixels.items())
        sys.stdout.write(f"{share.path}: {share.blocks} of {share.blocks_in_all} blocks, pixels {pixels}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
