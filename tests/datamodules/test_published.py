"""Published data sets in their folders as batches; a loader that goes on in the middle of an epoch."""

import warnings

import numpy as np
import pytest
import rasterio
from lightning.pytorch import LightningModule, Trainer
from raster_factory import write_raster
from scene_files import X0, Y0, write

from hierars_geo.datamodules import Crop10mDataModule, MM5BDataModule, PublishedDataModule, WHDLDDataModule
from hierars_geo.datamodules.datamodule import ResumableBatches, ResumableLoader
from hierars_geo.datamodules.layouts import deal, find_pairs
from hierars_geo.datamodules.published import place_pairs
from hierars_geo.errors import DataError, MissingFileError, OptionError, RasterError
from hierars_geo.scenes import DataNotice

SMALL = {"chips": {"size": 16, "per_epoch": 4}, "loader": {"batch_size": 2}}


def plain(path, array, driver, **options):
    """A raster without a place on the ground."""
    write_raster(path, array, crs=None, transform=None, driver=driver, **options)


@pytest.fixture
def whdld(tmp_path):
    """Ten chips; every pixel of chip i is about 20 * i, of class i % 6 + 1."""
    for i in range(10):
        plain(tmp_path / f"Images/wh{i:04}.jpg", np.full((3, 16, 16), 20 * i, np.uint8), "JPEG", QUALITY=100)
        plain(tmp_path / f"ImagesPNG/wh{i:04}.png", np.full((16, 16), i % 6 + 1, np.uint8), "PNG")
    return tmp_path


def chips_of(batches):
    """(value, class) of every chip, and that it shows nothing else."""
    seen = []
    for batch in batches:
        for image, mask, valid in zip(batch["image"], batch["mask"], batch["valid"], strict=True):
            assert valid.all()
            assert image.max() - image.min() <= 3
            assert (mask == mask[0, 0]).all()
            seen.append((round(float(image.mean()) / 20), int(mask[0, 0])))
    return seen


def test_chips_without_a_place_are_split_and_read_as_such(whdld):
    many = {**SMALL, "chips": {"size": 16, "per_epoch": 100}}
    with pytest.warns(DataNotice, match=r"wh0000\.jpg and 9 more have no CRS: .* chips of 2 m"):
        data = WHDLDDataModule(str(whdld), splits={"val_fraction": 0.2, "test_fraction": 0.3}, seed=1, **many)
    data.setup("fit")
    assert (data.bands, data.gsd_m, data.taxonomy.name) == (["red", "green", "blue"], 2, "whdld")
    val, test = chips_of(data.val_dataloader()), chips_of(data.test_dataloader())
    train = chips_of(data.train_dataloader())
    assert (len(val), len(test), len(set(train))) == (2, 3, 5)
    assert len({*val, *test, *train}) == 10  # no chip in two splits, none lost
    assert all(leaf == value % 6 for value, leaf in (*val, *test, *train))
    batch = next(iter(data.val_dataloader()))
    assert batch["crs"][0].name == "chips without a place on the ground"


class Counter(LightningModule):
    def __init__(self):
        super().__init__()
        import torch

        self.layer = torch.nn.Linear(1, 1)
        self.chips = 0

    def training_step(self, batch, batch_idx):
        self.chips += len(batch["image"])
        return self.layer(batch["image"].mean().view(1)).sum()

    def configure_optimizers(self):
        import torch

        return torch.optim.SGD(self.parameters(), 0.0)


def test_a_trainer_fits_on_chips(whdld):
    model = Counter()
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    with warnings.catch_warnings():  # the notice is tested above; Lightning's advice on workers is none here
        warnings.simplefilter("ignore")
        data = WHDLDDataModule(
            str(whdld),
            augmentation={"flips": True, "scale_range": [0.5, 2.0]},
            **SMALL | {"loader": {"batch_size": 2, "num_workers": 1}},
        )
        Trainer(max_epochs=1, accelerator="cpu", enable_model_summary=False, **quiet).fit(
            model, datamodule=data
        )
    assert model.chips == 4


