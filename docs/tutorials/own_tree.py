# %% [markdown]
# # Your own scenes and class tree
#
# Rasters of your own, a class tree of your own: both are plain files. Here two small rasters stand for them, a lake and a
# wood among fields, so that the page runs anywhere.
#
# From a clone to the map of a scene of one's own (Gewata of [results](../results.md), six bands, six classes, 1548 x 1177 px) it took
# 13 minutes to read this page and the README and to type, at 200 words and 200 characters a minute, and 84 s of CPU to train and
# map. `make install` took 17 minutes on two cores that many programs shared; alone it takes about two.

# %%
from pathlib import Path

import numpy as np
import rasterio
from lightning.pytorch import Trainer, seed_everything

import hierars_geo as hg

seed_everything(0)

# %% [markdown]
# ## The tree
#
# `value` is what the label raster stores. A class names its parent; a class without children goes on downwards by itself.

# %%
Path("my_tree.yaml").write_text(
    """
name: my_tree
nodata: 0
levels:
  - name: kind
    classes:
      - {name: land, value: 1, color: "#8bc34a"}
      - {name: water, value: 2, color: "#1e88e5"}
  - name: cover
    classes:
      - {name: field, value: 1, color: "#ffeb3b", parent: land}
      - {name: wood, value: 2, color: "#2e7d32", parent: land}
      - {name: lake, value: 3, color: "#1e88e5", parent: water}
""",
    encoding="utf-8",
)
tree = hg.Taxonomy.from_yaml("my_tree.yaml")
print(tree.level_names, tree.class_names(1), tree.class_names(2))

# %% [markdown]
# ## The scenes
#
# Any GeoTIFF with a CRS will do. Bands are found by their descriptions; for a sensor that the catalog does not know,
# `sensor="generic"` with `bands={"red": 1, "nir": 2}` says which band of the file is which. Pixels without a label hold
# the tree's nodata, 0, and count nowhere. With rasters of your own, put images into `images/` and label rasters into `labels/`,
# and leave the next cell out.


# %%
def write(path: Path, pixels: np.ndarray, left_m: float) -> str:
    """Write (C, H, W) pixels of 10 m as a GeoTIFF."""
    path.parent.mkdir(exist_ok=True)
    profile = {"driver": "GTiff", "count": len(pixels), "height": pixels.shape[1], "width": pixels.shape[2]}
    place = {"crs": "EPSG:32631", "transform": rasterio.transform.from_origin(left_m, 5_000_000, 10, 10)}
    with rasterio.open(path, "w", dtype=pixels.dtype, **profile, **place) as dataset:
        dataset.write(pixels)
    return str(path)


def draw(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw a place: red and near infrared, (2, 128, 128), and its classes, (1, 128, 128)."""
    random = np.random.default_rng(seed)
    row, col = np.mgrid[:128, :128]
    label = np.ones((128, 128), np.uint8)
    for value in (2, 2, 3, 3):
        middle = random.integers(16, 112, 2)
        label[(row - middle[0]) ** 2 + (col - middle[1]) ** 2 < random.integers(14, 34) ** 2] = value
    mean = np.array([[0, 900, 300, 500], [0, 3000, 2600, 250]])[:, label]
    image = random.normal(mean, 200).clip(1).astype(np.uint16)
    label[:8] = 0  # a strip that nobody labelled
    return image, label[None]


for name, seed, left_m in (("west", 1, 500_000), ("east", 2, 510_000)):
    image, label = draw(seed)
    write(Path("images") / f"{name}.tif", image, left_m)
    write(Path("labels") / f"{name}.tif", label, left_m)

# %% [markdown]
# ## Train on one, map the other
#
# `images` and `labels` take files, folders or patterns. What belongs together is found by where it lies on the ground, not by
# its name. With scenes of your own, one or many, write `images=["images/"]` and leave `splits` out: a fifth of the ground is then
# kept for validation, a fifth for testing. Model, chips and steps are of toy size here; for real ones see
# [the first map](first_map.md#ten-lines).

# %%
data = hg.datamodules.SceneDataModule(
    images=["images/west.tif"],
    labels=["labels/"],
    taxonomy="my_tree.yaml",
    sensor="generic",
    bands={"red": 1, "nir": 2},
    chips={"size": 32, "per_epoch": 240},
    splits={"val_fraction": 0.0, "test_fraction": 0.0},
)
task = hg.tasks.BHCCMTask(
    architecture="hypercolumn",
    encoder="tu-test_resnet",
    optimizer={"lr": 0.01},
)
trainer = Trainer(max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False)
trainer.fit(task, data)
trainer.save_checkpoint("model.ckpt", weights_only=True)
maps = hg.predict("model.ckpt", "images/east.tif", "maps")
maps.plot(level=2).savefig("own_tree.png", dpi=60)

# %% [markdown]
# ![The map of the other scene](own_tree.png)
#
# The tree travelled with the checkpoint and the maps: names and colours are yours, in QGIS too. These two bands tell the
# three classes apart almost by themselves, so that a few steps are enough; real classes take more.

# %%
scores = maps.evaluate("labels/east.tif")
for name, level in zip(tree.level_names, scores.levels, strict=True):
    print(f"{name}: {level.oa:.3f} of the pixels are right")

# %%
assert maps.taxonomy.class_names(2) == ("field", "wood", "lake")
assert scores.levels[1].oa > 0.9
assert scores.ignored == 8 * 128  # the strip without labels counts nowhere

# %% [markdown]
# ## Where to go on
#
# * The same as a YAML file and two commands: [train on my own scenes](../howto.md#train-on-my-own-scenes).
# * Labels as polygons, other layouts, clouds: [data](../data.md).
# * Trees that are shipped: `hierars-geo taxonomy list`.
# * Next: [from few and mixed labels](few_labels.md).
