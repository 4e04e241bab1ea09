"""Of the labels that a base trains on, keep the leaves of a few blocks, and of the rest one coarser level.

    python experiments/sparse_labels.py experiments/base/gewata.yaml -o runs/sparse/gewata

writes for every share, here into runs/sparse/gewata/labels_001 and labels_005, three rasters on the grid of
each image: ``leaf``, the leaves of the chosen blocks; ``coarse``, the classes of level 1 of all labels;
and ``spread``, the leaves of the chosen blocks and one leaf below the coarse class elsewhere, drawn for each
pixel. Ground that the base does not train on keeps its leaves, to test there. A smaller share is part of a
larger one, every class occurs where a block shows it, and the same seed keeps the same blocks.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import rasterio
import yaml
from label_shares import ranked_blocks
from numpy.typing import NDArray
from rasterio.features import geometry_mask

from hierars_geo.datamodules import SceneDataModule
from hierars_geo.errors import HieraRSError
from hierars_geo.taxonomy import Taxonomy
from hierars_geo.types import IGNORE_INDEX


def main(argv: Sequence[str]) -> int:
    """Write the rasters and say what they hold.

    Returns:
        0, or 1 where that failed.
    """
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("base", type=Path, help="configuration of fit whose labels reach the leaves")
    p.add_argument("-o", "--out", type=Path, required=True, help="folder of the rasters")
    p.add_argument("--shares", type=int, nargs="+", default=[1, 5], help="per cent of the blocks")
    p.add_argument("--level", type=int, default=1, help="level of the rest (default: 1)")
    p.add_argument("--block-px", type=int, default=32, help="side of a block (default: 32)")
    p.add_argument("--seed", type=int, default=0, help="another seed, other blocks (default: 0)")
    args = p.parse_args(argv)
    try:
        data = SceneDataModule(**yaml.safe_load(args.base.read_text(encoding="utf-8"))["data"]["init_args"])
        for number, image in enumerate(data.scenes.options.sources[0].images):
            for share, known, pixels in write(data, Path(image), args, args.seed + number):
                name = Path(image).name
                sys.stdout.write(f"{share} %: {known} of {pixels} pixels of {name} are known to the leaf\n")
    except HieraRSError as error:
        sys.stderr.write(f"sparse_labels.py: error: {error}\n")
        return 1
    return 0


def write(
    data: SceneDataModule, image: Path, args: argparse.Namespace, seed: int
) -> Iterator[tuple[int, int, int]]:
    """Write the rasters of an image; yield each share, its training pixels with a leaf, and all of them."""
    with rasterio.open(image) as source:
        kept = {name: source.profile[name] for name in ("crs", "transform", "width", "height")}
        left, bottom, right, top = source.bounds
    tree = data.taxonomy
    profile = {"driver": "GTiff", "count": 1, "dtype": "uint8", "nodata": tree.nodata_value, **kept}
    leaf = data.scenes.dataset[left:right, bottom:top]["mask"].numpy()
    train = geometry_mask([data.scenes.ground.train], leaf.shape, profile["transform"], invert=True)
    train &= leaf != IGNORE_INDEX
    order = ranked_blocks(np.where(train, leaf, IGNORE_INDEX), IGNORE_INDEX, args.block_px, seed)
    coarse = tree.lift(leaf, args.level)
    drawn = draw_leaves(tree, coarse, args.level, seed)
    for share in args.shares:
        known = ~train
        for row, col in order[: max(1, round(share / 100 * len(order)))] * args.block_px:
            known[row : row + args.block_px, col : col + args.block_px] = True
        layers = {
            "leaf": tree.index_to_value(np.where(known, leaf, IGNORE_INDEX), tree.num_levels),
            "coarse": tree.index_to_value(coarse, args.level),
            "spread": tree.index_to_value(np.where(known, leaf, drawn), tree.num_levels),
        }
        for name, values in layers.items():
            path = args.out / f"labels_{share:03d}" / name / f"{image.stem}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            with rasterio.open(path, "w", compress="deflate", **profile) as sink:
                sink.write(values.astype(np.uint8), 1)
        yield share, int((train & known).sum()), int(train.sum())


def draw_leaves(tree: Taxonomy, coarse: NDArray[np.int64], level: int, seed: int) -> NDArray[np.int64]:
    """Draw a leaf below each class (H, W) of a level, all alike: on average what spreading it says."""
    generator = np.random.default_rng(seed)
    drawn = np.full_like(coarse, IGNORE_INDEX)
    for index in np.unique(coarse[coarse != IGNORE_INDEX]):
        below = np.flatnonzero(tree.lift_table(level) == index)
        drawn[coarse == index] = generator.choice(below, size=int((coarse == index).sum()))
    return drawn


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
