"""Series from options to batches: reading, padding, statistics, augmentation, the recipe."""

import numpy as np
import pytest
import torch
import yaml
from jsonargparse import ArgumentParser
from scene_files import tree, write

from hierars_geo.datamodules import SceneDataModule
from hierars_geo.errors import OptionError
from hierars_geo.models.record import ModelConfig, ModelRecord
from hierars_geo.transforms import ChipAugmentation
from hierars_geo.transforms.augmentation import Radiometry
from hierars_geo.types import MaskRule, SeriesRule

DAYS = {"20200310": 100, "20200520": 200, "20200710": 300, "20201111": 900}


@pytest.fixture
def options(tmp_path):
    """Images of four days over 64 x 64 px, the second with nothing but its lower half; as options."""
    for day, value in DAYS.items():
        image = np.full((2, 64, 64), value, dtype="uint16") + np.arange(2, dtype="uint16")[:, None, None]
        if value == 200:
            image[:, :32] = 0
        write(tmp_path / "season" / f"s_{day}.tif", image, nodata=0)
    (tmp_path / "tree.yaml").write_text(tree().to_yaml())
    series = {"start": "2020-03-01", "end": "2020-10-31"}
    return {
        "sources": [{"sensor": "generic", "images": [str(tmp_path / "season")], "series": series}],
        "labels": [write(tmp_path / "l.tif", np.ones((64, 64), dtype=np.uint8))],
        "taxonomy": str(tmp_path / "tree.yaml"),
        "chips": {"size": 16, "per_epoch": 8},
        "loader": {"batch_size": 4},
        "splits": {"val_fraction": 0.0, "test_fraction": 0.0},
    }


def test_batches_statistics_and_recipe_from_a_yaml(options, tmp_path):
    text = yaml.safe_dump({"data": options}).replace("'2020-03-01'", "2020-03-01")
    (tmp_path / "data.yaml").write_text(text)
    parser = ArgumentParser()
    parser.add_argument("--config", action="config")
    parser.add_class_arguments(SceneDataModule, "data")
    data = parser.instantiate(parser.parse_args(["--config", str(tmp_path / "data.yaml")])).data
    data.setup("predict")
    lower = {70: 100.0, 141: 200.0, 192: 300.0}
    for batch in data.train_dataloader():
        dates = batch["doy"].shape[1]
        assert batch["image"].shape == (4, dates, 2, 16, 16)
        assert batch["valid"].shape == (4, dates, 16, 16)
        assert batch["mask"].shape == (4, 16, 16)
        for number, doy in enumerate(batch["doy"].tolist()):
            days = [day for day in doy if day]
            assert doy == days + [0] * (dates - len(days))
            assert days in ([70, 141, 192], [70, 192])
            for date, day in enumerate(days):
                image, valid = batch["image"][number, date], batch["valid"][number, date]
                assert set(image[0][valid].tolist()) == {lower[day]}
    values = np.concatenate([np.full(64 * 64, 100.0), np.full(64 * 32, 200.0), np.full(64 * 64, 300.0)])
    np.testing.assert_allclose(data.mean, [values.mean(), values.mean() + 1])
    np.testing.assert_allclose(data.std, [values.std()] * 2)
    rule = SeriesRule("2020-03-01", "2020-10-31")
    assert data.read_recipe.series == rule
    config = ModelConfig("unet", "resnet18")
    record = ModelRecord(data.taxonomy, data.read_recipe, data.mean, data.std, config)
    assert ModelRecord.from_dict(record.to_dict(), "model.ckpt").read == data.read_recipe


def test_a_season_stands_alone_without_sources(options):
    (source,) = options.pop("sources")
    reading = {"series": source["series"]}
    data = SceneDataModule(**options, images=source["images"], sensor="generic", reading=reading)
    batch = next(iter(data.train_dataloader()))
    assert batch["image"].ndim == 5
    assert data.read_recipe.series == SeriesRule("2020-03-01", "2020-10-31")
    entry = source | {"reading": reading}
    same = SceneDataModule(**options, sources=[entry])
    assert same.read_recipe == data.read_recipe
    with pytest.raises(OptionError, match="one series, but got another beside reading than in it"):
        SceneDataModule(**options, sources=[entry | {"series": {"end": "2020-12-31"}}])


def test_an_unknown_key_is_refused(options):
    options["sources"][0]["series"] = {"from": "2020-03-01"}
    with pytest.raises(OptionError, match=r"SeriesRule to be of composite, dates, .* got from"):
        SceneDataModule(**options)


