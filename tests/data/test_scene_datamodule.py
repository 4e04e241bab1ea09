"""The data module from files to batches, alone and under a Trainer."""

import warnings

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from scene_files import X0, Y0, coordinates, tree, write

from hierars_geo.data import SceneDataModule
from hierars_geo.errors import DataError, HieraRSError, OptionError
from hierars_geo.taxonomy import Taxonomy


@pytest.fixture
def files(tmp_path):
    image = coordinates(160, 200) + 1
    image[:, :20, :20] = 0
    labels = ((coordinates(160, 200)[0] // 40 + coordinates(160, 200)[1] // 50) % 4 + 1).astype(np.uint8)
    labels[50:60] = 0
    (tmp_path / "tree.yaml").write_text(tree().to_yaml())
    return {
        "images": [write(tmp_path / "i.tif", image, nodata=0)],
        "labels": [write(tmp_path / "l.tif", labels)],
        "taxonomy": str(tmp_path / "tree.yaml"),
        "sensor": "generic",
        "chip_size": 32,
        "batch_size": 4,
        "chips_per_epoch": 10,
    }


def test_batches_have_the_agreed_keys_types_and_shapes(files):
    data = SceneDataModule(**files)
    data.setup("fit")
    batches = list(data.train_dataloader())
    assert len(batches) == 2  # the third is not full
    batch = batches[0]
    assert batch["image"].shape == (4, 2, 32, 32)
    assert batch["image"].dtype == torch.float32
    assert batch["mask"].shape == batch["valid"].shape == (4, 32, 32)
    assert batch["mask"].dtype == torch.int64
    assert batch["valid"].dtype == torch.bool
    assert len(batch["bounds"]) == len(batch["crs"]) == 4
    for image, (left, _, _, top) in zip(batch["image"], batch["bounds"], strict=True):
        row, col = round((Y0 - top) / 10), round((left - X0) / 10)
        expected = coordinates(32, 32, row, col, "float32") + 1
        hole = (expected[0] <= 20) & (expected[1] <= 20)
        np.testing.assert_array_equal(image, np.where(hole, 0, expected))
    seen = sum(len(b["bounds"]) for b in data.val_dataloader())
    assert seen == len(list(data.scenes.sampler(data.parts["val"], "val")))


def test_what_a_model_needs_to_know_is_offered(files):
    data = SceneDataModule(**files)
    assert data.bands == ["band_1", "band_2"]
    assert data.taxonomy == Taxonomy.from_yaml(files["taxonomy"])
    assert data.taxonomy_name == files["taxonomy"]
    assert (data.gsd_m, data.chip_size) == (10.0, 32)
    rows, cols = np.mgrid[0:160, 0:200]
    region = data.parts["train"].region
    import shapely

    inside = shapely.contains_xy(region, X0 + cols * 10 + 5, Y0 - rows * 10 - 5) & ~(
        (rows < 20) & (cols < 20)
    )
    assert data.mean == pytest.approx([rows[inside].mean() + 1, cols[inside].mean() + 1], rel=1e-9)
    assert data.std == pytest.approx([rows[inside].std(), cols[inside].std()], rel=1e-9)
    scaled = SceneDataModule(**files, normalization="scale", scale=10_000)
    assert (scaled.mean, scaled.std) == ([0, 0], [10_000, 10_000])
    given = SceneDataModule(**files, mean=[1, 2], std=[3, 4])
    assert (given.mean, given.std) == ([1, 2], [3, 4])
    with pytest.raises(OptionError, match="std to hold 2 numbers"):
        _ = SceneDataModule(**files, mean=[1, 2], std=[3, 0]).std


def test_splits_share_no_ground_and_no_label(files):
    data = SceneDataModule(**files, val_fraction=0.3, test_fraction=0.2, block_m=400, seed=3)
    seen = {}
    for name, loader in (
        ("train", data.train_dataloader()),
        ("val", data.val_dataloader()),
        ("test", data.test_dataloader()),
    ):
        seen[name] = set()
        for batch in loader:
            image = batch["image"].permute(0, 2, 3, 1)[batch["mask"] != -100]
            seen[name] |= set(map(tuple, image.int().tolist()))
    assert all(seen.values())
    assert not seen["train"] & seen["val"]
    assert not seen["train"] & seen["test"]
    assert not seen["val"] & seen["test"]


def test_regions_and_separate_scenes(files, tmp_path):
    east = [X0 + 1000, Y0 - 1600, X0 + 2000, Y0]
    data = SceneDataModule(**files, test_region=east)
    assert set(data.parts) == {"train", "test"}
    assert data.val_dataloader() == []
    assert data.parts["train"].bounds[0].stop == X0 + 1000
    with pytest.raises(OptionError, match="Expected ground to test on"):
        SceneDataModule(**files, val_region=east).test_dataloader()

    far = {
        "test_images": [write(tmp_path / "far/i.tif", coordinates(40, 40), left=X0 + 9000)],
        "test_labels": [write(tmp_path / "far/l.tif", np.full((40, 40), 2, dtype=np.uint8), left=X0 + 9000)],
    }
    data = SceneDataModule(**files, **far, val_fraction=0.25)
    assert sum(len(b["mask"]) for b in data.test_dataloader()) == 4
    assert data.parts["train"].region.area + data.parts["val"].region.area == pytest.approx(1600 * 2000)
    again = {"test_images": files["images"], "test_labels": files["labels"]}
    with pytest.raises(DataError, match="train and test to share no ground"):
        SceneDataModule(**files, **again).setup("fit")
    SceneDataModule(**files, **again, leak_check=False).setup("fit")


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"sensor": "landsat"}, "sensor to be one of gaofen2, generic"),
        ({"chips_per_epoch": 3}, "fill a batch of 4"),
        ({"chip_size": 0}, "chip_size to be >= 1"),
        ({"mean": [1.0]}, "mean and std together"),
        ({"test_images": ["a"]}, "test_images and test_labels together"),
        ({"normalization": "wrong"}, "normalization to be"),
        ({"scale_range": [0.5, 2.0]}, "augment true"),
        ({"val_images": ["a"], "val_labels": ["b"], "val_region": [0, 0, 1, 1]}, "but got both"),
        ({"test_region": [0, 0, 1]}, r"test_region to be \[left"),
        ({"taxonomy": "nonesuch"}, "nonesuch"),
        ({"images": ["nonesuch.tif"]}, "nonesuch.tif to exist"),
    ],
)
def test_wrong_options_are_said_plainly(files, wrong, match):
    with pytest.raises(HieraRSError, match=match):
        SceneDataModule(**{**files, **wrong}).setup("fit")


