"""The data module from files to batches, alone and under a Trainer."""

import csv
import json
import warnings

import geopandas
import numpy as np
import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from scene_files import X0, Y0, coordinates, tree, write

from hierars_geo.datamodules import SceneDataModule, SplitOptions
from hierars_geo.datamodules.split_files import write_split_ground
from hierars_geo.errors import DataError, HieraRSError, OptionError
from hierars_geo.scenes import DataNotice
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
        "chips": {"size": 32, "per_epoch": 10},
        "loader": {"batch_size": 4},
    }


def regions(**named):
    return {"splits": SplitOptions(**named)}


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
    scaled = SceneDataModule(**files, normalization={"method": "scale", "scale": 10_000})
    assert (scaled.mean, scaled.std) == ([0, 0], [10_000, 10_000])
    given = SceneDataModule(**files, normalization={"mean": [1, 2], "std": [3, 4]})
    assert (given.mean, given.std) == ([1, 2], [3, 4])
    with pytest.raises(OptionError, match="std to hold 2 numbers"):
        _ = SceneDataModule(**files, normalization={"mean": [1, 2], "std": [3, 0]}).std


def test_splits_share_no_ground_and_no_label(files):
    data = SceneDataModule(**files, **regions(val_fraction=0.3, test_fraction=0.2, block_m=400), seed=3)
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
    data = SceneDataModule(**files, **regions(test_region=east))
    assert set(data.parts) == {"train", "test"}
    assert data.val_dataloader() == []
    assert data.parts["train"].bounds[0].stop == X0 + 1000
    with pytest.raises(OptionError, match="Expected ground to test on"):
        SceneDataModule(**files, **regions(val_region=east)).test_dataloader()

    far = {
        "test_images": [write(tmp_path / "far/i.tif", coordinates(40, 40), left=X0 + 9000)],
        "test_labels": [write(tmp_path / "far/l.tif", np.full((40, 40), 2, dtype=np.uint8), left=X0 + 9000)],
    }
    data = SceneDataModule(**files, **regions(**far, val_fraction=0.25))
    assert sum(len(b["mask"]) for b in data.test_dataloader()) == 4
    assert data.parts["train"].region.area + data.parts["val"].region.area == pytest.approx(1600 * 2000)
    again = {"test_images": files["images"], "test_labels": files["labels"]}
    with pytest.raises(DataError, match="train and test to share no ground"):
        SceneDataModule(**files, **regions(**again)).setup("fit")
    SceneDataModule(**files, **regions(**again, leak_check=False)).setup("fit")


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"sensor": "landsat"}, "sensor to be one of .*gaofen2, generic"),
        ({"chips": {"per_epoch": 3}}, "fill a batch of 4"),
        ({"chips": {"size": 0}}, "chips.size to be >= 1"),
        ({"normalization": {"mean": [1.0]}}, "mean and std together"),
        ({"splits": {"test_images": ["a"]}}, "test_images and test_labels together"),
        ({"normalization": {"method": "wrong"}}, "normalization.method to be"),
        ({"normalization": {"scale": 1e4}}, "normalization.method scale with normalization.scale"),
        (
            {"chips": {"size": 32, "balance": 0.9}},
            "chips.sampler balanced with chips.balance, but got it alone",
        ),
        ({"splits": {"block_m": 0.0, "test_fraction": 0.2}}, "Expected block_m > 0, but got 0"),
        ({"splits": {"cluster_m": 50.0}}, "splits.by clusters with splits.cluster_m"),
        ({"splits": {"by": "scenes", "block_m": 50.0}}, "splits.by blocks with splits.block_m"),
        ({"reading": {"mask_dilation_m": 50.0}}, "mask or mask_file with mask_dilation_m"),
        ({"augmentation": {"scale_range": [0.5]}}, r"scale_range to be \[low, high\]"),
        ({"augmentation": {"scale_range": [0.0, 2.0]}}, "scale_range to be 0 < low"),
        ({"chips": {"sampler": "fair"}}, "sampler to be one of random, balanced"),
        ({"chips": {"sampler": "balanced", "balance": 1.5}}, "balance to be 0..1"),
        ({"chips": {"size": 32, "sampler": "balanced", "balance": {"leaf 9": 0.5}}}, "'leaf 9'"),
        ({"chips": {"max_class_share": 75}}, "max_class_share"),
        ({"splits": {"by": "tiles"}}, "splits.by to be one of blocks, scenes, clusters"),
        ({"splits": {"file": "a.gpkg", "test_region": [0, 0, 1, 1]}}, "splits.file or regions"),
        ({"splits": {"file": "nonesuch.gpkg"}}, "nonesuch.gpkg to be a polygon layer"),
        ({"label_options": {"colour": True}}, "LabelOptions to be of all_touched, .* but got colour"),
        ({"reading": {"bands": 1}}, "ReadingOptions to be of crs"),
        ({"pairing": {"date": 1}}, "PairingOptions to be of days, grid"),
        ({"chips": 32}, "ChipOptions to be of balance, .* but got 32"),
        ({"loader": {"num_workers": -1}}, "num_workers >= 0"),
        ({"seed": -1}, "seed to be >= 0"),
        ({"splits": {"val_images": ["a"], "val_labels": ["b"], "val_region": [0, 0, 1, 1]}}, "but got both"),
        ({"splits": {"test_region": [0, 0, 1]}}, r"test_region to be \[left"),
        ({"taxonomy": "nonesuch"}, "nonesuch"),
        ({"images": ["nonesuch.tif"]}, "nonesuch.tif to exist"),
    ],
)
def test_wrong_options_are_said_plainly(files, wrong, match):
    with pytest.raises(HieraRSError, match=match):
        SceneDataModule(**{**files, **wrong}).train_dataloader()


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


