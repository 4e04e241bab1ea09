# %% [markdown]
# # The first map in ten lines
#
# A scene in, a map with three levels of classes out. The scenes are generated, so that nothing has to be downloaded; one is
# to train on, one of another place to map. Everything here is of toy size and takes seconds: the map shows how things
# work, not how good they get. For that see [results](../results.md).

# %%
from lightning.pytorch import Trainer, seed_everything

import hierars_geo as hg

seed_everything(0)
train, test = (
    hg.synthetic.write_land_cover_scene(spec, "scenes")
    for spec in hg.synthetic.scene_series(1, size_m=1280, seed=0, sensors=("sentinel2",))
)

# %% [markdown]
# ## Ten lines
#
# The data module reads images and labels as they lie on the disk; the model learns bands, statistics and class tree from it.
# `normalization: scene` lets another day's light matter less. `hypercolumn` over `tu-test_resnet` is the smallest model there
# is; for scenes of your own take `unet` over `resnet18`, chips of 128 or 256 pixels and some thousand steps. `weights_only`
# leaves the optimiser out of the file, without which no training goes on, but every map is made.

# %%
data = hg.datamodules.SceneDataModule(
    images=[str(train.images["sentinel2"])],
    labels=[str(train.labels)],
    taxonomy="mm5b",
    chips={"size": 32, "per_epoch": 240},
    normalization={"method": "scene"},
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
maps = hg.predict("model.ckpt", test.images["sentinel2"], "maps", confidence=True)

# %% [markdown]
# ## Look at it
#
# Level 1 is coarse and mostly right after so few steps; level 3 tells 18 classes apart, of which the rare ones have hardly
# been seen.

# %%
maps.plot(level=1).savefig("first_map_L1.png", dpi=60)
maps.plot(level=3).savefig("first_map_L3.png", dpi=60)

# %% [markdown]
# ![Level 1 of the map](first_map_L1.png)
#
# ![Level 3 of the same map](first_map_L3.png)
#
# Both come from one pass, and cannot contradict each other: whole paths through the tree are decoded. The labels of the
# mapped scene, which the model has never seen, say how much is right. A map that says the commonest class everywhere is what
# it has to beat.

# %%
scores = maps.evaluate(test.labels)
for name, level in zip(maps.taxonomy.level_names, scores.levels, strict=True):
    commonest = level.confusion.sum(axis=1).max() / level.confusion.sum()
    print(f"{name}: {level.oa:.2f} of the pixels are right; the commonest class covers {commonest:.2f}")

# %%
first = scores.levels[0]
assert first.oa > first.confusion.sum(axis=1).max() / first.confusion.sum()
assert (
    first.oa >= scores.levels[1].oa >= scores.levels[2].oa
)  # a mistake among kinds of water is none at level 1

# %% [markdown]
# ## Where to go on
#
# * `maps.to_xarray()` for xarray, `maps.areas()` for a table of areas.
# * Next: [your own scenes and class tree](own_tree.md).
# * From the shell the same is `hierars-geo fit` and `hierars-geo predict`: [how to](../howto.md#train-on-my-own-scenes).
