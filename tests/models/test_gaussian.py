"""The Gaussian baseline against SciPy's multivariate normal."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from hierars_geo.errors import DataError
from hierars_geo.models import GaussianClassifier


def test_posteriors_equal_scipy_and_batches_add_up():
    rng = np.random.default_rng(0)
    target = rng.integers(-1, 3, size=(4, 20, 20))
    image = rng.normal(size=(4, 2, 20, 20)) * 50 + 1000 + 30 * target[:, None]
    target[target < 0] = -100
    target[target == 2] = 3  # class 2 is never seen
    classifier = GaussianClassifier(2, 4, ridge=0.0)
    for part in range(2):
        rows = slice(2 * part, 2 * part + 2)
        classifier.update(torch.from_numpy(image[rows]).float(), torch.from_numpy(target[rows]))
    scores = classifier(torch.from_numpy(image).float()).numpy()
    assert np.isneginf(scores[:, 2]).all()
    for index in (0, 1, 3):
        own = np.moveaxis(image, 1, -1)[target == index]
        normal = multivariate_normal(own.mean(axis=0), np.cov(own.T, bias=True))
        expected = normal.logpdf(np.moveaxis(image, 1, -1)) + np.log(len(own))
        np.testing.assert_allclose(scores[:, index] - np.log(2 * np.pi), expected, rtol=1e-3, atol=1e-3)


def test_too_few_pixels_are_said():
    classifier = GaussianClassifier(3, 2)
    with pytest.raises(DataError, match="too few"):
        classifier(torch.zeros(1, 3, 2, 2))


@pytest.mark.parametrize("others_vary", [True, False])
def test_a_class_without_variance_is_still_a_class(others_vary):
    generator = torch.Generator().manual_seed(0)
    image = torch.full((1, 3, 8, 8), 255.0)
    image[:, :, :4] = torch.rand(1, 3, 4, 8, generator=generator) * 100 if others_vary else 10.0
    target = (image[:, 0] == 255).long()
    classifier = GaussianClassifier(3, 2)
    classifier.update(image, target)
    assert torch.equal(classifier(image).argmax(dim=1), target)