@pytest.fixture
def mm5b(tmp_path):
    """GaoFen-2 images with a place, labels without one, in folders by split."""
    for i, split in enumerate(("train", "train", "val", "test")):
        image = np.full((4, 32, 32), 100 * (i + 1), np.uint16)
        names = ["blue", "green", "red", "nir"]
        write(tmp_path / f"GF2/images/{split}/s{i}.tif", image, res=4, left=X0 + 128 * i, names=names)
        labels = np.full((32, 32), 1 + i, np.uint8)
        labels[:8] = 0
        plain(tmp_path / f"GF2/labels/{split}/s{i}.png", labels, "PNG")
    return tmp_path


def test_labels_take_the_place_of_their_image(mm5b):
    data = MM5BDataModule(str(mm5b), **SMALL)
    data.setup("fit")
    assert {name: len(part) for name, part in data.parts.items()} == {"train": 2, "val": 1, "test": 1}
    assert (data.gsd_m, data.bands) == (4, ["blue", "green", "red", "nir"])
    (batch,) = list(data.test_dataloader())[:1]
    assert (batch["image"] == 400).all()
    labels = {float(top): mask for (_, _, _, top), mask in zip(batch["bounds"], batch["mask"], strict=True)}
    assert (labels[Y0][:8] == -100).all()
    assert (labels[Y0][8:] == 3).all()
    with pytest.raises(OptionError, match="source of mm5b to be one of gaofen2, sentinel2, google_earth"):
        MM5BDataModule(str(mm5b), source="landsat")


def test_crop10m_has_more_paths_than_leaves_and_lists_of_names(tmp_path):
    for i in range(4):
        write(tmp_path / f"images/c{i}.tif", np.full((10, 16, 16), i + 1, np.uint16), left=X0 + 160 * i)
        labels = np.full((16, 16), i, np.uint8)
        labels[:4] = 255
        write(tmp_path / f"labels/c{i}.tif", labels, left=X0 + 160 * i)
    (tmp_path / "splits").mkdir()
    for name, chosen in {"train": "c0\nc1\n", "val": "c2.tif\n", "test": "c3"}.items():
        (tmp_path / f"splits/{name}.txt").write_text(chosen)
    data = Crop10mDataModule(str(tmp_path), normalization={"method": "scale"}, **SMALL)
    with pytest.warns(DataNotice, match="no bands are named"):
        data.setup("fit")
    assert (len(data.taxonomy.paths), data.std) == (5, [10_000] * 10)
    (batch,) = data.test_dataloader()
    assert batch["mask"].unique().tolist() == [-100, 3]


def test_five_billion_pixels_pairs_by_suffix(tmp_path):
    names = ("GF2_PMS1__20150212_L1A0000647768-MSS1", "GF2_PMS2__L1A0000607677-MSS2")
    for i, name in enumerate(names):
        write(tmp_path / f"Image_16bit_BGRNir/{name}.tiff", np.ones((4, 8, 8), np.uint16), left=X0 + i * 80)
        plain(tmp_path / f"Annotation__index/{name}_24label.png", np.full((8, 8), 24, np.uint8), "PNG")
    pairs = find_pairs("five_billion_pixels", tmp_path)
    assert [pair.name for pair in pairs] == list(names)
    placed, are_chips = place_pairs(pairs, 4.0)
    assert not are_chips
    with rasterio.open(placed[1].label) as label, rasterio.open(placed[1].image) as image:
        assert (label.crs, label.transform) == (image.crs, image.transform)
        assert (label.read() == 24).all()
    with pytest.raises(OptionError, match="in a scheme of their own"):
        PublishedDataModule("five_billion_pixels", str(tmp_path))


