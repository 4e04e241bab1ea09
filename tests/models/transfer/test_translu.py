"""TransLU as one model: two branches, one frozen, one file."""

import copy

import pytest
import torch
from torch import Tensor

from hierars_geo.errors import CheckpointError, OptionError, TaxonomyError
from hierars_geo.losses import HSCLoss
from hierars_geo.models import (
    CDKSOptions,
    ModelConfig,
    ModelRecord,
    SceneModel,
    Transfer,
    TransLU,
    build_model,
    build_scene_model,
    build_segmenter,
    path_logits,
)
from hierars_geo.taxonomy import Taxonomy
from hierars_geo.types import ReadRecipe

MM5B = Taxonomy.from_yaml("mm5b")
CROPS = Taxonomy.from_yaml("crop10m")
SMALL = {"decoder_channels": [32, 24, 16, 16, 16]}
PATHS = torch.tensor(CROPS.paths)


def record(
    tree: Taxonomy, bands: tuple[str, ...], encoder: str = "resnet18", mode: str = "residual"
) -> ModelRecord:
    config = ModelConfig("unet", encoder, mode, options=SMALL)
    return ModelRecord(tree, ReadRecipe(bands), (100.0,) * len(bands), (50.0,) * len(bands), config)


def transferred(cdks: bool = True, cdsa: bool = True, mode: str = "residual") -> ModelRecord:
    """A target with a band that the source does not know, in another order."""
    own = record(CROPS, ("b8", "b4", "b3", "b12"))
    source = record(MM5B, ("b3", "b4", "b8"), mode=mode)
    fields = {name: getattr(own, name) for name in ("taxonomy", "read", "mean", "std", "model")}
    return ModelRecord(**fields, transfer=Transfer(source, cdks, cdsa, CDKSOptions(heads=4, drop_path=0.0)))


def build(cdks: bool = True, cdsa: bool = True, mode: str = "residual") -> TransLU:
    torch.manual_seed(0)
    model = build_model(transferred(cdks, cdsa, mode))
    assert isinstance(model, TransLU)
    return model


def scene(height: int = 64, width: int = 64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    image = 100 + 50 * torch.randn(2, 4, height, width, generator=generator)
    return image, torch.rand(2, height, width, generator=generator) < 0.9


def open_gains(model: TransLU) -> None:
    """Let the streams talk, as they do once training has begun."""
    assert model.cdks is not None
    for name, parameter in model.cdks.named_parameters():
        if parameter.ndim == 1 and not parameter.any():
            torch.nn.init.constant_(parameter, 0.5)
            assert "gain" in name or "gamma" in name or "bias" in name or "norm" in name


VARIANTS = pytest.mark.parametrize(("cdks", "cdsa"), [(True, True), (True, False), (False, True)])


@VARIANTS
def test_logits_at_odd_sizes_and_path_logits_agree(cdks: bool, cdsa: bool) -> None:
    model = build(cdks, cdsa).eval()
    image, valid = scene(37, 70)
    with torch.no_grad():
        logits, scores = model.with_source(image, valid)
        paths = model.path_logits(image, valid, PATHS)
    assert [tuple(level.shape) for level in logits] == [(2, count, 37, 70) for count in CROPS.num_classes]
    torch.testing.assert_close(paths, path_logits(logits, PATHS), rtol=1e-4, atol=1e-4)
    expected = {0: (2, 4, 37, 70), 1: (2, 9, 37, 70)} if cdsa else {}
    assert {level: tuple(value.shape) for level, value in scores.items()} == expected


@pytest.mark.parametrize("mode", ["residual", "flat"])
def test_the_plain_pass_is_the_source_model_as_it_was_trained(mode: str) -> None:
    """Its own bands in its own order, its own normalisation, no matter what the streams say to each other."""
    model = build(mode=mode).eval()
    open_gains(model)
    image, valid = scene()
    with torch.no_grad():
        _, scores = model.with_source(image, valid)
        alone = model.source(image[:, [2, 1, 0]], valid)
    probability = {level: value.softmax(dim=1) for level, value in scores.items()}
    for level in (0, 1):
        if mode == "residual":
            torch.testing.assert_close(probability[level], alone[level].softmax(dim=1))
        else:
            leaves = [int(path[-1]) for path in MM5B.paths if path[level] == 0]
            expected = alone[0].softmax(dim=1)[:, leaves].sum(dim=1)
            torch.testing.assert_close(probability[level][:, 0], expected)


@VARIANTS
def test_training_never_changes_the_source_branch(cdks: bool, cdsa: bool) -> None:
    model = build(cdks, cdsa).train()
    before = {name: value.clone() for name, value in model.source.state_dict().items()}
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=0.1)
    loss = HSCLoss(CROPS.paths, CROPS.num_classes, alpha=1.0)
    image, valid = scene()
    leaf = torch.randint(4, (2, 64, 64), generator=torch.Generator().manual_seed(2))
    for _ in range(3):
        logits, scores = model.train().with_source(image, valid)
        levels, _ = loss.targets(leaf)
        target = model.cdsa.pseudo_labels(scores, levels, valid) if model.cdsa else leaf
        optimizer.zero_grad()
        loss(logits, target)["loss"].backward()
        optimizer.step()
    assert all(torch.equal(before[name], value) for name, value in model.source.state_dict().items())
    assert not any(module.training for module in model.source.modules())
    assert all(p.grad is None for p in model.source.parameters())
    without = [
        n for n, p in model.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())
    ]
    # a bias before a batch norm has no gradient to speak of; everything else learns
    assert not [name for name in without if "bias" not in name]


