"""Hypercolumns and classifiers in closed form, against NumPy."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from hierars_geo.models import ModelConfig, build_segmenter
from hierars_geo.models.class_sums import ClassSums, discriminant, ridge
from hierars_geo.models.hypercolumn import Hypercolumn


def pixels(seed=0):
    """Inputs of very different spread, one of them constant, and classes of which 2 never occurs."""
    rng = np.random.default_rng(seed)
    target = rng.choice([0, 1, 3], size=3000, p=[0.6, 0.3, 0.1])
    inputs = rng.normal(size=(3000, 5)) * [1, 10, 100, 0.1, 0] + 50
    inputs[:, :3] += target[:, None] * [1, 5, -80]
    return inputs.astype(np.float32), target


def sums_of(inputs, target):
    """Added up in three pieces of different sizes."""
    parts = [ClassSums.empty(4, 5) for _ in range(3)]
    for part, rows in zip(parts, np.split(np.arange(3000), [100, 1700]), strict=True):
        part.add(torch.from_numpy(inputs[rows]), torch.from_numpy(target[rows]))
    whole = parts[0] + parts[1] + parts[2]
    rest = whole - parts[1]
    torch.testing.assert_close(rest.product, (parts[0] + parts[2]).product)
    return whole


def test_least_squares_equal_the_penalised_regression_of_indicators():
    inputs, target = pixels()
    weight, offset = ridge(sums_of(inputs, target), 0.3)
    x = inputs.astype(np.float64)
    spread = np.where(x.std(axis=0) > 0, x.std(axis=0), np.inf)
    z = (x - x.mean(axis=0)) / spread
    indicator = np.eye(4)[target]
    # rows that pull every weight to 0, and the mean left free
    stacked = np.vstack([z, np.sqrt(0.3 * len(z)) * np.eye(5)])
    wanted = np.vstack([indicator - indicator.mean(axis=0), np.zeros((5, 4))])
    expected, *_ = np.linalg.lstsq(stacked, wanted, rcond=None)
    found = x @ weight.numpy().T + offset.numpy()
    np.testing.assert_allclose(
        found[:, [0, 1, 3]], (z @ expected + indicator.mean(axis=0))[:, [0, 1, 3]], atol=1e-5
    )
    assert (found.argmax(axis=1) != 2).all()


def test_discriminants_are_log_posteriors_of_gaussians_with_one_covariance():
    inputs, target = pixels()
    weight, offset = discriminant(sums_of(inputs, target), 1e-9)
    x = inputs.astype(np.float64)[:, :4]  # the constant one has no density
    scores = (inputs.astype(np.float64) @ weight.numpy().T + offset.numpy())[:, [0, 1, 3]]
    present = [0, 1, 3]
    means = np.stack([x[target == k].mean(axis=0) for k in present])
    within = (
        sum((x[target == k] - m).T @ (x[target == k] - m) for k, m in zip(present, means, strict=True)) / 3000
    )
    far = [np.einsum("ni,ij,nj->n", x - m, np.linalg.inv(within), x - m) for m in means]
    expected = np.stack(
        [np.log((target == k).mean()) - d / 2 for k, d in zip(present, far, strict=True)], axis=1
    )
    np.testing.assert_allclose(
        scores - scores[:, :1], expected - expected[:, :1], atol=2e-3 * np.abs(expected).max()
    )


@pytest.mark.parametrize("encoder", ["resnet18", "deit3_small", "tu-test_resnet"])
def test_what_the_linear_maps_see_at_a_pixel_is_what_they_add_up_everywhere(encoder):
    torch.manual_seed(0)
    model = build_segmenter(
        ModelConfig("hypercolumn", encoder, "independent", 0.0, {"decoder_channels": 7}), 3, (2, 5)
    )
    model.eval()
    body, image = model.features.body, torch.randn(2, 3, 64, 96) * 4
    with torch.no_grad():
        features = body.encoder(image)
        whole = body.decoder(features)
        assert whole.shape == (2, 7, 64, 96)
        body.decoder.standardise(features, torch.ones(2, 60, 90, dtype=torch.bool))
        row, column = torch.tensor([0, 63, 17, 30]), torch.tensor([0, 95, 40, 3])
        inputs = body.decoder.inputs_at(features, 1, row, column)
        weight = torch.randn(7, inputs.shape[1])
        body.decoder.set_weights(weight)
        found = body.decoder(features)[1][:, row, column].T
    torch.testing.assert_close(found, inputs @ weight.T, rtol=1e-3, atol=1e-3)
    stages = torch.split(inputs.square().mean(dim=0), body.decoder.sizes)
    assert all(0.1 < float(stage.mean()) < 10 for stage in stages)


def test_weights_that_know_no_units_answer_as_before():
    torch.manual_seed(0)
    decoder, image = Hypercolumn((2, 0, 4), 3), torch.randn(1, 2, 8, 8)
    features = [image, torch.empty(0), 100 * torch.randn(1, 4, 4, 4) + 50]
    state = {name: each for name, each in decoder.state_dict().items() if name not in ("center", "spread")}
    before = decoder.pixel(decoder._pixel_terms(image)) + F.interpolate(
        decoder.stages["2"](features[2]), (8, 8), mode="bilinear", align_corners=False
    )
    measured = Hypercolumn((2, 0, 4), 3)
    measured.standardise(features, torch.ones(1, 8, 8, dtype=torch.bool))
    measured.load_state_dict(state)
    torch.testing.assert_close(measured(features), before)


def test_random_functions_lie_over_the_range_of_the_pixels_that_they_are_shown():
    decoder = Hypercolumn((2, 0), 3)
    projection, shift = decoder.projection.clone().numpy(), decoder.shift.clone().numpy()
    pixels = torch.randn(500, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([0.2, 3]) + 0.4
    image = torch.cat([pixels, torch.full((100, 2), 4.0)]).T.reshape(1, 2, 30, 20)
    decoder.standardise([image], torch.arange(600).reshape(1, 30, 20) < 500)
    found = decoder._pixel_terms(image)[0].flatten(1).T.numpy()
    near = pixels.clamp(-5, 5).numpy()
    standard = (near - near.mean(axis=0)) / near.std(axis=0)
    expected = np.maximum(standard @ projection.T + shift, 0)
    np.testing.assert_allclose(found[:500, 4:], expected, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(found[:, :2] ** 2, found[:, 2:4], rtol=1e-5)
    np.testing.assert_allclose(decoder.center, found[:500].mean(axis=0), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(decoder.spread, found[:500].std(axis=0), rtol=1e-3)
    drawn_again = Hypercolumn((2, 0), 3)
    np.testing.assert_array_equal(drawn_again.projection.numpy(), projection)


@pytest.mark.parametrize("case", ["one pixel", "one cell", "a plain"])
def test_ground_on_which_nothing_varies_has_units_all_the_same(case):
    generator = torch.Generator().manual_seed(0)
    image, cell = torch.randn(1, 2, 32, 32, generator=generator), torch.randn(1, 6, 1, 1, generator=generator)
    known = torch.ones(1, 32, 32, dtype=torch.bool)
    if case == "one pixel":
        known = torch.arange(1024).reshape(1, 32, 32) == 100
    elif case == "a plain":
        image = torch.full_like(image, 0.3)
    features = [image, 50 * torch.randn(1, 4, 8, 8, generator=generator), torch.zeros(1, 3, 4, 4), 40 * cell]
    decoder = Hypercolumn((2, 4, 3, 6), 3)
    decoder.standardise(features, known)
    assert torch.isfinite(decoder(features)).all()
    pixel, varied, silent, single = torch.split(decoder.spread, decoder.sizes)
    assert 0.1 < float(pixel.mean()) < 10
    assert 10 < float(varied.mean()) < 80
    assert silent.tolist() == [1, 1, 1]
    torch.testing.assert_close(single, torch.full((6,), 40 * float(cell.abs().mean())), rtol=1e-4, atol=0)
