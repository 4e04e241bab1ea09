"""Reliability against torchmetrics' calibration error, over batches, levels and unlabelled pixels."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torchmetrics.classification import BinaryCalibrationError

from hierars_geo.metrics import ReliabilityMetric
from hierars_geo.metrics.reliability import BINS, Reliability, draw_diagrams
from hierars_geo.models import level_confidence
from hierars_geo.tasks.reliability import DIAGRAMS, ReliabilityOfTest
from hierars_geo.taxonomy import Taxonomy

TREE = Taxonomy.from_yaml("mm5b")
PATHS = torch.from_numpy(TREE.paths.copy())


def drawn(seed, batch=4, side=24):
    """Path logits, the decoded classes and labels that are right as often as chance has it, some unknown."""
    generator = torch.Generator().manual_seed(seed)
    scores = 3 * torch.randn(batch, len(PATHS), side, side, generator=generator)
    best = scores.argmax(dim=1)
    other = torch.randint(len(PATHS), best.shape, generator=generator)
    truth = torch.where(torch.rand(best.shape, generator=generator) < 0.6, best, other)
    decoded, target = (torch.stack([PATHS[:, n][row] for n in range(3)], dim=1) for row in (best, truth))
    target[:, 2][torch.rand(best.shape, generator=generator) < 0.3] = -100  # known to level 2 alone
    target[:, :, :3] = -100
    return scores, decoded, target


def reference(parts, temperature=1.0, curves=()):
    errors = []
    for level in range(3):
        metric = BinaryCalibrationError(n_bins=BINS, norm="l1")
        for scores, decoded, target in parts:
            sure = level_confidence(scores / temperature, PATHS).numpy()
            for at, curve in enumerate(curves):
                sure[:, at] = np.interp(sure[:, at], *zip(*curve, strict=True))
            sure = torch.from_numpy(np.minimum.accumulate(sure, axis=1)[:, level])
            right = (decoded == target)[:, : level + 1].all(dim=1)
            known = target[:, level] >= 0
            metric.update(sure[known], right[known].int())
        errors.append(float(metric.compute()))
    return errors


def test_calibration_errors_are_those_of_torchmetrics():
    parts = [drawn(seed) for seed in (0, 1)]
    metric = ReliabilityMetric(3)
    for scores, decoded, target in parts:
        metric.update(level_confidence(scores, PATHS), decoded, target)
    found = metric.reliability()
    assert found.calibration_error() == pytest.approx(reference(parts), abs=1e-5)
    for level, diagram in enumerate(found.diagrams()):
        share, sure, right = np.array(diagram).T
        assert share.sum() == pytest.approx(1)
        assert (share * np.abs(sure - right)).sum() == pytest.approx(found.calibration_error()[level])
    open_above = ReliabilityMetric(2)  # a label that says the leaf alone
    shown = torch.tensor([[0, 1]]).view(1, 2, 1, 1)
    open_above.update(torch.ones(1, 2, 1, 1), shown, torch.tensor([[-100, 1]]).view(1, 2, 1, 1))
    assert open_above.reliability().calibration_error()[1] == 0
    halves = [Reliability.of(np.array([[0.2, 0.95]]), np.array([[False, True]]))] * 2
    assert (halves[0] + halves[1]).calibration_error()[0] == pytest.approx((0.2 + 0.05) / 2)


CURVES = (
    ((0.0, 0.0), (0.3, 0.4), (1.0, 0.9)),
    ((0.0, 0.1), (1.0, 1.0)),
    ((0.0, 0.0), (0.5, 0.5), (1.0, 0.6)),
)


@pytest.mark.parametrize("curves", [(), CURVES])
def test_a_tested_model_is_scored_before_and_after_its_calibration(tmp_path, monkeypatch, curves):
    parts = [drawn(seed) for seed in (2, 3)]
    tested = ReliabilityOfTest(3)
    trainer = SimpleNamespace(log_dir=str(tmp_path / "run"), is_global_zero=True, loggers=[])
    for scores, decoded, target in parts:
        model = SimpleNamespace(temperature=1.0 if curves else 2.5, curves=curves)
        tested.update(scores, PATHS, model, decoded, target)
    logged = tested.summarise(TREE, trainer)
    for suffix, options in (("_before", (1.0,)), ("", (model.temperature, curves))):
        for level, error in enumerate(reference(parts, *options), start=1):
            assert logged[f"test/ECE_L{level}{suffix}"] == pytest.approx(error, abs=1e-5)
    with Image.open(tmp_path / "run" / DIAGRAMS) as image:
        assert image.width > 2 * image.height
    plain = SimpleNamespace(temperature=1.0, curves=())
    tested.update(*parts[0][:1], PATHS, plain, *parts[0][1:])  # another model, not calibrated
    nowhere = tmp_path / "nowhere"
    nowhere.mkdir()
    monkeypatch.chdir(nowhere)
    trainer = SimpleNamespace(log_dir=str(nowhere), is_global_zero=True, loggers=[])
    assert set(tested.summarise(TREE, trainer)) == {f"test/ECE_L{level}" for level in (1, 2, 3)}
    assert not list(nowhere.iterdir())


def test_the_dot_at_a_hundred_per_cent_is_whole():
    figure = draw_diagrams({"these maps": [((1.0, 1.0, 1.0),)]}, ["L1"])
    assert not figure.axes[0].collections[0].get_clip_on()