def test_without_a_target_it_starts_from_the_sources_backbone_and_decoder() -> None:
    segmenter = build_segmenter(ModelConfig("unet", "resnet18", options=SMALL), 3, MM5B.num_classes)
    before = copy.deepcopy(segmenter.features.state_dict())
    model = TransLU(segmenter, CROPS, source_taxonomy=MM5B)
    own = model.target.segmenter.features.state_dict()
    assert all(torch.equal(own[name], value) for name, value in before.items())
    logits = model(torch.randn(2, 3, 64, 64))
    assert [level.shape[1] for level in logits] == list(CROPS.num_classes)
    assert model.target.segmenter.features is not model.source.segmenter.features


def test_a_record_builds_the_same_model_again() -> None:
    known = transferred()
    again = ModelRecord.from_dict(known.to_dict(), "a file")
    assert again == known
    model, other = build().eval(), build_model(again).eval()
    other.load_state_dict(model.state_dict())
    image, valid = scene()
    with torch.no_grad():
        torch.testing.assert_close(
            other.path_logits(image, valid, PATHS), model.path_logits(image, valid, PATHS)
        )
    plain = record(CROPS, ("b3",))
    assert "transfer" not in plain.to_dict()
    with pytest.raises(CheckpointError, match="version 1 to 3, but got 4"):
        ModelRecord.from_dict(plain.to_dict() | {"version": 4}, "a file")


def test_what_does_not_fit_is_refused() -> None:
    source: SceneModel = build_scene_model(record(MM5B, ("b3", "b4")))
    with pytest.raises(OptionError, match="Expected cdks, cdsa or both"):
        TransLU(source, CROPS, cdks=False, cdsa=False)
    with pytest.raises(OptionError, match="Expected source_taxonomy with cdsa"):
        TransLU(source, CROPS)
    with pytest.raises(OptionError, match=r"Expected a target model with \(2, 2, 4\) classes per level"):
        TransLU(source, CROPS, MM5B, target=build_scene_model(record(MM5B, ("b3", "b4"))))
    with pytest.raises(TaxonomyError, match="mm5b to have anchors to classes of mm5b"):
        TransLU(source, MM5B, MM5B)
    own = transferred()
    missing = ModelRecord(
        own.taxonomy,
        ReadRecipe(("b3", "b4", "b7", "b12")),
        own.mean,
        own.std,
        own.model,
        transfer=own.transfer,
    )
    with pytest.raises(OptionError, match=r"Expected a known band, but got 'b8'. Near ones: .* trained on"):
        build_model(missing)
