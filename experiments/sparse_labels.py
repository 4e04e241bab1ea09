"""Keep the leaves of a few blocks of a label raster, and of the rest one coarser level alone.

    python experiments/sparse_labels.py lulcGewata.tif gewata -o runs/sparse/gewata --keep-east-of 831975

writes leaf.tif, the leaves of the chosen blocks (and all of those east of a coordinate, to test on), and
coarse.tif, the classes of level 1 of every labelled pixel. The same seed keeps the same blocks; every class
occurs where a block shows it.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rasterio
from label_shares import write_label_shares

from hierars_geo.errors import HieraRSError
from hierars_geo.taxonomy import Taxonomy

BLOCK_PX = 32


def main(argv: Sequence[str]) -> int:
    """Write the two rasters and say what they hold.

    Returns:
        0, or 1 where that failed.
    """
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("labels", type=Path, help="label raster of leaves, in metres")
    p.add_argument("taxonomy", help="its class tree: catalog name or YAML file")
    p.add_argument("-o", "--out", type=Path, required=True, help="folder of the rasters")
    p.add_argument("--share", type=float, default=0.05, help="share of the blocks known to the leaf")
    p.add_argument("--level", type=int, default=1, help="level of the rest (default: 1)")
    p.add_argument("--keep-east-of", type=float, default=np.inf, help="keep all leaves east of this x")
    p.add_argument("--seed", type=int, default=0, help="another seed, other blocks (default: 0)")
    args = p.parse_args(argv)
    try:
        known, pixels = write(args)
    except HieraRSError as error:
        sys.stderr.write(f"sparse_labels.py: error: {error}\n")
        return 1
    sys.stdout.write(f"{args.out}: {known} of {pixels} labelled pixels to train on are known to the leaf\n")
    return 0


def write(args: argparse.Namespace) -> tuple[int, int]:
    """Write the rasters; return the training pixels known to the leaf, and all of them."""
    tree = Taxonomy.from_yaml(args.taxonomy)
    args.out.mkdir(parents=True, exist_ok=True)
    with rasterio.open(args.labels) as source:
        values, profile, transform = source.read(1), source.profile, source.transform
    profile |= {"driver": "GTiff", "nodata": tree.nodata_value, "compress": "deflate"}
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "labels.tif"
        with rasterio.open(plain, "w", **profile) as sink:
            sink.write(values, 1)
        block_m = BLOCK_PX * transform.a
        (kept,) = write_label_shares(plain, Path(folder) / "shares", [args.share], block_m, args.seed)
        with rasterio.open(kept.path) as source:
            leaf = source.read(1)
    east = transform.c + transform.a * (np.arange(values.shape[1]) + 0.5) > args.keep_east_of
    leaf[:, east] = values[:, east]
    index = tree.value_to_index(values, origin=str(args.labels))
    coarse = tree.index_to_value(tree.lift(index, args.level), args.level)
    for name, array in (("leaf", leaf), ("coarse", coarse.astype(values.dtype))):
        with rasterio.open(args.out / f"{name}.tif", "w", **profile) as sink:
            sink.write(array, 1)
    train = (index >= 0) & ~east[None]
    return int((train & (leaf != tree.nodata_value)).sum()), int(train.sum())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
