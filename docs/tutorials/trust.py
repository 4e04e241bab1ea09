# %% [markdown]
# # How far to trust the map
#
# When the model says 80 %, is it right in 80 of 100 places? How much of what the map shows is wrong? Has the model ever seen
# ground like this? All three are measured once, on a scene kept apart, and travel in the checkpoint.

# %%
import shlex
from pathlib import Path

import rasterio
from matplotlib import colormaps
from matplotlib.figure import Figure

import hierars_geo as hg
from hierars_geo.cli import main

train, apart, test = (
    hg.synthetic.write_land_cover_scene(spec, Path("scenes"))
    for spec in hg.synthetic.scene_series(2, size_m=1600, seed=0, sensors=("sentinel2",))
)

# %% [markdown]
# ## A model, from a configuration
#
# `calibrate` reads the data of the training's configuration, so this page states them in YAML. The second scene is kept
# apart: it is never trained on.

# %%
Path("my.yaml").write_text(
    f"""
seed_everything: 0
model:
  class_path: hierars_geo.tasks.BHCCMTask
  init_args:
    architecture: hypercolumn
    encoder: tu-test_resnet
    optimizer: {{lr: 0.01}}
data:
  class_path: hierars_geo.datamodules.SceneDataModule
  init_args:
    sensor: sentinel2
    images: [{train.images["sentinel2"]}]
    labels: [{train.labels}]
    taxonomy: mm5b
    splits:
      val_images: [{apart.images["sentinel2"]}]
      val_labels: [{apart.labels}]
      test_fraction: 0.0
    normalization: {{method: scene}}
    chips: {{size: 32, per_epoch: 240}}
trainer: {{max_steps: 30, accelerator: cpu, limit_val_batches: 0, enable_progress_bar: false, logger: false}}
checkpoint: {{dirpath: runs}}
""",
    encoding="utf-8",
)


def run(command: str) -> None:
    """Run a command as the shell would."""
    print("$", command)
    assert main(shlex.split(command)[1:]) == 0


run("hierars-geo fit --config my.yaml")
run("hierars-geo calibrate runs/last.ckpt --config my.yaml --risk 0.3 --block-m 160 -o calibrated.ckpt")

# %% [markdown]
# The table says by how much confidence and the share that is right differ on average, before and after. The promise: of all
# pixels shown, at most three tenths are wrong (a toy cannot promise more). It is counted in blocks of ground, since pixels
# beside each other are wrong together.
#
# ## Ground that the model has never seen
#
# To see the area of applicability at work, a square of the scene gets a spectrum that no training ground has.

# %%
with rasterio.open(test.images["sentinel2"]) as dataset:
    pixels, profile, names = dataset.read(), dataset.profile, dataset.descriptions
profile = {
    key: profile[key] for key in ("driver", "dtype", "nodata", "width", "height", "count", "crs", "transform")
}
strange = (slice(60, 110), slice(60, 110))
pixels[:, *strange] = 9000 - pixels[:, *strange].clip(0, 8000)
with rasterio.open("strange.tif", "w", **profile) as dataset:
    dataset.write(pixels)
    dataset.descriptions = names

maps = hg.predict("calibrated.ckpt", "strange.tif", "maps", confidence=True, risk=0.3, applicability=True)
with rasterio.open(maps.layers["aoa"]) as dataset:
    inside = dataset.read(1, masked=True)
with rasterio.open(maps.layers["depth"]) as dataset:
    depth = dataset.read(1, masked=True)

# %%
figure = Figure(figsize=(8, 4), layout="constrained")
for axes, layer, title, steps in zip(
    figure.subplots(1, 2),
    (depth, inside),
    ("finest level that keeps the promise", "ground like the training's"),
    (("none", "L1", "L2", "L3"), ("no", "yes")),
    strict=True,
):
    shown = axes.imshow(
        layer, vmin=-0.5, vmax=len(steps) - 0.5, cmap=colormaps["viridis"].resampled(len(steps))
    )
    figure.colorbar(shown, ax=axes, shrink=0.7, ticks=range(len(steps))).set_ticklabels(steps)
    axes.set_title(title)
    axes.set_axis_off()
figure.savefig("trust.png", dpi=60)

# %% [markdown]
# ![Depth of the map, and the area of applicability](trust.png)
#
# In the square in the middle the model is sure down to the leaves, and no promise holds: its confidence alone would not have
# told. Cells of 4 pixels are judged with what surrounds them, so that the dark ground reaches beyond the square.

# %%
unlike = inside == 0
in_square, elsewhere = unlike[strange].mean(), unlike[:50].mean()
print(f"unlike the training ground: {in_square:.2f} of the square, {elsewhere:.2f} of the ground above it")
record = hg.load("calibrated.ckpt").record

# %%
assert in_square > 0.5 > elsewhere
assert record.calibration.error_after[2] <= record.calibration.error_before[2]
assert record.calibration.promises[0].threshold is not None

# %% [markdown]
# ## Where to go on
#
# * What the three are, and what they are not: [how far can I trust this map](../howto.md#how-far-can-i-trust-this-map).
# * How well they work on real scenes: [calibrated confidence, promised risk](../results.md#calibrated-confidence-promised-risk).
# * Accuracy with intervals, from points that people label: [accuracy and areas](../gis.md#accuracy-and-areas).
# * Next: [a model helps another one](other_tree.md).
