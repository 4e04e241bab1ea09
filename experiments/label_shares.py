"""Keep 1, 5, 10 ... per cent of the blocks of a label raster, for the experiments with few labels.

    python experiments/label_shares.py scenes/crop_train/crop_train_labels.tif -o scenes/crop_labels

writes labels_001.tif, labels_005.tif, labels_010.tif and labels_100.tif. Each is part of the next, every
class occurs where a block shows it, and the same seed keeps the same blocks.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from hierars_geo.errors import HieraRSError
from hierars_geo.synthetic import write_label_shares


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
