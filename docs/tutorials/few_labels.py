# %% [markdown]
# # From few and mixed labels
#
# Hardly anybody has labels to the leaf everywhere. Here one scene has three kinds: a few field points to the leaf, a
# map product that knows the coarse classes alone, and nothing for the rest. All of them train one model of the whole tree.

# %%
import geopandas
import numpy as np
import rasterio
from lightning.pytorch import Trainer, seed_everything

import hierars_geo as hg

seed_everything(0)
spec = hg.synthetic.scene_series(1, size_m=1280, seed=0, sensors=("sentinel2",))[0]
scene = hg.synthetic.write_land_cover_scene(spec, "scenes")
image = scene.images["sentinel2"]
tree = hg.Taxonomy.from_yaml("mm5b")

# %% [markdown]
# ## Few points
#
# A table of points with a class name is what comes home from the field. 40 are drawn from the true labels: not one
# label pixel of two thousand.

# %%
with rasterio.open(scene.labels) as dataset:
    truth, labels_profile = dataset.read(1), dataset.profile
    rows, cols = np.nonzero(truth != tree.nodata_value)
    chosen = np.random.default_rng(0).choice(len(rows), 40, replace=False)
    x, y = dataset.xy(rows[chosen], cols[chosen])
names = dict(zip(tree.class_values(3), tree.class_names(3), strict=True))
points = geopandas.GeoDataFrame(
    {"class_name": [names[value] for value in truth[rows[chosen], cols[chosen]]]},
    geometry=geopandas.points_from_xy(x, y),
    crs=labels_profile["crs"],
)
points.to_file("points.gpkg")
print(points.class_name.value_counts().head())

# %% [markdown]
# ## A coarse map for the rest
#
# A raster of level 1 stands for a product: four classes everywhere, right but coarse. A product with another legend is
# read by a crosswalk, see `hierars-geo taxonomy crosswalk`.

# %%
to_index = np.full(256, -1)
to_index[list(tree.class_values(3))] = np.arange(len(names))
above = {int(path[-1]): int(path[0]) for path in tree.paths}  # leaf -> its class at level 1
coarse_values = np.array([tree.class_values(1)[above[leaf]] for leaf in range(len(names))])
coarse = np.where(to_index[truth] >= 0, coarse_values[to_index[truth]], tree.nodata_value)
with rasterio.open("product.tif", "w", **labels_profile) as dataset:
    dataset.write(coarse.astype(truth.dtype), 1)

# %% [markdown]
# ## One training
#
# Every source says what it can and what it is worth. Where sources overlap, the higher `priority` counts. A coarse
# label trains the levels that it knows, and excludes what contradicts it below. `balance: 1.0` aims every chip at a label that
# reaches the leaf.


# %%
def train(labels: list[dict[str, object]], name: str) -> hg.Maps:
    """Train on some labels, and map the scene."""
    seed_everything(0)
    data = hg.datamodules.SceneDataModule(
        images=[str(image)],
        labels=labels,
        taxonomy="mm5b",
        chips={"size": 32, "per_epoch": 480, "sampler": "balanced", "balance": 1.0},
        splits={"val_fraction": 0.0, "test_fraction": 0.0},
    )
    task = hg.tasks.BHCCMTask(
        architecture="hypercolumn",
        encoder="tu-test_resnet",
        optimizer={"lr": 0.01},
    )
    trainer = Trainer(max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False)
    trainer.fit(task, data)
    trainer.save_checkpoint(f"{name}.ckpt", weights_only=True)
    return hg.predict(f"{name}.ckpt", image, name)


field = {"path": "points.gpkg", "attribute": "class_name", "geometry": "disc", "buffer_m": 15, "priority": 2}
product = {"path": "product.tif", "level": 1, "weight": 0.3}
few = train([field], "few")
mixed = train([field, product], "mixed")

# %% [markdown]
# ## What the coarse labels give
#
# The scene is the one that was trained on, but hardly a pixel of its true leaves was ever shown.

# %%
few.plot(level=1).savefig("few_labels_points.png", dpi=60)
mixed.plot(level=1).savefig("few_labels_mixed.png", dpi=60)
scores = {name: maps.evaluate(scene.labels) for name, maps in (("few", few), ("mixed", mixed))}
for name, one in scores.items():
    print(name, [f"{level.oa:.2f}" for level in one.levels])

# %% [markdown]
# ![Level 1 from the points alone](few_labels_points.png)
#
# ![Level 1 from points and product](few_labels_mixed.png)
#
# Most roads are found only with the product: at level 1, which it knows, it helps most. The leaves come from the points in both,
# and gain a little from what the product excludes.

# %%
assert scores["mixed"].levels[0].oa > scores["few"].levels[0].oa

# %% [markdown]
# ## Where to go on
#
# * All keys of a source, parcels with crop codes, products: [train from the labels I have](../howto.md#train-from-the-labels-i-have).
# * What few labels are worth on real scenes: [results](../results.md).
# * Next: [crops from a season](season.md).
