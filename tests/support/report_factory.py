"""A prediction folder as the predictor leaves it, with image, labels and scores, painted with NumPy."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from affine import Affine
from raster_factory import write_raster
from scipy.ndimage import gaussian_filter

from hierars_geo.taxonomy import Taxonomy

UTM = ("EPSG:32648", Affine(10, 0, 300_000, 0, -10, 2_400_000))
LONLAT = ("EPSG:4326", Affine(1e-4, 0, 105.0, 0, -1e-4, 60.0))


@dataclass
class Place:
    """Arrays of one place.

    Attributes:
        reference: (H, W) leaf index, -1 unlabelled.
        predicted: (H, W) leaf index, -1 nodata.
    """

    taxonomy: Taxonomy
    shape: tuple[int, int] = (150, 200)
    seed: int = 0
    crs: str = UTM[0]
    transform: Affine = UTM[1]
    reference: np.ndarray = field(init=False)
    predicted: np.ndarray = field(init=False)

    def __post_init__(self):
        rng = np.random.default_rng(self.seed)
        height, width = self.shape
        leaves = self.taxonomy.num_classes[-1]
        bias = rng.gamma(1.5, 0.45, leaves)
        fields = np.stack([gaussian_filter(rng.normal(size=self.shape), 7) * 25 for _ in range(leaves)])
        self.reference = (fields + bias[:, None, None]).argmax(axis=0)
        rows, cols = np.mgrid[:height, :width]
        if leaves > 13:
            river = np.abs(rows - height * (0.55 + 0.18 * np.sin(cols / width * 6))) < height * 0.025
            road = np.abs(cols - width * 0.3 - 0.15 * rows) < 1.5
            self.reference[river], self.reference[road] = 5, 13
        noisy = gaussian_filter(rng.normal(size=self.shape), 2) * 7
        other = (fields + 1.4 * noisy * rng.normal(size=(leaves, 1, 1)) + bias[:, None, None]).argmax(axis=0)
        self.predicted = np.where(noisy > 0.6, other, self.reference)
        corner = rows + cols < height * 0.3
        self.predicted[corner] = -1
        self.reference[rows > height * 0.93] = -1
        self.confidence = np.clip(96 - 30 * np.maximum(noisy, 0) - 4 * rng.random(self.shape), 21, 99)

    def paths(self, leaf):
        """(N, H, W) class indices along the first legal path of every leaf, -100 where there is none."""
        first = [
            np.flatnonzero(self.taxonomy.paths[:, -1] == k)[0] for k in range(self.taxonomy.num_classes[-1])
        ]
        levels = self.taxonomy.paths[first].T
        return np.where(leaf < 0, -100, levels[:, np.maximum(leaf, 0)])

    def write_tif(self, path, array, nodata=None, names=None, transform=None, crs=None, **options):
        place = {"crs": crs or self.crs, "transform": transform or self.transform}
        return write_raster(path, array, names, nodata=nodata, **place, **options)

    def values(self, leaf, level):
        return self.taxonomy.index_to_value(self.paths(leaf)[level - 1], level).astype(np.uint8)

    def write_prediction(self, folder: Path, name="scene", levels=None, confidence=True, depth=False):
        folder.mkdir(parents=True, exist_ok=True)
        levels = levels or range(1, self.taxonomy.num_levels + 1)
        for level in levels:
            self.write_tif(
                folder / f"{name}_L{level}.tif",
                self.values(self.predicted, level),
                self.taxonomy.nodata_value,
                tiled=True,
                blockxsize=64,
                blockysize=64,
            )
            if confidence:
                sure = np.clip(self.confidence - 8 * (level - 1), 0, 100).round()
                sure = np.where(self.predicted < 0, 255, sure).astype(np.uint8)
                self.write_tif(folder / f"{name}_conf_L{level}.tif", sure, 255)
        if depth:
            reach = np.digitize(self.confidence, np.linspace(40, 80, self.taxonomy.num_levels))
            reach = np.where(self.predicted < 0, 255, reach).astype(np.uint8)
            self.write_tif(folder / f"{name}_depth.tif", reach, 255)
        properties = {
            "datetime": "2021-07-14T03:25:49Z",
            "created": "2026-11-22T10:00:00Z",
            "proj:code": self.crs,
            "processing:software": {"hierars-geo": "0.1.0", "torch": "2.15.0"},
            "hierars:taxonomy": self.taxonomy.to_dict(),
            "hierars:checkpoint": "model.ckpt",
            "hierars:checkpoint_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "hierars:bands": ["B02", "B03", "B04", "B08"],
            "hierars:options": {
                "window": 256,
                "overlap": 0.25,
                "blend": "hann",
                "levels": None,
                "tta": False,
            },
            "hierars:source": [f"{name}.tif"],
            "hierars:notes": [],
        }
        item = {"type": "Feature", "id": name, "properties": properties}
        (folder / f"{name}.json").write_text(json.dumps(item))
        return folder

    def write_image(self, path, names=("B02", "B03", "B04", "B08")):
        rng = np.random.default_rng(self.seed + 1)
        colors = np.array(self.taxonomy.colors(self.taxonomy.num_levels))[np.maximum(self.reference, 0)]
        grey = colors.mean(axis=-1, keepdims=True)
        rgb = 500 + 4 * (0.35 * colors + 0.65 * grey) + rng.normal(0, 40, colors.shape)
        bands = np.stack([rgb[..., 2], rgb[..., 1], rgb[..., 0], rgb[..., 1] + 900])[: len(names)]
        bands[:, self.predicted < 0] = 0
        return self.write_tif(path, bands.astype(np.uint16), 0, names)

    def write_labels(self, path, nodata=0, **options):
        values = self.values(self.reference, self.taxonomy.num_levels)
        return self.write_tif(path, values, nodata, **options)

    def metrics(self, flips=0.0):
        """The content of a metrics.json, computed here by NumPy alone."""
        rng = np.random.default_rng(9)
        leaf = np.where(
            rng.random(self.shape) < flips,
            rng.integers(0, self.taxonomy.num_classes[-1], self.shape),
            self.predicted,
        )
        leaf = np.where(self.predicted < 0, -1, leaf)
        known = (self.reference >= 0) & (self.predicted >= 0)
        truth, mapped = self.paths(self.reference)[:, known], self.paths(leaf)[:, known]
        wrong = (truth != mapped).sum(axis=0)
        return {
            "taxonomy": self.taxonomy.name,
            "pixels": int(known.sum()),
            "ignored": int((~known).sum()),
            "consistency": 0.9734,
            "tree_distance": {"mean_all": float(wrong.mean()), "mean_errors": float(wrong[wrong > 0].mean())},
            "levels": {
                f"L{n}": self._level_metrics(truth[n - 1], mapped[n - 1], n)
                for n in range(1, self.taxonomy.num_levels + 1)
            },
        }

    def _level_metrics(self, truth, mapped, level):
        size = self.taxonomy.num_classes[level - 1]
        confusion = np.zeros((size, size), dtype=int)
        np.add.at(confusion, (truth, mapped), 1)
        classes = []
        for k, name in enumerate(self.taxonomy.class_names(level)):
            hit, support, predicted = (
                int(confusion[k, k]),
                int(confusion[k].sum()),
                int(confusion[:, k].sum()),
            )
            classes.append(
                {
                    "name": name,
                    "value": self.taxonomy.class_values(level)[k],
                    "iou": ratio(hit, support + predicted - hit),
                    "f1": ratio(2 * hit, support + predicted),
                    "precision": ratio(hit, predicted),
                    "recall": ratio(hit, support),
                    "support": support,
                    "predicted": predicted,
                }
            )
        return {
            "oa": ratio(int(np.trace(confusion)), int(confusion.sum())),
            "miou": mean([c["iou"] for c in classes]),
            "mf1": mean([c["f1"] for c in classes]),
            "classes": classes,
            "confusion": confusion.tolist(),
        }


def ratio(part, whole):
    return part / whole if whole else None


def mean(values):
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
