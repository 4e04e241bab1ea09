# %% [markdown]
# # Crops from a season
#
# One image cannot tell maize from soybean; a season can. Two generated places have a season each, of two years, under
# clouds that the scene classification marks. The first trains, the second is mapped, pixel by pixel and field by field.

# %%
from pathlib import Path

import geopandas
import rasterio.features
import shapely
from lightning.pytorch import Trainer, seed_everything

import hierars_geo as hg

seed_everything(0)
train, test = (
    hg.synthetic.write_crop_scene(spec, Path("scenes"))
    for spec in hg.synthetic.crop_series(size_m=1280, seed=0, dates=8)
)
for path in test.season[:4]:
    print(path.name)

# %% [markdown]
# ## A model of series
#
# Nothing is cut, composited or filled: the folder of dates is the input. `series` says which days count, `mask` what is left
# out of each date, and `temporal` how many dates become one map.

# %%
data = hg.datamodules.SceneDataModule(
    images=[str(train.season[0].parent)],
    reading={"series": {"start": "04-01", "end": "10-31"}, "mask": ["cloud", "shadow", "cirrus"]},
    labels=[str(train.labels)],
    taxonomy="crop10m",
    chips={"size": 32, "per_epoch": 240, "sampler": "balanced", "balance": 1.0},
    augmentation={"flips": True},
    splits={"val_fraction": 0.0, "test_fraction": 0.0},
    loader={"batch_size": 4},
)
task = hg.tasks.BHCCMTask(
    architecture="hypercolumn",
    encoder="tu-test_resnet",
    temporal="ltae",
    optimizer={"lr": 0.01},
)
trainer = Trainer(max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False)
trainer.fit(task, data)
trainer.save_checkpoint("season.ckpt", weights_only=True)

# %% [markdown]
# ## The map of June, and that of the whole season
#
# `until` reads what was known on that day.

# %%
season = test.season[0].parent
hg.predict("season.ckpt", season, "june", until="2020-06-15")
whole = hg.predict("season.ckpt", season, "whole", probabilities=True)
whole.plot().savefig("season.png", dpi=60)
for day, scores in hg.accuracy.evaluate_by_date(["june", "whole"], test.labels).items():
    print(day, [f"{level.oa:.2f}" for level in scores.levels])

# %% [markdown]
# ![The map of the whole season](season.png)
#
# ## One decision per field
#
# The outlines of the fields are known where parcels are. Here those of the labels stand for them. A field gets the class that
# the summed probabilities of its pixels speak for, with its confidence, and says where it holds a second crop.

# %%
names = dict(zip(whole.taxonomy.class_values(3), whole.taxonomy.class_names(3), strict=True))
with rasterio.open(test.labels) as dataset:
    shapes = list(rasterio.features.shapes(dataset.read(1), transform=dataset.transform))
    parcels = geopandas.GeoDataFrame(
        {"truth": [names.get(int(value)) for _, value in shapes]},
        geometry=[shapely.geometry.shape(outline) for outline, _ in shapes],
        crs=dataset.crs,
    )
parcels = parcels[(parcels.area > 20_000) & parcels.truth.notna()]
parcels.to_file("parcels.gpkg")
fields = whole.fields("parcels.gpkg", "fields.gpkg", threshold=0.4)
print(fields[["truth", "class_name", "confidence", "mixed"]].head(8))

# %%
right = (fields.L3_class == fields.truth) * fields.polygon_m2
share = right.sum() / fields.polygon_m2.sum()
pixels = whole.evaluate(test.labels).levels[-1]
print(f"{share:.2f} of the fields' ground is right")

# %%
commonest = pixels.confusion.sum(axis=1).max() / pixels.confusion.sum()
assert pixels.oa > commonest  # better than the commonest class everywhere
assert share > commonest

# %% [markdown]
# ## Where to go on
#
# * Compositing, tiles, years: [a season of images](../data.md#a-season-of-images). The ways of `temporal`: [series](../models.md#series).
# * The same from the shell: [crops from a season](../howto.md#crops-from-a-season).
# * Next: [how far to trust the map](trust.md).
