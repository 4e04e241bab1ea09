# %% [markdown]
# # A model helps another one with another tree
#
# A land-cover model knows what vegetation and cropland look like, but no crops. TransLU lets it help a model of crops that has
# few labels, in another place and with another class tree. Anchors say which classes of the two trees mean the same.

# %%
from pathlib import Path

import numpy as np
import rasterio
from lightning.pytorch import Trainer, seed_everything

import hierars_geo as hg

(spec, _), crops = (
    hg.synthetic.scene_series(1, size_m=1280, seed=0, sensors=("sentinel2",)),
    hg.synthetic.crop_series(size_m=1280, seed=0),
)
land = hg.synthetic.write_land_cover_scene(spec, Path("scenes"))
train, test = (hg.synthetic.write_crop_scene(crop, Path("scenes")) for crop in crops)
tree = hg.Taxonomy.from_yaml("crop10m")
print(*tree.anchors, sep="\n")

# %% [markdown]
# ## Few labels
#
# A band of the crop scene is labelled, an eighth of it; the rest is nodata.

# %%
with rasterio.open(train.labels) as dataset:
    labels, profile = dataset.read(1), dataset.profile
few = np.full_like(labels, tree.nodata_value)
rows = slice(3 * labels.shape[0] // 8, labels.shape[0] // 2)
few[rows] = labels[rows]
with rasterio.open("few.tif", "w", **profile) as dataset:
    dataset.write(few, 1)

# %% [markdown]
# ## The source, then two targets
#
# The same target is trained twice: from scratch, and from the source's weights with the source beside it. `cdsa` aligns the
# trees by their anchors; `pseudo_labels: unlabelled` lets the source speak where the target has no label, not against its
# labels. `cdks`, by which the backbones talk, is left out to keep this short.


# %%
def fit(task: hg.tasks.SegmentationTask, image: Path, labels: Path | str, taxonomy: str, name: str) -> str:
    """Train a task on one scene, and return its checkpoint."""
    seed_everything(0)
    data = hg.datamodules.SceneDataModule(
        images=[str(image)],
        labels=[str(labels)],
        taxonomy=taxonomy,
        chips={"size": 32, "per_epoch": 480, "sampler": "balanced", "balance": 1.0},
        normalization={"method": "scene"},
        splits={"val_fraction": 0.0, "test_fraction": 0.0},
    )
    trainer = Trainer(max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False)
    trainer.fit(task, data)
    trainer.save_checkpoint(name, weights_only=True)
    return name


model = {"architecture": "hypercolumn", "encoder": "tu-test_resnet"}
recipe = {"optimizer": {"lr": 0.01}}
image = train.images["sentinel2"]
source = fit(
    hg.tasks.BHCCMTask(**model, **recipe), land.images["sentinel2"], land.labels, "mm5b", "source.ckpt"
)
scratch = fit(hg.tasks.BHCCMTask(**model, **recipe), image, "few.tif", "crop10m", "scratch.ckpt")
translu = fit(
    hg.tasks.TransLUTask(source=source, cdks=False, cdsa=True, pseudo_labels="unlabelled", **recipe),
    image,
    "few.tif",
    "crop10m",
    "translu.ckpt",
)

# %% [markdown]
# ## Both on another place

# %%
scores = {}
for name, checkpoint in (("scratch", scratch), ("translu", translu)):
    maps = hg.predict(checkpoint, test.images["sentinel2"], name)
    maps.plot(level=3).savefig(f"other_tree_{name}.png", dpi=60)
    scores[name] = maps.evaluate(test.labels)
    print(name, [f"{level.oa:.2f} / {level.miou:.2f}" for level in scores[name].levels])

# %% [markdown]
# ![From scratch](other_tree_scratch.png)
#
# ![With TransLU](other_tree_translu.png)
#
# One seed of a toy decides nothing between the two; over seeds and labels they are compared in
# [results](../results.md#translu-from-land-cover-to-crops). What to look at here: the checkpoint of TransLU alone is enough
# to predict, and it knows both trees.

# %%
record = hg.load(translu).record
assert (record.taxonomy.name, record.transfer.source.taxonomy.name) == ("crop10m", "mm5b")
level = scores["translu"].levels[-1]
assert level.oa > 1 / len(level.iou)
assert level.miou > level.confusion.sum(axis=1).max() / level.confusion.sum() / len(level.iou)

# %% [markdown]
# ## Where to go on
#
# * Your own target tree and its anchors, all options: [transfer](../transfer.md).
# * More classes for a model that is there: [add categories later](../howto.md#add-categories-later).
# * Next: [into QGIS and the web](gis_web.md).
