"""Of the labels that a base trains on, keep the leaves of a few blocks, and of the rest a coarser level.

    python experiments/sparse_labels.py experiments/base/gewata.yaml -o runs/sparse/gewata

writes for every share, here into runs/sparse/gewata/labels_001 and labels_005, rasters on the grid of each
image: ``leaf``, the leaves of the chosen blocks; ``L1``, ``L2`` ..., the classes of a coarser level of all
labels; and ``spread_L1`` ..., the leaves of the chosen blocks and one leaf below the coarse class elsewhere,
drawn for each pixel. Ground that the base does not train on keeps its leaves, to test there. A smaller share
is part of a larger one, every class occurs where a block shows it, and the same seed keeps the same blocks.
Blocks of one pixel (``--block-px 1``) are pixels drawn one by one.

    python experiments/sparse_labels.py experiments/base/synthetic.yaml -o runs/sparse/synthetic --points 25

writes another kind of mixture: so many field points of each image, of every class one at least, here in
labels_025/points; and beside them ``esa_worldcover`` and ``corine``, maps of everything in these classes.
Their cells of 3 pixels each show the ground up to a few ``--blur-px`` away: coarse, and wrong near edges.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
import yaml
from geopandas.geodataframe import GeoDataFrame
from label_shares import ranked_blocks
from numpy.typing import NDArray
from rasterio.features import geometry_mask

from hierars_geo.datamodules import SceneDataModule
from hierars_geo.errors import HieraRSError
from hierars_geo.taxonomy import Crosswalk, Taxonomy
from hierars_geo.types import IGNORE_INDEX

#: Classes of the products, by value; a leaf is the first of them that the crosswalk allows for.
_PRODUCTS = {
    "esa_worldcover": (10, 30, 40, 50, 60, 80),
    "corine": (14, 12, 23, 26, 18, 40, 41, 3, 4, 6, 10, 11, 1, 2, 30),
}
_CELL_PX = 3


def main(argv: Sequence[str]) -> int:
    """Write the labels and say what they hold.

    Returns:
        0, or 1 where that failed.
    """
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("base", type=Path, help="configuration of fit whose labels reach the leaves")
    p.add_argument("-o", "--out", type=Path, required=True, help="folder of the labels")
    p.add_argument("--shares", type=int, nargs="+", default=[1, 5], help="per cent of the blocks")
    p.add_argument("--block-px", type=int, default=32, help="side of a block (default: 32)")
    p.add_argument("--points", type=int, nargs="+", help="so many points and products instead")
    p.add_argument("--blur-px", type=float, default=3.0, help="standard deviation (default: 3)")
    p.add_argument("--seed", type=int, default=0, help="another seed, other blocks (default: 0)")
    args = p.parse_args(argv)
    write = write_points if args.points else write_blocks
    try:
        data = SceneDataModule(**yaml.safe_load(args.base.read_text(encoding="utf-8"))["data"]["init_args"])
        for number, image in enumerate(data.scenes.options.sources[0].images):
            for told in write(data, Path(image), args, args.seed + number):
                sys.stdout.write(f"{Path(image).name}: {told}\n")
    except HieraRSError as error:
        sys.stderr.write(f"sparse_labels.py: error: {error}\n")
        return 1
    return 0


def read_labels(
    data: SceneDataModule, image: Path
) -> tuple[NDArray[np.int64], NDArray[np.bool_], dict[str, Any]]:
    """Read the leaves (H, W) of an image, which of them train, and the profile of rasters of them."""
    with rasterio.open(image) as source:
        kept = {name: source.profile[name] for name in ("crs", "transform", "width", "height")}
        left, bottom, right, top = source.bounds
    profile = {"driver": "GTiff", "count": 1, "dtype": "uint8", "compress": "deflate", **kept}
    leaf = data.scenes.dataset[left:right, bottom:top]["mask"].numpy()
    train = geometry_mask([data.scenes.ground.train], leaf.shape, profile["transform"], invert=True)
    return leaf, train & (leaf != IGNORE_INDEX), profile | {"nodata": data.taxonomy.nodata_value}


def write_blocks(data: SceneDataModule, image: Path, args: argparse.Namespace, seed: int) -> Iterator[str]:
    """Write the rasters of an image; tell of each share its training pixels with a leaf, and all of them."""
    tree, (leaf, train, profile) = data.taxonomy, read_labels(data, image)
    order = ranked_blocks(np.where(train, leaf, IGNORE_INDEX), IGNORE_INDEX, args.block_px, seed)
    for share in args.shares:
        known = ~train
        for row, col in order[: max(1, round(share / 100 * len(order)))] * args.block_px:
            known[row : row + args.block_px, col : col + args.block_px] = True
        layers = {"leaf": tree.index_to_value(np.where(known, leaf, IGNORE_INDEX), tree.num_levels)}
        for level in range(1, tree.num_levels):
            drawn = np.where(known, leaf, draw_leaves(tree, tree.lift(leaf, level), level, seed))
            layers[f"L{level}"] = tree.index_to_value(tree.lift(leaf, level), level)
            layers[f"spread_L{level}"] = tree.index_to_value(drawn, tree.num_levels)
        for name, values in layers.items():
            write_raster(args.out / f"labels_{share:03d}" / name / f"{image.stem}.tif", values, profile)
        yield f"{share} %: {int((train & known).sum())} of {int(train.sum())} pixels are known to the leaf"


def draw_leaves(tree: Taxonomy, coarse: NDArray[np.int64], level: int, seed: int) -> NDArray[np.int64]:
    """Draw a leaf below each class (H, W) of a level, all alike: on average what spreading it says."""
    generator = np.random.default_rng(seed)
    drawn = np.full_like(coarse, IGNORE_INDEX)
    for index in np.unique(coarse[coarse != IGNORE_INDEX]):
        below = np.flatnonzero(tree.lift_table(level) == index)
        drawn[coarse == index] = generator.choice(below, size=int((coarse == index).sum()))
    return drawn


def write_points(data: SceneDataModule, image: Path, args: argparse.Namespace, seed: int) -> Iterator[str]:
    """Write points and products of an image; tell of their classes, and how often the products are right."""
    tree, (leaf, train, profile) = data.taxonomy, read_labels(data, image)
    for name, values in _PRODUCTS.items():
        legend = Taxonomy.from_yaml(name)
        index = legend.value_to_index(np.array(values), legend.num_levels)
        says = Crosswalk.between(name, tree).level_paths(legend.num_levels)[index]
        allowed = np.array([says[:, tree.paths[:, -1] == one].any(axis=1) for one in range(says.shape[1])])
        cover = np.append(np.array(values)[allowed.argmax(axis=1)], 0)[leaf.clip(min=-1)]
        seen = blurred(cover, args.blur_px, seed)
        write_raster(args.out / name / f"{image.stem}.tif", seen, profile | {"nodata": 0})
        yield f"{name} is right on {100 * (seen == cover)[train].mean():.1f} % of the training labels"
    order = ranked_blocks(np.where(train, leaf, IGNORE_INDEX), IGNORE_INDEX, 1, seed)
    for count in args.points:
        rows, cols = order[:count].T
        names = np.array(tree.class_names(tree.num_levels))[leaf[rows, cols]]
        places = shapely.points(*(profile["transform"] @ (cols + 0.5, rows + 0.5)))
        path = args.out / f"labels_{count:03d}" / "points" / f"{image.stem}.gpkg"
        path.parent.mkdir(parents=True, exist_ok=True)
        GeoDataFrame({"class_name": names}, geometry=places, crs=profile["crs"]).to_file(path)
        yield f"{count} points of {len(np.unique(names))} of {len(np.unique(leaf[train]))} classes"


def blurred(values: NDArray[np.integer], sigma_px: float, seed: int) -> NDArray[np.integer]:
    """Let each cell of a map (H, W) show one pixel of the ground around it, a normal distance away."""
    generator = np.random.default_rng(seed)
    cells = [np.arange(0, side, _CELL_PX) + _CELL_PX // 2 for side in values.shape]
    shift = generator.normal(0, sigma_px, (2, len(cells[0]), len(cells[1]))).round().astype(np.int64)
    rows, cols = (
        (place + own).clip(0, side - 1)
        for place, own, side in zip(np.meshgrid(*cells, indexing="ij"), shift, values.shape, strict=True)
    )
    shown: NDArray[np.integer] = values[rows, cols].repeat(_CELL_PX, axis=0).repeat(_CELL_PX, axis=1)
    return shown[: values.shape[0], : values.shape[1]]


def write_raster(path: Path, values: NDArray[np.integer], profile: dict[str, Any]) -> None:
    """Write classes (H, W) as bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(path, "w", **profile) as sink:
        sink.write(values.astype(np.uint8), 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
