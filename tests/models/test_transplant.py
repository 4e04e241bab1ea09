"""Weights of a trained model in another: what is the same, what a new class disturbs, what is said of it."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from hierars_geo.errors import CheckpointError, OptionError
from hierars_geo.losses import HSCLoss
from hierars_geo.models import ModelConfig, ModelRecord, build_scene_model, transplant
from hierars_geo.models.head_transplant import NEW_CLASS_MARGIN
from hierars_geo.taxonomy import Taxonomy
from hierars_geo.types import ReadRecipe

BANDS = ("B02", "B03", "B04", "B08")
HEAD = "segmenter.head."
CONFIG = ModelConfig("unet", "tu-test_resnet", options={"decoder_channels": [32, 32, 16, 16, 16]})


def edited(tree, *changes):
    """The tree after ``("add", level, name, parent)``, ``("remove", level, name)`` or ``("reverse",)``."""
    content = tree.to_dict() | {"name": "edited"}
    levels = [{**level, "classes": list(level["classes"])} for level in content["levels"]]
    for kind, *arguments in changes:
        if kind == "reverse":
            for level in levels:
                level["classes"].reverse()
            continue
        classes = levels[arguments[0] - 1]["classes"]
        if kind == "remove":
            classes[:] = [entry for entry in classes if entry["name"] != arguments[1]]
            continue
        value = max(entry["value"] for entry in classes) + 1
        entry = {"name": arguments[1], "value": value, "color": [9, 9, 9]}
        classes.insert(1, entry | ({"parent": arguments[2]} if len(arguments) > 2 else {}))
    return Taxonomy.from_dict(content | {"levels": levels})


def scene(seed, side=32):
    """Smooth images (4, 4, side, side), and a number 0..1 per pixel that depends on them."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(4, len(BANDS), 5, 5, generator=generator)
    image = F.interpolate(coarse, size=(side, side), mode="bicubic")
    return image, torch.sigmoid(2.5 * image[:, 0] + image[:, 1])


def trained(tree_name):
    """A tiny model that was trained a little to find the leaves."""
    tree = Taxonomy.from_yaml(tree_name)
    record = ModelRecord(tree, ReadRecipe(BANDS), (0.0,) * 4, (1.0,) * 4, CONFIG)
    torch.manual_seed(0)
    model = build_scene_model(record)
    optimiser = torch.optim.AdamW(model.parameters(), 5e-3)
    loss = HSCLoss(tree.paths, tree.num_classes, alpha=1.0)
    image, number = scene(1)
    path = (number * tree.num_paths).long().clamp(max=tree.num_paths - 1)
    labels = list(torch.from_numpy(tree.paths.copy())[path].unbind(-1))
    for _ in range(50):
        optimiser.zero_grad()
        loss(model(image), labels)["loss"].backward()
        optimiser.step()
    return record, model.eval()


@pytest.fixture(scope="module")
def models():
    return {name: trained(name) for name in ("mm5b", "crop10m")}


def scores(model, tree, image):
    with torch.no_grad():
        return model.path_logits(image, None, torch.from_numpy(tree.paths.copy()))


def expanded(models, name, tree):
    record, model = models[name]
    new = replace(record, taxonomy=tree)
    torch.manual_seed(1)
    grown = build_scene_model(new)
    return grown.eval(), transplant(grown, model.state_dict(), record, new, "all")


def common_paths(old, new):
    """Rows of the paths that both trees have, in both."""
    named = [
        [tuple(tree.class_names(n + 1)[c] for n, c in enumerate(path)) for path in tree.paths.tolist()]
        for tree in (old, new)
    ]
    both = [path for path in named[0] if path in named[1]]
    return [[side.index(path) for path in both] for side in named]