class Recorder(LightningModule):
    """A model that only writes down what it is given."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.seen = []

    def training_step(self, batch, batch_idx):
        self.seen.append(batch)
        return self.layer(torch.ones(1)).sum()

    def validation_step(self, batch, batch_idx):
        assert isinstance(batch["crs"], list)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


def run(files, **options):
    model = Recorder()
    with (
        warnings.catch_warnings()
    ):  # Lightning's advice on workers and its own deprecations do not matter here
        warnings.simplefilter("ignore")
        Trainer(
            max_epochs=2,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        ).fit(model, datamodule=SceneDataModule(**files, **options))
    return model.seen


def test_a_trainer_gets_the_same_batches_for_any_number_of_workers(files):
    runs = [run(files, augment=True, num_workers=workers) for workers in (0, 2)]
    assert len(runs[0]) == len(runs[1]) == 4
    for alone, forked in zip(*runs, strict=True):
        assert torch.equal(alone["image"], forked["image"])
        assert torch.equal(alone["mask"], forked["mask"])
        assert alone["bounds"] == forked["bounds"]
    assert runs[0][0]["bounds"] != runs[0][2]["bounds"]  # the second epoch has chips of its own
    plain = run(files, augment=False)
    assert plain[0]["bounds"] == runs[0][0]["bounds"]
    assert not torch.equal(plain[0]["image"], runs[0][0]["image"])
    assert len(run(files, test_region=[X0, Y0 - 1600, X0 + 1000, Y0])) == 4
