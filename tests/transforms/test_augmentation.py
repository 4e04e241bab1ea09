"""Augmentation moves image, labels and validity together and invents nothing."""

import numpy as np
import pytest
import torch
from torch import Generator

from hierars_geo.errors import OptionError
from hierars_geo.transforms import ChipAugmentation
from hierars_geo.transforms.augmentation import Radiometry, read_px


def batch(size=16, height=12, width=12):
    """Labels that equal the image's first channel, so that moving one alone would show."""
    mask = torch.randint(0, 5, (size, height, width), generator=Generator().manual_seed(0))
    mask[:, :2] = -100
    valid = torch.ones(size, height, width, dtype=torch.bool)
    valid[:, :, -3:] = False
    mask[:, :, -3:] = -100
    image = torch.stack([mask.float(), mask.float() * 7], dim=1) * valid[:, None]
    return {
        "image": image,
        "mask": mask,
        "valid": valid,
        "bounds": [(0, 0, 1, 1)] * size,
        "crs": [None] * size,
    }


def test_turns_and_flips_reach_all_eight_positions_and_keep_layers_together():
    given = batch(200)
    done = ChipAugmentation()(given, Generator().manual_seed(1))
    assert done["bounds"] is given["bounds"]
    assert torch.equal(done["image"][:, 0], torch.where(done["valid"], done["mask"], 0).float())
    seen = set()
    for before, after in zip(given["mask"], done["mask"], strict=True):
        views = [(k, f) for k in range(4) for f in (0, 1) if torch.equal(_view(before, k, f), after)]
        assert len(views) == 1
        seen.update(views)
    assert len(seen) == 8


def _view(mask, turns, flip):
    turned = torch.rot90(mask, turns)
    return turned.flip(-1) if flip else turned


def test_the_generator_decides_alone():
    a, b, c = (ChipAugmentation((0.5, 2.0))(batch(), Generator().manual_seed(s))["image"] for s in (3, 3, 4))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_oblong_chips_keep_their_shape():
    done = ChipAugmentation()(batch(height=8, width=12), Generator().manual_seed(0))
    assert done["image"].shape == (16, 2, 8, 12)


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_scale_interpolates_images_never_labels_and_ignores_the_rest(scale):
    given = batch(64, 20, 20)
    given["image"] = torch.ones_like(given["image"]) * 50 * given["valid"][:, None]
    done = ChipAugmentation((scale, scale))(given, Generator().manual_seed(2))
    assert set(done["mask"].unique().tolist()) <= {-100, 0, 1, 2, 3, 4}
    assert (done["mask"][~done["valid"]] == -100).all()
    shown = done["image"][done["valid"][:, None].expand_as(done["image"])]
    np.testing.assert_allclose(shown, 50, rtol=1e-5)
    assert (done["image"][~done["valid"][:, None].expand_as(done["image"])] == 0).all()
    share = done["valid"].float().mean() / given["valid"].float().mean()
    assert share < 0.3 if scale == 0.5 else share > 0.8


def test_gain_multiplies_bands_within_its_limits_and_nothing_else():
    image = torch.full((64, 3, 4, 4), 1000.0)
    image[:, :, 0] = 0
    mask = torch.ones(64, 4, 4, dtype=torch.int64)
    batch = {"image": image, "mask": mask, "valid": image[:, 0] > 0}
    got = ChipAugmentation(gain=0.2)(batch, torch.Generator().manual_seed(0))
    factor = got["image"].amax(dim=(2, 3)) / 1000
    assert 0.8 <= factor.min() < 0.83
    assert 1.17 < factor.max() <= 1.2
    assert len(factor.flatten().unique()) == 64 * 3
    assert torch.equal(got["image"] > 0, got["valid"].unsqueeze(1).expand(-1, 3, -1, -1))
    assert torch.equal(got["mask"], mask)