LEAF = ("add", 3, "Greenhouse", "Cropland")
GROWN = [
    ("mm5b", "a leaf with two siblings", [LEAF]),
    ("mm5b", "a leaf with one sibling", [("add", 3, "Plantation", "Forest")]),
    ("mm5b", "three leaves", [LEAF, ("add", 3, "Orchard", "Cropland"), ("add", 3, "Canal", "Water")]),
    ("mm5b", "a parent with leaves", [("add", 2, "Wetland", "Water"), ("add", 3, "Bog", "Wetland")]),
    ("mm5b", "a class at the top", [("add", 1, "Ice"), ("add", 2, "Ice", "Ice"), ("add", 3, "Ice", "Ice")]),
    ("mm5b", "another order", [("reverse",)]),
    ("mm5b", "another order and a leaf", [("reverse",), LEAF]),
    ("crop10m", "a crop", [("add", 3, "wheat", "cropland")]),
    ("crop10m", "a leaf of two paths", [("add", 3, "fallow", ["other", "cropland"])]),
    ("crop10m", "a parent with leaves", [("add", 2, "forest", "vegetation"), ("add", 3, "fir", "forest")]),
    ("crop10m", "another order", [("reverse",)]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "changes"), [(n, c) for n, _, c in GROWN], ids=[f"{n}: {t}" for n, t, _ in GROWN]
)
def test_an_expanded_model_agrees_with_the_old_one(models, name, changes):
    record, model = models[name]
    tree = edited(record.taxonomy, *changes)
    grown, _ = expanded(models, name, tree)
    image, _ = scene(2)
    old_rows, new_rows = common_paths(record.taxonomy, tree)
    assert len(old_rows) == record.taxonomy.num_paths
    before = scores(model, record.taxonomy, image)[:, old_rows]
    after = scores(grown, tree, image)
    assert before.argmax(1).unique().numel() > 3  # the model sees something
    assert (before.argmax(1) == after[:, new_rows].argmax(1)).float().mean() >= 0.99
    taken = ~torch.isin(after.argmax(1), torch.tensor(new_rows))
    assert taken.float().mean() <= 0.01


def test_another_order_changes_no_score(models):
    record, model = models["mm5b"]
    tree = edited(record.taxonomy, ("reverse",))
    grown, report = expanded(models, "mm5b", tree)
    image, _ = scene(2)
    old_rows, new_rows = common_paths(record.taxonomy, tree)
    before, after = scores(model, record.taxonomy, image), scores(grown, tree, image)
    torch.testing.assert_close(before[:, old_rows], after[:, new_rows], rtol=1e-5, atol=1e-4)
    assert [len(level.copied) for level in report.levels] == [4, 9, 18]
    assert not any(level.new or level.dropped for level in report.levels)


def test_rows_and_columns_of_a_new_class(models):
    record, model = models["mm5b"]
    tree = edited(record.taxonomy, LEAF)
    grown, _ = expanded(models, "mm5b", tree)
    old, new = ({k: v.numpy() for k, v in m.state_dict().items()} for m in (model, grown))
    kept = [i for i in range(19) if i != 1]  # Greenhouse is the second leaf; its siblings are 0 and 1
    weight, bias = f"{HEAD}classifiers.2.weight", f"{HEAD}classifiers.2.bias"
    assert np.array_equal(new[weight][kept], old[weight])
    np.testing.assert_allclose(new[weight][1], old[weight][:2].mean(0), rtol=1e-6)
    np.testing.assert_allclose(new[bias][1], old[bias][:2].mean() - NEW_CLASS_MARGIN, rtol=1e-5)
    to_leaves, from_leaves = f"{HEAD}down.1_2.project.weight", f"{HEAD}up.2_0.channel_gate.weight"
    np.testing.assert_allclose(new[to_leaves][1], old[to_leaves][:2].mean(0), rtol=1e-6)
    assert np.array_equal(new[from_leaves][:, kept], old[from_leaves])
    assert not new[from_leaves][:, 1].any()
    untouched = [k for k in old if "classifiers.2" not in k and old[k].shape == new[k].shape]
    assert all(np.array_equal(old[k], new[k]) for k in untouched)


def test_a_class_that_is_split_hands_its_ground_to_its_parts(models):
    record, model = models["mm5b"]
    parts = [("add", 3, name, "Forest") for name in ("Broadleaf", "Conifer")]
    tree = edited(record.taxonomy, ("remove", 3, "Forest"), *parts)
    grown, report = expanded(models, "mm5b", tree)
    assert report.levels[2].new == {"Broadleaf": ("Forest",), "Conifer": ("Forest",)}
    assert report.levels[2].dropped == ("Forest",)
    image, _ = scene(1)
    forest = record.taxonomy.class_index("Forest", 3)
    halves = [tree.class_index(name, 3) for name in ("Broadleaf", "Conifer")]
    before = scores(model, record.taxonomy, image).argmax(1)
    after = scores(grown, tree, image).argmax(1)
    was = torch.from_numpy(record.taxonomy.paths[:, 2].copy())[before] == forest
    now = torch.isin(torch.from_numpy(tree.paths[:, 2].copy())[after], torch.tensor(halves))
    assert was.any()
    assert (was == now).float().mean() >= 0.99