def test_augmentation_treats_all_dates_alike():
    """Dates that hold the same pixels hold the same pixels afterwards; noise aside."""
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(3, 2, 16, 16, generator=generator) + 1
    valid = torch.rand(3, 16, 16, generator=generator) > 0.2
    mask = torch.randint(4, (3, 16, 16), generator=generator)
    image = image * valid[:, None]
    plain = {"image": image, "valid": valid, "mask": mask}
    series = {"image": torch.stack([image, image], 1), "valid": torch.stack([valid, valid], 1), "mask": mask}
    radiometry = Radiometry((1.5, 1.5), (0.3, 0.3), brightness=0.5, contrast=0.3, band_drop=0.3)
    change = ChipAugmentation((0.5, 2.0), gain=0.2, size_px=12, radiometry=radiometry)
    alone, together = (change(batch, torch.Generator().manual_seed(7)) for batch in (plain, series))
    assert together["image"].shape == (3, 2, 2, 12, 12)
    for date in range(2):
        torch.testing.assert_close(together["image"][:, date], alone["image"])
        assert torch.equal(together["valid"][:, date], alone["valid"])
    assert torch.equal(together["mask"], alone["mask"])


def test_dates_are_hidden_and_moved_by_chip_and_never_all_of_them(options):
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(200, 4, 2, 3, 3, generator=generator) + 1
    valid = torch.rand(200, 4, 3, 3, generator=generator) > 0.4
    valid[:100, 1:] = False  # one date alone has ground
    valid[0] = False
    doy = torch.tensor([100, 150, 200, 0]).expand(200, -1)
    mask = torch.ones(200, 3, 3, dtype=torch.int64)
    given = {"image": image * valid[:, :, None], "valid": valid, "mask": mask, "doy": doy}
    change = ChipAugmentation(flips=False, date_drop=0.6, day_shift=5)
    done, again = (change(given, torch.Generator().manual_seed(1)) for _ in range(2))
    assert all(torch.equal(done[key], again[key]) for key in done)
    kept = done["valid"].flatten(2).any(dim=2)
    assert torch.equal(kept[:100], valid[:100].flatten(2).any(dim=2))
    assert kept[100:].any(dim=1).all()
    assert 0.35 < kept[100:].float().mean() < 0.55
    assert torch.equal(done["valid"], valid & kept[:, :, None, None])
    assert torch.equal(done["image"], image * done["valid"][:, :, None])
    assert torch.equal(done["mask"] >= 0, done["valid"].any(dim=1))
    moved = done["doy"] - doy
    assert (moved == moved[:, :1]).all()
    assert set(moved.flatten().tolist()) == set(range(-5, 6))
    for wrong in ({"date_drop": 1.0}, {"day_shift": -1}):
        with pytest.raises(OptionError, match=next(iter(wrong))):
            ChipAugmentation(**wrong)
    data = SceneDataModule(**options, augmentation={"date_drop": 0.3, "day_shift": 8})
    assert (data.augmentation.date_drop, data.augmentation.day_shift) == (0.3, 8)
    del options["sources"][0]["series"]
    with pytest.raises(OptionError, match="Expected a series with augmentation"):
        SceneDataModule(**options, augmentation={"day_shift": 8})


def test_clouds_are_left_out_of_training_and_statistics(options, tmp_path):
    bands = ["B02", "B03"]
    for day, value in DAYS.items():
        path = tmp_path / "s2" / f"s_{day}.tif"
        write(path, np.full((2, 64, 64), value, dtype="uint16"), names=bands, nodata=0)
        scl = np.full((32, 32), 4, dtype="uint8")
        scl[:8] = 9 if value == 300 else 4
        write(tmp_path / "s2" / f"s_{day}_SCL.tif", scl, res=20)
    reading = {"mask": ["cloud", "shadow"], "mask_dilation_m": 30.0}
    source = {"sensor": "sentinel2", "images": [str(tmp_path / "s2" / "*.tif")], "bands": bands}
    options["sources"] = [source | {"reading": reading, "series": {"end": "2020-10-31"}}]
    data = SceneDataModule(**options)
    values = np.concatenate([np.full(64 * 64, 100.0), np.full(64 * 64, 200.0), np.full(64 * 45, 300.0)])
    np.testing.assert_allclose(data.mean, [values.mean()] * 2)
    assert data.read_recipe.mask == MaskRule(("cloud", "shadow"), 30.0)
    config = ModelConfig("unet", "resnet18")
    record = ModelRecord(data.taxonomy, data.read_recipe, data.mean, data.std, config)
    assert ModelRecord.from_dict(record.to_dict(), "model.ckpt").read == data.read_recipe
    with pytest.raises(OptionError, match="mask_file with mask_values"):
        SceneDataModule(**options | {"sources": [source | {"reading": {"mask_values": {"cloud": [1]}}}]})
