"""Draw docs/img/intersection.png: one piece of ground as two sensors and their labels see it.

Run: python experiments/figures/intersection.py (a few seconds; the scenes are generated).
"""

import sys
import tempfile
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import rasterio
from affine import Affine

from hierars_geo.datasets import HierarchicalLabels, SceneIntersection, SceneRaster
from hierars_geo.taxonomy import Taxonomy

OUT = Path(__file__).parents[2] / "docs/img/intersection.png"


def write(path: Path, array: np.ndarray, res: float, left: float, top: float, nodata: float) -> Path:
    """Write (1, H, W)."""
    transform = Affine(res, 0, left, 0, -res, top)
    profile = {"count": 1, "height": array.shape[1], "width": array.shape[2], "dtype": array.dtype}
    with rasterio.open(
        path, "w", driver="GTiff", crs="EPSG:32650", transform=transform, nodata=nodata, **profile
    ) as file:
        file.write(array)
    return path


def main() -> None:
    """Make the scenes, read one sample and draw it."""
    mpl.use("Agg")
    rng = np.random.default_rng(2)
    fields = np.kron(rng.integers(1, 12, (12, 12)), np.ones((25, 25))).astype(np.uint8)
    fine = (fields * 300.0 + rng.normal(0, 60, fields.shape)).astype(np.uint16)[None]
    fine[:, 60:100, 150:220] = 0
    coarse = (
        np.roll(fields, (25, -25), (0, 1))[::5, ::5].repeat(2, 0).repeat(2, 1).astype(np.uint16)[None] * 300
    )
    labels = fields[None].copy()
    labels[:, :, :40] = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images = (
            SceneRaster(write(folder / "fine.tif", fine, 4, 500_000, 4_000_000, 0)),
            SceneRaster(write(folder / "coarse.tif", coarse, 10, 500_100, 4_000_100, 0)),
        )
        taxonomy = Taxonomy.from_yaml("mm5b")
        both = HierarchicalLabels(
            write(folder / "labels.tif", labels, 4, 500_000, 4_000_000, 0), taxonomy
        ) & SceneIntersection(*images, stack=False)
        sample = both[500_000:501_000, 3_999_000:4_000_000]
    shown = {
        "image_generic (4 m)": sample["image_generic"][0].where(sample["valid_generic"], np.nan),
        "image_generic_2 (10 m)": sample["image_generic_2"][0].where(sample["valid_generic_2"], np.nan),
        "mask": sample["mask"].float().where(sample["mask"] >= 0, np.nan),
        "valid": sample["valid"].float(),
    }
    figure, axes = plt.subplots(1, 4, figsize=(9, 2.7), dpi=90, layout="constrained")
    for axis, (title, plane), colors in zip(
        axes, shown.items(), ("gray", "gray", "tab20", "gray"), strict=True
    ):
        axis.imshow(plane, cmap=colors, interpolation="nearest")
        axis.set_title(f"{title}\n{tuple(plane.shape)}", fontsize=9)
        axis.set_facecolor("mistyrose")
        axis.set(xticks=[], yticks=[])
    figure.savefig(OUT)
    sys.stdout.write(f"{OUT}\n")


if __name__ == "__main__":
    main()