def test_a_removed_class_is_reported_and_the_others_stay(models):
    record, model = models["crop10m"]
    tree = edited(record.taxonomy, ("remove", 3, "maize"))
    grown, report = expanded(models, "crop10m", tree)
    assert [level.dropped for level in report.levels] == [(), (), ("maize",)]
    assert "L3: 3 classes copied; dropped maize" in report.lines()
    old_rows, new_rows = common_paths(record.taxonomy, tree)
    image, _ = scene(2)
    before = scores(model, record.taxonomy, image).argmax(1)
    after = torch.tensor(old_rows)[scores(grown, tree, image)[:, new_rows].argmax(1)]
    stays = torch.isin(before, torch.tensor(old_rows))  # no maize before
    assert 0.5 < stays.float().mean() < 1
    assert (before == after)[stays].float().mean() >= 0.99


def test_bands_in_another_order_are_the_same_model(models):
    record, model = models["mm5b"]
    order = [2, 0, 3, 1]
    new = replace(record, read=ReadRecipe(tuple(BANDS[i] for i in order)))
    other = build_scene_model(new).eval()
    report = transplant(other, model.state_dict(), record, new)
    image, _ = scene(2)
    before, after = scores(model, record.taxonomy, image), scores(other, record.taxonomy, image[:, order])
    torch.testing.assert_close(before, after, rtol=1e-4, atol=1e-4)
    assert len(report.encoder.adapted) == 1
    assert "normalisation: the new data's, not that of the weights" in report.lines()


def test_a_band_the_weights_do_not_know_takes_the_mean(models):
    record, model = models["mm5b"]
    new = replace(record, read=ReadRecipe(("B11", "B03")), mean=(0.0, 0.0), std=(1.0, 1.0))
    other = build_scene_model(new)
    report = transplant(other, model.state_dict(), record, new, "backbone")
    name = f"segmenter.features.body.encoder.{report.encoder.adapted[0]}"
    before, after = model.state_dict()[name], other.state_dict()[name]
    torch.testing.assert_close(after[:, 1], before[:, 1] * 2)  # of two bands, not of four
    torch.testing.assert_close(after.sum(1), before.sum(1))


@pytest.mark.parametrize(("parts", "taken"), [("backbone", ["encoder"]), ("decoder", ["encoder", "decoder"])])
def test_only_the_parts_asked_for_are_taken(models, parts, taken):
    record, model = models["mm5b"]
    other = build_scene_model(record)
    fresh = {name: value.clone() for name, value in other.state_dict().items()}
    report = transplant(other, model.state_dict(), record, record, parts)
    weights, now = model.state_dict(), other.state_dict()
    for name, value in now.items():
        if name in ("mean", "std"):
            continue
        part = "head" if name.startswith(HEAD) else "encoder" if ".encoder." in name else "decoder"
        assert torch.equal(value, (weights if part in taken else fresh)[name]), name
    assert (report.head.copied, report.classes_copied) == (0, 0)
    assert re.fullmatch(r"encoder: \d+ tensors copied", report.lines()[0])


def test_a_decoder_of_another_width_stays_new(models):
    record, model = models["mm5b"]
    config = replace(CONFIG, options={"decoder_channels": [32, 32, 16, 16, 8]})
    new = replace(record, model=config)
    report = transplant(build_scene_model(new), model.state_dict(), record, new)
    assert report.decoder.copied > 0
    assert {name.split(".")[1] for name in report.decoder.new} == {"4"}
    assert all(name.startswith("classifiers") and name.endswith("weight") for name in report.head.new)


def test_a_level_that_the_weights_lack_starts_from_its_neighbour(models):
    record, model = models["mm5b"]
    content = record.taxonomy.to_dict()
    parent_of = {entry["name"]: entry.get("parent") for entry in content["levels"][1]["classes"]}
    leaves = [
        entry | {"parent": parent_of.get(entry["parent"], entry["parent"])}
        for entry in content["levels"][2]["classes"]
    ]
    two = Taxonomy.from_dict({**content, "levels": [content["levels"][0], {"name": "L3", "classes": leaves}]})
    less, report = expanded(models, "mm5b", two)
    assert report.lost_levels == ("L2",)
    weights = model.state_dict()
    assert torch.equal(
        less.state_dict()[f"{HEAD}up.1_0.project.weight"], weights[f"{HEAD}up.2_0.project.weight"]
    )
    assert torch.equal(less.state_dict()[f"{HEAD}up_weight.1_0"], weights[f"{HEAD}up_weight.2_0"])

    short = replace(record, taxonomy=two)
    more = build_scene_model(record).eval()
    back = transplant(more, less.state_dict(), short, record)
    assert back.levels[1].new["Cropland"] == ("Paddy field", "Dry cropland")
    assert "a level that the weights lack" in back.lines()[4]
    leaf = f"{HEAD}classifiers.{{}}.weight"
    torch.testing.assert_close(
        more.state_dict()[leaf.format(1)][0], less.state_dict()[leaf.format(1)][:2].mean(0)
    )
    assert not more.state_dict()[f"{HEAD}down.1_2.project.weight"].any()