def test_what_does_not_fit_is_named(tmp_path, mm5b):
    with pytest.raises(MissingFileError, match="to be the folder of whdld"):
        find_pairs("whdld", tmp_path / "nowhere")
    with pytest.raises(MissingFileError, match=r"images Images/\*\.\*"):
        find_pairs("whdld", mm5b)
    plain(mm5b / "GF2/labels/train/s0.png", np.zeros((9, 9), np.uint8), "PNG")
    plain(mm5b / "GF2/labels/train/s1.png", np.zeros((9, 8), np.uint8), "PNG")
    with pytest.raises(RasterError, match=r"2 are not: .*size \(32, 32\), but got \(9, 9\).*s1\.png"):
        MM5BDataModule(str(mm5b))
    for name in ("s0", "s1"):
        (mm5b / f"GF2/labels/train/{name}.png").unlink()
    with pytest.raises(DataError, match=r"none for 2 of 4: .*s0\.tif, .*s1\.tif"):
        find_pairs("mm5b", mm5b, "gaofen2")


def test_the_seed_decides_what_is_dealt(whdld):
    pairs = find_pairs("whdld", whdld)
    first, again, other = (deal(pairs, 0.3, 0.2, seed) for seed in (0, 0, 1))
    assert first == again != other
    assert [len(first[name]) for name in ("train", "val", "test")] == [5, 3, 2]
    with pytest.raises(DataError, match="all 10 are of val and test"):
        deal(pairs, 0.5, 0.5, 0)


def test_the_command_line_knows_them(tmp_path):
    from hierars_geo.cli.training_cli import parse_training_config

    path = tmp_path / "fit.yaml"
    path.write_text(
        "model: {class_path: hierars_geo.tasks.BHCCMTask}\n"
        "data: {class_path: hierars_geo.datamodules.MM5BDataModule, init_args: {root: x, source: sentinel2, "
        "chips: {size: 512}, augmentation: {flips: true, scale_range: [0.5, 2.0]}}}\n"
    )
    with warnings.catch_warnings():  # jsonargparse warns of names that Lightning still uses
        warnings.simplefilter("ignore")
        args = parse_training_config(path).data.init_args
    assert (args.source, args.chips.size, args.loader.batch_size) == ("sentinel2", 512, 8)
    assert "images" not in args


class Counted:
    """Numbers, and how many of them were read."""

    def __init__(self):
        self.read = []

    def __len__(self):
        return 10

    def __getitem__(self, index):
        self.read.append(index)
        return index


def loader(data, workers=0):
    batches = ResumableBatches(range(10), 3, drop_last=True)
    kept = {"num_workers": workers, "persistent_workers": workers > 0}
    return ResumableLoader(data, batch_sampler=batches, collate_fn=list, **kept)


@pytest.mark.parametrize("stop", [1, 2])
def test_it_goes_on_with_the_next_batch_and_reads_no_other(stop):
    first = loader(Counted())
    batches = iter(first)
    given = [next(batches) for _ in range(stop)]
    second = loader(data := Counted())
    second.load_state_dict(first.state_dict())
    rest = list(second)
    assert given + rest == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert data.read == [number for batch in rest for number in batch]
    assert len(list(second)) == len(second) == 3


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_go_on_with_the_next_batch(workers):
    """PyTorch then makes two iterators of the batches and takes from the second alone."""
    second = loader(Counted(), workers)
    second.load_state_dict({"batches": 1})
    assert list(second) == [[3, 4, 5], [6, 7, 8]]
    assert second.state_dict() == {"batches": 0}
    assert list(second) == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]


def test_at_the_end_of_an_epoch_nothing_is_skipped():
    first = loader(Counted())
    list(first)
    assert first.state_dict() == {"batches": 0}


def test_within_a_resumed_epoch_the_skipped_batches_count():
    resumed = loader(Counted())
    resumed.load_state_dict({"batches": 1})
    next(iter(resumed))
    assert resumed.state_dict() == {"batches": 2}