def test_wrong_ranges_are_refused():
    with pytest.raises(OptionError, match="scale_range"):
        ChipAugmentation((2.0, 0.5))
    with pytest.raises(OptionError, match="gain"):
        ChipAugmentation(gain=1.0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_moves_labels_as_float32_does(dtype):
    given = batch()
    given["mask"] = torch.where(
        given["mask"] < 0, -100, given["mask"] + 295
    )  # beyond bfloat16's whole numbers
    augment = ChipAugmentation((0.5, 2.0))
    whole = augment(given, Generator().manual_seed(3))
    half = augment({**given, "image": given["image"].to(dtype)}, Generator().manual_seed(3))
    assert half["image"].dtype == dtype
    assert (whole["mask"] >= 0).any()
    for layer in ("mask", "valid"):
        assert torch.equal(half[layer], whole[layer])


@pytest.mark.parametrize("scale_range", [(0.5, 2.0), (1.0, 1.0), (0.5, 0.5)])
def test_image_labels_sets_and_validity_show_the_same_place(scale_range):
    """Every layer holds its own coordinates, so each pixel tells where it comes from."""
    size, out = 64, 32
    rows, cols = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    position = (rows * size + cols).expand(24, size, size)
    valid = torch.ones(24, size, size, dtype=torch.bool)
    valid[:, 10:20, 30:44] = False
    given = {
        "image": torch.stack([rows, cols]).float().expand(24, 2, size, size) * valid[:, None],
        "mask": torch.where(valid, position, -100),
        "valid": valid,
        "label_set": torch.where(valid, position // 2, -100),
    }
    augment = ChipAugmentation(scale_range, size_px=out)
    done = augment(given, Generator().manual_seed(5))
    assert done["image"].shape == (24, 2, out, out)
    assert done["label_set"].shape == done["mask"].shape == (24, out, out)
    assert torch.equal(done["mask"] >= 0, done["valid"])
    known = done["valid"]
    found = torch.stack([done["mask"] // size, done["mask"] % size], dim=1).float()
    off = (found - done["image"]).abs().amax(dim=1)[known]
    assert off.max() <= 0.51  # nearest label, interpolated image
    assert torch.equal(done["label_set"][known], done["mask"][known] // 2)
    assert known.float().mean() > 0.9  # read large enough, every scale finds ground


def test_chips_are_read_large_enough_for_the_smallest_scale():
    assert read_px(64, None) == read_px(64, (1.0, 2.0)) == read_px(64, (1.5, 2.0)) == 64
    assert (read_px(64, (0.5, 2.0)), read_px(100, (0.75, 2.0))) == (128, 134)


def radiometric(**options):
    generator = Generator().manual_seed(9)
    image = torch.randn(300, 3, 16, 16, generator=generator) * torch.tensor([10.0, 40.0, 1.0])[:, None, None]
    image = image + torch.tensor([500.0, 3000.0, -7.0])[:, None, None]
    valid = torch.ones(300, 16, 16, dtype=torch.bool)
    valid[:, :4] = False
    image = image * valid[:, None]
    change = Radiometry([500.0, 3000.0, -7.0], [10.0, 40.0, 1.0], **options)
    done = change(image, valid, Generator().manual_seed(1))
    assert (done[~valid[:, None].expand_as(done)] == 0).all()
    mean, std = torch.tensor([500.0, 3000, -7]), torch.tensor([10.0, 40, 1])
    before, after = ((v - mean[:, None, None]) / std[:, None, None] for v in (image, done))
    return before[:, :, 4:], after[:, :, 4:]


def test_brightness_and_contrast_are_in_standard_deviations_of_each_band():
    before, after = radiometric(brightness=0.5)
    shift = after - before
    assert shift.flatten(2).std(dim=2).max() < 1e-3
    per_band = shift.mean(dim=(2, 3))
    assert per_band.abs().max() <= 0.5001
    assert (per_band.std(dim=0) / (0.5 / 3**0.5) - 1).abs().max() < 0.1
    assert per_band.T.corrcoef().fill_diagonal_(0).abs().max() < 0.2  # each band by itself
    before, after = radiometric(contrast=0.3)
    factor = (after * before).sum(dim=(2, 3)) / (before**2).sum(dim=(2, 3))
    assert 0.7 <= factor.min() < 0.72
    assert 1.28 < factor.max() <= 1.3001


def test_noise_has_its_strength_and_missing_bands_their_rate():
    before, after = radiometric(noise=0.2)
    assert ((after - before).std(dim=(0, 2, 3)) / 0.2 - 1).abs().max() < 0.02
    before, after = radiometric(band_drop=0.3)
    gone = after.abs().amax(dim=(2, 3)) < 1e-3
    assert abs(gone.float().mean() - (0.3 - 0.3**3 / 3)) < 0.03
    assert not gone.all(dim=1).any()
    assert (after - before).abs().amax(dim=(2, 3))[~gone].max() < 1e-3


def test_wrong_radiometry_is_refused():
    for wrong in ({"contrast": 1.0}, {"band_drop": -0.1}, {"noise": -1.0}, {"brightness": -1.0}):
        with pytest.raises(OptionError, match=next(iter(wrong))):
            Radiometry([0.0], [1.0], **wrong)
