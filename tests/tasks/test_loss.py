"""Weights of rare classes, and that resuming needs no frequencies."""

import numpy as np
import pytest
import torch
from task_factory import SMALL, make_task

from hierars_geo.errors import OptionError
from hierars_geo.tasks import class_weights
from hierars_geo.taxonomy import Taxonomy

TREE = Taxonomy.from_yaml("mm5b")
PIXELS = np.arange(18) ** 2 * 10.0  # the first leaf never occurs

OPTIONS = SMALL | {"taxonomy": TREE}


@pytest.mark.parametrize(("rule", "exponent"), [("inverse", 1.0), ("sqrt_inverse", 0.5)])
def test_weights_follow_the_frequencies_of_every_level(rule, exponent):
    weights = class_weights(TREE, PIXELS, rule)
    assert [len(level) for level in weights] == [4, 9, 18]
    for level, found in enumerate(weights, start=1):
        pixels = np.zeros(len(found))
        for leaf, count in enumerate(PIXELS):
            pixels[TREE.lift(leaf, level)] += count
        present = pixels > 0
        product = np.array(found)[present] * pixels[present] ** exponent
        np.testing.assert_allclose(product, product[0], rtol=1e-12)
        assert (np.array(found) * pixels).sum() / pixels.sum() == pytest.approx(1)
        assert max(found) == pytest.approx(max(np.array(found)[present]))
    assert weights[2][0] == weights[2][1]  # the absent class takes the rarest one's


def test_effective_numbers_are_those_of_their_definition():
    pixels = [9000, 900, 90, 9, 1, 0]
    weights = np.array(class_weights(Taxonomy.from_yaml("whdld"), pixels, "effective")[0])
    samples = np.array(pixels[:5]) * 10
    effective = np.array([sum(0.9999**k for k in range(n)) for n in samples])  # 1 + beta + beta^2 + ...
    np.testing.assert_allclose(weights[:5] * effective, weights[0] * effective[0], rtol=1e-9)
    assert weights[4] / weights[0] < 10000 / 9  # frequent classes are told apart less than by their share


@pytest.mark.parametrize(
    "frequencies", [[1.0] * 17, [0.0] * 18, [-1.0] + [1.0] * 17, [np.nan] + [1.0] * 17], ids=str
)
def test_frequencies_that_are_none_are_refused(frequencies):
    with pytest.raises(OptionError, match="frequencies of 18 leaves or of every class"):
        class_weights(TREE, frequencies, "inverse")


def test_frequencies_per_level_count_what_is_known_coarsely():
    levels = [[1, 2, 3, 4], [1] * 9, [1] * 18]
    first, *others = class_weights(TREE, levels, "inverse")
    assert first == pytest.approx([2.5, 1.25, 2.5 / 3, 0.625])
    assert others == [pytest.approx([1.0] * 9), pytest.approx([1.0] * 18)]


def test_given_weights_are_held_to_the_tree():
    with pytest.raises(OptionError, match=r"hold 4, 9, 18 weights >= 0, a list per level of mm5b, but got"):
        make_task(**OPTIONS, loss={"class_weights": [[1.0, 1.0]]})


@pytest.mark.parametrize("mode", ["residual", "flat"])
def test_weights_reach_the_loss_and_the_checkpoint(mode):
    task = make_task(
        **OPTIONS, mode=mode, loss={"class_weights": "inverse"}, class_frequencies=lambda: PIXELS
    )
    task.on_fit_start()
    expected = torch.tensor(class_weights(TREE, PIXELS, "inverse")[-1])
    last = "class_weight_0" if mode == "flat" else "class_weight_2"
    torch.testing.assert_close(task.loss.get_buffer(last), expected)
    content = {}
    task.on_save_checkpoint(content)
    resumed = make_task(**OPTIONS, mode=mode, loss={"class_weights": "inverse"})
    with pytest.raises(OptionError, match="class_frequencies with class_weights 'inverse', but got none"):
        resumed.on_fit_start()
    resumed.on_load_checkpoint(content)
    resumed.on_fit_start()
    torch.testing.assert_close(resumed.loss.get_buffer(last), expected)


def test_nothing_is_counted_without_need():
    count = {"class_frequencies": lambda: pytest.fail("counted")}
    make_task(**OPTIONS, **count).on_fit_start()
    make_task(
        **OPTIONS, **count, loss={"class_weights": class_weights(TREE, PIXELS, "inverse")}
    ).on_fit_start()
    make_task(**OPTIONS, **count, loss={"class_weights": "inverse"})  # to validate, test or resume