def run(files, epochs=2, save=None, resume=None, logger=False, **options):
    model = Recorder()
    with (
        warnings.catch_warnings()
    ):  # Lightning's advice on workers and its own deprecations do not matter here
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", "Total length")  # of a list, where no ground validates
        trainer = Trainer(
            max_epochs=epochs,
            accelerator="cpu",
            logger=logger,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        trainer.fit(model, datamodule=SceneDataModule(**files, **options), ckpt_path=resume)
        assert trainer.limit_val_batches == 1.0  # as before, for data of other ground
        if save:
            trainer.save_checkpoint(save)
    return model.seen


def test_a_training_that_fails_leaves_its_trainer_as_it_was(files, monkeypatch):
    def fail(self, batch, batch_idx):
        raise RuntimeError("on purpose")

    monkeypatch.setattr(Recorder, "training_step", fail)
    off = "logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"
    trainer = Trainer(max_epochs=1, accelerator="cpu", **dict.fromkeys(off, False))
    data = SceneDataModule(**files, **regions(test_region=[X0, Y0 - 1600, X0 + 1000, Y0]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(RuntimeError, match="on purpose"):
            trainer.fit(Recorder(), datamodule=data)
    assert trainer.limit_val_batches == 1.0


def test_a_trainer_gets_the_same_batches_for_any_number_of_workers(files):
    runs = [
        run({**files, "loader": {"batch_size": 4, "num_workers": workers}}, augmentation={"flips": True})
        for workers in (0, 2)
    ]
    assert len(runs[0]) == len(runs[1]) == 4
    for alone, forked in zip(*runs, strict=True):
        assert torch.equal(alone["image"], forked["image"])
        assert torch.equal(alone["mask"], forked["mask"])
        assert alone["bounds"] == forked["bounds"]
    assert runs[0][0]["bounds"] != runs[0][2]["bounds"]  # the second epoch has chips of its own
    plain = run(files)
    assert plain[0]["bounds"] == runs[0][0]["bounds"]
    assert not torch.equal(plain[0]["image"], runs[0][0]["image"])
    assert len(run(files, **regions(test_region=[X0, Y0 - 1600, X0 + 1000, Y0]))) == 4


def test_a_resumed_run_goes_on_with_the_same_batches(files, tmp_path):
    options = {
        "augmentation": {"flips": True, "noise": 0.1, "scale_range": [0.5, 2.0]},
        **regions(block_m=500.0),
    }
    files["chips"] |= {"sampler": "balanced", "max_class_share": 0.75}
    whole = run(files, epochs=2, **options)
    run(files, epochs=1, save=tmp_path / "half.ckpt", **options)
    rest = run(files, epochs=2, resume=tmp_path / "half.ckpt", **options)
    assert len(rest) == 2
    for expected, got in zip(whole[2:], rest, strict=True):
        assert expected["bounds"] == got["bounds"]
        assert torch.equal(expected["image"], got["image"])
        assert torch.equal(expected["mask"], got["mask"])
    assert whole[0]["image"].shape == (4, 2, 32, 32)  # read at 64 px, cropped after scaling
    left, bottom, right, top = whole[0]["bounds"][0]
    assert (right - left, top - bottom) == (640, 640)


def test_each_process_augments_in_its_own_way(files):
    data = SceneDataModule(**files, augmentation={"flips": True, "noise": 1.0})
    batch = next(iter(data.train_dataloader()))

    class Loop:
        total_batch_idx = -1

    class Rank:
        training, fit_loop, lightning_module = True, Loop, None

        def __init__(self, global_rank):
            self.global_rank = global_rank

    images = []
    for rank in (0, 0, 1):
        data.trainer = Rank(rank)
        images.append(data.on_after_batch_transfer(batch, 0)["image"])
    assert torch.equal(images[0], images[1])
    assert not torch.equal(images[0], images[2])


def test_evaluation_counts_every_labelled_pixel_once(files):
    rows, cols = np.mgrid[0:160, 0:200]
    east = [X0 + 550, Y0 - 1550, X0 + 2000, Y0]  # no multiple of a chip
    data = SceneDataModule(**files, **regions(test_region=east))
    counted = np.zeros((160, 200), dtype=int)
    for batch in data.test_dataloader():
        image = batch["image"].permute(0, 2, 3, 1)[batch["mask"] != -100].int().numpy() - 1
        np.add.at(counted, (image[:, 0], image[:, 1]), 1)
        assert (batch["image"][:, 0] > 0).float().mean() > 0.9  # the image itself is whole
    expected = (cols >= 55) & (rows < 155) & ~((rows >= 50) & (rows < 60))
    np.testing.assert_array_equal(counted, expected.astype(int))


def test_percentiles_become_minus_one_and_one(files):
    data = SceneDataModule(
        **files, normalization={"method": "percentile"}, **regions(val_fraction=0, test_fraction=0)
    )
    rows, cols = np.mgrid[0:160, 0:200] + 1
    seen = ~((rows <= 20) & (cols <= 20))
    for band, values in enumerate((rows[seen], cols[seen])):
        low, high = np.percentile(values, (2, 98), method="inverted_cdf")
        assert (low - data.mean[band]) / data.std[band] == pytest.approx(-1)
        assert (high - data.mean[band]) / data.std[band] == pytest.approx(1)


def test_class_frequencies_and_the_report_of_a_run(files, tmp_path):
    from lightning.pytorch.loggers import CSVLogger

    logger = CSVLogger(tmp_path / "runs")
    run(files, epochs=1, logger=logger, **regions(block_m=400))
    data = SceneDataModule(**files, **regions(block_m=400))
    frequencies = data.class_frequencies
    counts = {name: np.zeros(4, dtype=int) for name in data.parts}
    import rasterio
    import shapely

    with rasterio.open(files["labels"][0]) as source:
        labels = source.read(1)
    rows, cols = np.mgrid[0:160, 0:200]
    labels[(rows < 20) & (cols < 20)] = 0
    for name, part in data.parts.items():
        inside = shapely.contains_xy(part.region, X0 + cols * 10 + 5, Y0 - rows * 10 - 5)
        counts[name] = np.bincount(labels[inside], minlength=5)[1:]
    assert frequencies[1] == counts["train"].tolist()
    assert frequencies[0] == [sum(frequencies[1][0::2]), sum(frequencies[1][1::2])]
    folder = tmp_path / "runs" / "lightning_logs" / "version_0"
    with (folder / "class_histograms.csv").open(encoding="utf-8") as file:
        table = [row for row in csv.DictReader(file) if row["level"] == "L2"]
    for name in ("train", "val", "test"):
        assert [int(row[f"{name}_px"]) for row in table] == counts[name].tolist()
        assert sum(float(row[f"{name}_share"]) for row in table) == pytest.approx(1, abs=1e-5)
    bands = json.loads((folder / "statistics.json").read_text(encoding="utf-8"))["train"]
    assert bands["mean"] == pytest.approx(data.mean)
    assert json.loads((folder / "class_histograms.json").read_text(encoding="utf-8"))["classes"]
    kept = (folder / "splits.gpkg").read_bytes()
    assert write_split_ground(folder, data.parts).read_bytes() == kept  # whenever it is written
    ground = geopandas.read_file(folder / "splits.gpkg").set_index("split").geometry
    assert list(ground.index) == list(data.parts)
    for name, part in data.parts.items():
        assert ground[name].symmetric_difference(part.region).area < 1
    # the file deals the same ground to another training, and regions to an evaluation
    again = SceneDataModule(**files, splits={"file": str(folder / "splits.gpkg")})
    assert again.class_frequencies == frequencies
    from hierars_geo.cli import main

    tree = tmp_path / "tree.yaml"
    tree.write_text(json.dumps(data.taxonomy.to_dict()), encoding="utf-8")
    out, page = tmp_path / "m.json", tmp_path / "r.html"
    scored = ["evaluate", files["labels"][0], files["labels"][0], "--taxonomy", str(tree), "-o", str(out)]
    assert main([*scored, "--by", str(folder / "splits.gpkg"), "--id", "split"]) == 0
    pixels = {part["region"]: part["pixels"] for part in json.loads(out.read_text())["regions"]}
    labelled = {name: counts[name].sum() for name in data.parts}  # by ground where the image has data
    assert sum(pixels.values()) == sum(labelled.values()) + 400
    assert [pixels[name] - labelled[name] for name in ("val", "test")] == [0, 0]
    shown = ["report", files["labels"][0], "--taxonomy", str(tree), "--metrics", str(out), "-o", str(page)]
    assert main(shown) == 0
    text = page.read_text(encoding="utf-8")
    assert text.index(f"test ({pixels['test']:,} px)") < text.index(f"train ({pixels['train']:,} px)")
    assert "What the map is worth elsewhere is the row of test." in text


def test_what_was_read_once_is_used_until_a_file_changes(files, tmp_path, monkeypatch):
    from hierars_geo.datasets import coverage

    read = []
    windows = coverage.WindowWalk.windows
    monkeypatch.setattr(
        coverage.WindowWalk, "windows", lambda self, d=None: read.append(d) or windows(self, d)
    )
    options = {
        **files,
        "loader": {"batch_size": 4, "cache_dir": str(tmp_path / "cache")},
        "chips": {**files["chips"], "sampler": "balanced"},
    }

    def known(**changes):
        data = SceneDataModule(**{**options, **changes})
        return (
            data.mean,
            data.class_frequencies,
            [list(map(str, b["bounds"])) for b in data.train_dataloader()],
        )

    first = known()
    assert read == ["statistics of train", "index the labels"]
    assert known() == first
    assert len(read) == 2
    assert known(seed=1) != first  # other blocks are other ground
    assert len(read) == 4
    for path in (tmp_path / "cache").iterdir():
        path.write_bytes(b"half a file")
    with pytest.warns(DataNotice, match="again, since it cannot be read"):
        assert known() == first
    write(files["images"][0], coordinates(160, 200) + 5, nodata=0)
    assert known()[0] != first[0]
    (tmp_path / "wall").write_text("")
    with pytest.warns(DataNotice, match="Kept nothing for the next run"):
        known(loader={"batch_size": 4, "cache_dir": str(tmp_path / "wall" / "cache")})


def test_the_grid_of_chips_may_be_named(files):
    files |= regions(block_m=400)
    data = SceneDataModule(**files, pairing={"grid": ["EPSG:32650", 20]})
    assert data.gsd_m == 20
    assert next(iter(data.train_dataloader()))["image"].shape == (4, 2, 32, 32)
    coarse = SceneDataModule(**files, reading={"res": 20.0, "resampling": "cubic"})
    assert coarse.gsd_m == 20


def test_splits_by_scene_and_by_file(files, tmp_path):
    import geopandas as gpd
    import shapely

    for i in range(4):
        left = X0 + 20_000 * i
        write(tmp_path / f"many/i/{i}.tif", coordinates(64, 64), left=left)
        write(tmp_path / f"many/l/{i}.tif", np.full((64, 64), 1 + i, dtype=np.uint8), left=left)
    many = {**files, "images": [str(tmp_path / "many/i")], "labels": [str(tmp_path / "many/l/*.tif")]}
    data = SceneDataModule(**many, **regions(by="scenes", val_fraction=0.25, test_fraction=0.25))
    assert sorted(len(part.index) for part in data.parts.values()) == [1, 1, 2]
    boxes = [shapely.box(X0 + 1000 * i, Y0 - 1600, X0 + 1000 * (i + 1), Y0) for i in range(2)]
    frame = gpd.GeoDataFrame({"split": ["train", "val"]}, geometry=boxes, crs="EPSG:32650")
    frame.to_file(tmp_path / "splits.gpkg")
    data = SceneDataModule(**files, **regions(file=str(tmp_path / "splits.gpkg")))
    assert {name: part.region.bounds[0] for name, part in data.parts.items()} == {
        "train": X0,
        "val": X0 + 1000,
    }
    frame[1:].to_file(tmp_path / "val.gpkg")
    data = SceneDataModule(**files, **regions(val_region=str(tmp_path / "val.gpkg")))
    assert data.parts["train"].region.bounds[2] == X0 + 1000


def test_a_chip_larger_than_the_ground_is_said(files):
    with pytest.warns(DataNotice, match="every chip is padded, which trains slowly"):
        SceneDataModule(
            **{**files, "chips": {"size": 256}}, **regions(val_fraction=0, test_fraction=0)
        ).setup("fit")