def test_a_flat_model_gives_its_leaves(models):
    record, _ = models["mm5b"]
    flat = replace(record, model=replace(CONFIG, mode="flat"))
    source, target = build_scene_model(flat), build_scene_model(record)
    report = transplant(target, source.state_dict(), flat, record)
    assert [len(level.copied) for level in report.levels] == [0, 0, 18]
    leaves = source.state_dict()[f"{HEAD}classifiers.0.weight"] / 2  # a residual adds as much again
    assert torch.equal(target.state_dict()[f"{HEAD}classifiers.2.weight"], leaves)
    torch.testing.assert_close(
        target.state_dict()[f"{HEAD}classifiers.0.weight"][1], leaves[5:8].mean(0)
    )  # water: river, lake, pond


def test_another_encoder_and_unknown_parts_are_refused(models):
    record, model = models["mm5b"]
    new = replace(record, model=replace(CONFIG, encoder="tu-test_efficientnet"))
    with pytest.raises(CheckpointError, match=r"weights of encoder 'tu-test_efficientnet'.*'tu-test_resnet'"):
        transplant(build_scene_model(new), model.state_dict(), record, new)
    with pytest.raises(
        OptionError, match="Expected parts to be one of backbone, decoder, all, but got 'head'"
    ):
        transplant(model, model.state_dict(), record, record, "head")


@pytest.mark.parametrize("mode", ["coarse_to_fine", "fine_to_coarse", "bidirectional", "residual"])
def test_levels_that_did_not_talk_answer_as_before_until_they_have_learnt_to(models, mode):
    record, _ = models["mm5b"]
    quiet, talking = (replace(record, model=replace(CONFIG, mode=name)) for name in ("independent", mode))
    source, target = build_scene_model(quiet).eval(), build_scene_model(talking).eval()
    transplant(target, source.state_dict(), quiet, talking)
    image, _ = scene(2)
    before, after = (scores(model, record.taxonomy, image) for model in (source, target))
    torch.testing.assert_close(before, after, rtol=1e-5, atol=1e-5)
    target(image)[0].square().mean().backward()
    heard = [p.grad for name, p in target.named_parameters() if "2_0.project" in name]
    assert all(bool(gradient.any()) for gradient in heard)


def test_weights_of_stages_keep_their_units_where_the_bands_are_others():
    tree = Taxonomy.from_yaml("crop10m")
    config = ModelConfig("hypercolumn", "tu-test_resnet", options={"decoder_channels": 8})
    old = ModelRecord(tree, ReadRecipe(BANDS), (0.0,) * 4, (1.0,) * 4, config)
    new = replace(old, read=ReadRecipe(BANDS[:3]), mean=(0.0,) * 3, std=(1.0,) * 3)
    before, after = build_scene_model(old).eval(), build_scene_model(new).eval()
    here, there = (model.segmenter.features.body.decoder for model in (before, after))
    image = scene(1)[0]
    with torch.no_grad():
        maps = before.segmenter.features.maps(image)
        here.standardise(maps, torch.ones(4, 32, 32, dtype=torch.bool))
        report = transplant(after, before.state_dict(), old, new, "decoder")
        of_stages = []
        for decoder, first in ((here, image), (there, image[:, :3])):
            decoder.pixel.weight.zero_()
            decoder.pixel.bias.zero_()
            of_stages.append(decoder([first, *maps[1:]]))
    torch.testing.assert_close(of_stages[1], of_stages[0])
    assert float(of_stages[0].std()) > 0.01
    assert there.spread[: there.sizes[0]].tolist() == [1] * there.sizes[0]
    assert {"center", "spread"} <= set(report.decoder.adapted)
