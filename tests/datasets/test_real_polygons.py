"""Loon Lake: forest-inventory polygons of another CRS over a Landsat scene whose pixels are not square."""

from pathlib import Path

import numpy as np
import pytest

from hierars_geo.datasets import SceneRaster, VectorLabels
from hierars_geo.samplers import GridChipSampler

FOLDER = Path(__file__).parents[2] / "../shared/data/loonlake_landsat8"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the folder with real rasters is absent")

#: Letters repeat between levels: N is non-vegetated at level 1 and non-treed at level 2.
CLASSES = {
    "L1": {"V": "Vegetated", "N": "Non-vegetated"},
    "L2": {"T": "Treed", "N": "Non-treed", "L": "Land", "W": "Water"},
    "L4": {
        "TC": "Treed coniferous",
        "TB": "Treed broadleaf",
        "TM": "Treed mixed",
        "ST": "Shrub tall",
        "SL": "Shrub low",
        "HE": "Herb",
        "HG": "Herb graminoid",
        "EL": "Exposed land",
    },
}
COLUMNS = ["BCLCS_LEVEL_1", "BCLCS_LEVEL_2", "BCLCS_LEVEL_4"]


def test_every_polygon_is_accounted_for_and_water_is_dark():
    labels = VectorLabels(FOLDER / "vri2023.gpkg", "bclcs", attributes=COLUMNS, classes=CLASSES)
    assert labels.depths == (0, 0, 0, 588)  # water has no value at level 4, and is known: it ends at level 2
    both = SceneRaster(FOLDER / "landsat.tif") & labels
    x, y, _ = both.images[0].bounds
    sample = both[x.start : x.stop, y.start : y.stop]
    mask = sample["mask"].numpy()
    assert (mask >= 0).mean() == pytest.approx(0.7166, abs=5e-4)
    counts = np.bincount(mask[mask >= 0], minlength=13)
    assert counts[0] > 0.8 * counts.sum()  # coniferous forest, whose 462 polygons hold most of the ground
    assert (counts > 0).sum() == 9
    water = mask == both.taxonomy.class_index("Water", 3)
    infrared = sample["image"][3].numpy()
    dark = np.median(infrared[water]), np.median(infrared[(mask >= 0) & ~water])
    assert dark[0] < 0.7 * dark[1]
    chips = [both[slices]["mask"].numpy() for slices in GridChipSampler(both, 64)]
    assert all(chip.shape == (64, 64) for chip in chips)


def test_without_the_finest_column_only_water_and_its_path_are_known_to_the_leaf():
    labels = VectorLabels(FOLDER / "vri2023.gpkg", "bclcs", attributes=[*COLUMNS[:2], None], classes=CLASSES)
    assert labels.depths == (0, 0, 570, 18)
    assert labels.label_sets is not None
