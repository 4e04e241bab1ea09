"""CDSA against pixel-by-pixel NumPy, and the anchors it refuses."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tree_factory import tree_content

from hierars_geo.errors import TaxonomyError
from hierars_geo.models import CDSA
from hierars_geo.taxonomy import Taxonomy
from hierars_geo.types import IGNORE_INDEX

MM5B = Taxonomy.from_yaml("mm5b")
CROPS = Taxonomy.from_yaml("crop10m")
SIZE = (5, 6)


def crops(**anchors: str) -> Taxonomy:
    """The tree of crops with other anchors; a key names level and class with ``__`` between."""
    content = CROPS.to_dict() | {"anchors": {key.replace("__", "/"): to for key, to in anchors.items()}}
    return Taxonomy.from_dict(content)


def softmax(values: NDArray[np.float64]) -> NDArray[np.float64]:
    exponential = np.exp(values - values.max(axis=0))
    return exponential / exponential.sum(axis=0)


def random_logits(tree: Taxonomy, seed: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [3 * torch.randn(2, count, *SIZE, generator=generator) for count in tree.num_classes]


def test_masks_and_pseudo_labels_follow_the_equations_pixel_by_pixel() -> None:
    cdsa = CDSA(CROPS, MM5B)
    source, own = random_logits(MM5B, 0), random_logits(CROPS, 1)
    scores = cdsa.scores(source)
    masked = cdsa.mask(own, scores)
    leaf = torch.randint(0, 4, (2, *SIZE), generator=torch.Generator().manual_seed(2))
    leaf[0, 0, :3] = IGNORE_INDEX
    valid = torch.rand(2, *SIZE, generator=torch.Generator().manual_seed(3)) < 0.8
    ignored = torch.full_like(leaf, IGNORE_INDEX)
    labels = cdsa.pseudo_labels(scores, [ignored, ignored, leaf], valid)
    illegal = cdsa.contradictions(labels)
    vegetation, cropland = MM5B.class_index("Vegetation", 1), MM5B.class_index("Cropland", 2)
    for b, y, x in np.ndindex(2, *SIZE):
        p1 = softmax(source[0][b, :, y, x].double().numpy())[vegetation]
        p2 = softmax(source[1][b, :, y, x].double().numpy())[cropland]
        x1, x2 = own[0][b, :, y, x].numpy(), own[1][b, :, y, x].numpy()
        np.testing.assert_allclose(
            masked[0][b, :, y, x], [x1[0] * (1 - p1), x1[1] * p1], rtol=1e-4, atol=1e-5
        )
        np.testing.assert_allclose(
            masked[1][b, :, y, x], [x2[0] * (1 - p2), x2[1] * p2], rtol=1e-4, atol=1e-5
        )
        seen = (
            int(source[0][b, :, y, x].argmax() == vegetation),
            int(source[1][b, :, y, x].argmax() == cropland),
            int(leaf[b, y, x]),
        )
        expected = seen if valid[b, y, x] else (IGNORE_INDEX, IGNORE_INDEX, seen[2])
        assert tuple(int(level[b, y, x]) for level in labels) == expected
        complete = IGNORE_INDEX not in expected
        assert bool(illegal[b, y, x]) == (complete and list(expected) not in CROPS.paths.tolist())
    torch.testing.assert_close(masked[2], own[2])
    assert illegal.any()
    assert not illegal.all()
    own_labels = torch.randint(0, 2, (2, *SIZE), generator=torch.Generator().manual_seed(4))
    own_labels[leaf == IGNORE_INDEX] = IGNORE_INDEX
    kept = cdsa.pseudo_labels(scores, [own_labels, ignored, leaf], valid, replace=False)
    expected_first = torch.where(own_labels == IGNORE_INDEX, labels[0], own_labels)
    assert torch.equal(kept[0][valid], expected_first[valid])
    assert torch.equal(kept[1], labels[1])  # no own label there: the source's everywhere
    assert (kept[0][~valid] == IGNORE_INDEX).all()


def test_masks_are_resized_to_the_targets_resolution() -> None:
    cdsa = CDSA(CROPS, MM5B)
    source, own = random_logits(MM5B, 0), random_logits(CROPS, 1)
    wide = [torch.nn.functional.interpolate(level, scale_factor=2.0) for level in own]
    assert [level.shape for level in cdsa.mask(wide, cdsa.scores(source))] == [level.shape for level in wide]


def test_a_flat_source_is_lifted_by_the_sums_of_its_leaves() -> None:
    cdsa = CDSA(CROPS, MM5B)
    leaf = random_logits(MM5B, 4)[-1]
    probability = leaf.softmax(dim=1)
    for level, scores in cdsa.scores([leaf]).items():
        for index in range(MM5B.num_classes[level]):
            leaves = [int(path[-1]) for path in MM5B.paths if path[level] == index]
            torch.testing.assert_close(scores.softmax(dim=1)[:, index], probability[:, leaves].sum(dim=1))


def test_several_anchors_of_a_level_share_what_is_left_among_the_others() -> None:
    levels = {"L1": {"built": 0, "wet": 1, "green": 2, "rock": 3}}
    levels["L2"] = {"house": (0, "built"), "pool": (1, "wet"), "lawn": (2, "green"), "scree": (3, "rock")}
    anchors = {"wet": "mm5b/L1/Water", "green": "mm5b/L1/Vegetation"}
    tree = Taxonomy.from_dict(tree_content("wet", 255, **levels) | {"anchors": anchors})
    cdsa = CDSA(tree, MM5B)
    source = random_logits(MM5B, 5)
    scores = cdsa.scores(source)
    p = source[0].softmax(dim=1)
    water, vegetation = p[:, MM5B.class_index("Water", 1)], p[:, MM5B.class_index("Vegetation", 1)]
    ones = [torch.ones(2, count, *SIZE) for count in tree.num_classes]
    rest = 1 - water - vegetation
    torch.testing.assert_close(
        cdsa.mask(ones, scores)[0], torch.stack([rest, water, vegetation, rest], dim=1)
    )
    # a pixel that is neither: the label's own class where that has no anchor, else unknown
    leaf = torch.arange(4).repeat(2 * SIZE[0] * SIZE[1] // 4 + 1)[: 2 * SIZE[0] * SIZE[1]].view(2, *SIZE)
    labels = cdsa.pseudo_labels(scores, [leaf, leaf], torch.ones_like(leaf, dtype=torch.bool))
    best = source[0].argmax(dim=1)
    neither = (best != MM5B.class_index("Water", 1)) & (best != MM5B.class_index("Vegetation", 1))
    expected = torch.where((leaf == 0) | (leaf == 3), leaf, IGNORE_INDEX)
    assert torch.equal(labels[0][neither], expected[neither])
    assert torch.equal(labels[1], leaf)


@pytest.mark.parametrize(
    ("anchors", "message"),
    [
        ({"L2__cropland": "mm5b/L2/Croplands"}, "Did you mean: Cropland"),
        ({"L2__cropland": "corine/L2/Cropland"}, "Expected an anchor to a class of mm5b"),
        ({}, "Expected taxonomy crop10m to have anchors to classes of mm5b, but it has none"),
        (
            {"L3__maize": "mm5b/L3/Dry cropland", "L3__rice": "mm5b/L2/Cropland"},
            "'rice' and 'maize' are anchored to classes of mm5b of which one contains the other",
        ),
        (
            {"L1__other": "mm5b/L1/Vegetation", "L2__cropland": "mm5b/L2/Cropland"},
            "Expected a legal path of taxonomy crop10m through 'L2/cropland' that agrees",
        ),
    ],
)
def test_anchors_that_cannot_work_are_refused(anchors: dict[str, str], message: str) -> None:
    with pytest.raises(TaxonomyError, match=message):
        CDSA(crops(**anchors), MM5B)
