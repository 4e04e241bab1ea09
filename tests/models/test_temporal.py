"""Series: gaps, padding and the order of dates change nothing; sums against a NumPy reference."""

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer
from torch.utils.data import DataLoader

from hierars_geo.errors import OptionError
from hierars_geo.models import ModelConfig, SceneModel, TransLU, build_segmenter, load
from hierars_geo.models.temporal import TEMPORAL, UTAE
from hierars_geo.models.temporal.reduction import RunningMax, RunningMean
from hierars_geo.tasks import BHCCMTask, TrainingData
from hierars_geo.taxonomy import Taxonomy
from hierars_geo.types import ReadRecipe, SeriesRule
from tests.support.task_factory import SMALL, make_task

OPTIONS = {"decoder_channels": [16, 16, 8, 8, 8]}
PATHS = torch.tensor([[0, 0], [0, 1], [1, 2]])


def make_model(temporal, architecture="unet", encoder="tu-test_resnet", options=OPTIONS, seed=0):
    torch.manual_seed(seed)
    config = ModelConfig(architecture, encoder, "residual", 0.0, options, temporal)
    return SceneModel(build_segmenter(config, 3, (2, 3)), (10.0, 20.0, 30.0), (5.0, 6.0, 7.0))


def make_series(dates=4, size=(32, 32), cloudy=0.4, seed=1):
    """Image (1, D, 3, H, W), validity with clouds of 8 px, and days; NaN where not valid."""
    random = np.random.default_rng(seed)
    image = random.normal(20, 8, (1, dates, 3, *size)).astype(np.float32)
    blocks = random.random((1, dates, size[0] // 8, size[1] // 8)) > cloudy
    valid = np.kron(blocks, np.ones((8, 8), bool)).astype(bool)
    image[np.broadcast_to(~valid[:, :, None], image.shape)] = np.nan
    doy = np.sort(random.choice(365, (1, dates), replace=False) + 1)
    return torch.from_numpy(image), torch.from_numpy(valid), torch.from_numpy(doy)


def test_running_sums_are_the_softmax_and_the_maximum_over_valid_dates_in_any_portions():
    random = np.random.default_rng(0)
    features = random.normal(size=(2, 5, 6, 3, 4)).astype(np.float32)
    score = random.normal(0, 30, size=(2, 5, 3, 3, 4)).astype(np.float32)
    share = random.choice([0.0, 0.25, 1.0], size=(2, 5, 1, 3, 4)).astype(np.float32)
    share[0, :, :, 0, 0] = 0  # no date at all
    expected = np.zeros((2, 6, 3, 4))
    for b, f, y, x in np.ndindex(expected.shape):
        s, w = score[b, :, f // 2, y, x].astype(float), share[b, :, 0, y, x].astype(float)
        if w.any():
            weight = w * np.exp(s - s[w > 0].max())
            expected[b, f, y, x] = (weight * features[b, :, f, y, x]).sum() / weight.sum()
    most = np.where(share > 0, features, -np.inf).max(axis=1)
    most[~np.isfinite(most)] = 0
    for portions in ([5], [1] * 5, [2, 3]):
        mean, largest, start = RunningMean(), RunningMax(), 0
        for count in portions:
            part = [torch.from_numpy(a[:, start : start + count]) for a in (features, share, score)]
            mean.add(*part)
            largest.add(*part[:2])
            start += count
        np.testing.assert_allclose(mean.result(), expected, rtol=2e-5, atol=1e-6)
        np.testing.assert_array_equal(largest.result(), most)


def test_utae_asks_at_an_eighth_of_the_image_and_its_scores_choose_dates_at_every_level():
    torch.manual_seed(0)
    channels, strides = (3, 4, 6, 4), (1, 4, 8, 16)
    reduction, doy = UTAE(channels, strides), torch.tensor([[100, 150, 200]])
    features = [torch.randn(1, 3, f, 32 // s, 32 // s) for f, s in zip(channels, strides, strict=True)]
    running = reduction.start()
    reduction.add(running, features, [torch.ones_like(level[:, :, :1]) for level in features], doy)
    with torch.inference_mode():
        found = reduction.finish(running)
        score = reduction.attention(features[2], doy)[1][0].numpy()  # (D, K, 4, 4)
    np.testing.assert_allclose(found[0], features[0].mean(dim=1), rtol=1e-5, atol=1e-6)  # no decoder reads it
    weight = np.exp(score.reshape(3, 6, 2, 2, 2, 2).mean(axis=(3, 5)))
    weight = (weight / weight.sum(axis=0))[:, [0, 1, 3, 4]]  # heads of the four channels
    np.testing.assert_allclose(
        found[3][0], (weight * features[3][0].numpy()).sum(axis=0), rtol=1e-4, atol=1e-6
    )
    assert not np.allclose(found[1], features[1].mean(dim=1), atol=1e-3)


@pytest.mark.parametrize("temporal", TEMPORAL)
def test_padding_gaps_and_order_change_nothing(temporal):
    model = make_model(temporal).eval()
    image, valid, doy = make_series()

    def assert_same(found, expected):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)

    alone = model.path_logits(image, valid, PATHS, doy)
    # padded at the end, in a batch with a longer one
    longer = make_series(dates=6, seed=2)
    shapes = (torch.zeros_like(values[:, :1]) for values in longer)
    padded = [
        torch.cat([torch.cat([short, pad, pad], dim=1), long])
        for short, pad, long in zip((image, valid, doy), shapes, longer, strict=True)
    ]
    both = model.path_logits(padded[0], padded[1], PATHS, padded[2])
    assert_same(both, torch.cat([alone, model.path_logits(longer[0], longer[1], PATHS, longer[2])]))
    # a date without a valid pixel is no date
    clouded = valid.clone()
    clouded[:, 1] = False
    kept = [0, 2, 3]
    left_out = model.path_logits(image[:, kept], valid[:, kept], PATHS, doy[:, kept])
    assert_same(model.path_logits(image, clouded, PATHS, doy), left_out)
    assert not torch.allclose(left_out, alone, atol=1e-4)
    # dates know their day, not their place
    turned = [2, 0, 3, 1]
    assert_same(model.path_logits(image[:, turned], valid[:, turned], PATHS, doy[:, turned]), alone)


@pytest.mark.parametrize("temporal", ["ltae", "utae"])
def test_attention_knows_the_day_of_the_year(temporal):
    model = make_model(temporal).eval()
    image, valid, doy = make_series()
    assert not torch.allclose(
        model.path_logits(image, valid, PATHS, doy),
        model.path_logits(image, valid, PATHS, doy.flip(1)),
        atol=1e-4,
    )


@pytest.mark.parametrize("temporal", TEMPORAL)
def test_training_sees_all_dates_at_once_and_no_padding(temporal):
    """In train mode batch norms take the dates that are there: the same with and without padding."""
    image, valid, doy = make_series()
    image = image.nan_to_num(7.0)
    states = []
    for dates in (4, 7):
        model = make_model(temporal).train()
        whole = torch.zeros(1, dates, 3, 32, 32), torch.zeros(1, dates, 32, 32, dtype=torch.bool)
        whole[0][:, :4], whole[1][:, :4] = image, valid
        days = torch.cat([doy, torch.zeros(1, dates - 4, dtype=torch.int64)], dim=1)
        sum(level.square().mean() for level in model(*whole, days)).backward()
        states.append({**model.state_dict(), **{n: p.grad for n, p in model.named_parameters()}})
        unused = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
        assert not [name for name in unused if ".temporal." in name and "mixing" not in name]
    for name, value in states[0].items():
        if value is not None:
            torch.testing.assert_close(
                states[1][name], value, rtol=1e-3, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}"
            )


@pytest.mark.parametrize(
    ("architecture", "encoder", "options"),
    [
        ("upernet", "tu-test_resnet", {"decoder_channels": 16}),
        ("segformer", "mit_b0", {}),
        ("segnext", "mscan_tiny", {"decoder_channels": 32}),
    ],
)
def test_other_decoders_take_series_of_any_size(architecture, encoder, options):
    model = make_model("utae", architecture, encoder, options).eval()
    image, valid, doy = make_series(2, (40, 64))
    assert model.path_logits(image, valid, PATHS, doy).shape == (1, 3, 40, 64)
    assert model.segmenter.features.pixel(3) in (1, 4, 8)


def test_a_mean_over_one_date_is_the_model_of_images():
    series, single = make_model("mean").eval(), make_model(None).eval()
    single.load_state_dict(series.state_dict())
    image, valid, doy = make_series(1)
    whole = torch.ones_like(valid)
    image = image.nan_to_num(12.0)
    torch.testing.assert_close(
        series(image, whole, doy)[1], single(image[:, 0], whole[:, 0])[1], rtol=1e-4, atol=1e-5
    )


def test_what_does_not_fit_is_said():
    image, valid, doy = make_series(2)
    with pytest.raises(OptionError, match=r"Expected an image .*Set temporal"):
        make_model(None)(image, valid, doy)
    with pytest.raises(OptionError, match="Expected a series"):
        make_model("mean")(image[:, 0], valid[:, 0])
    with pytest.raises(OptionError, match="days of the year"):
        make_model("mean")(image, valid)
    with pytest.raises(OptionError, match=r"temporal.*ltae"):
        make_model("ltea")
    data = TrainingData(Taxonomy.from_yaml("mm5b"), ReadRecipe(("B02",), series=SeriesRule()), (0,), (1,))
    with pytest.raises(OptionError, match=r"model of series, as the data are.*temporal"):
        BHCCMTask().build(data)
    with pytest.raises(OptionError, match="list of feature maps"):
        make_model("mean", "dpt", "tu-vit_tiny_patch16_224", {"dynamic_img_size": True})


def test_a_source_of_images_helps_a_target_of_series():
    source_tree, tree = Taxonomy.from_yaml("mm5b"), Taxonomy.from_yaml("crop10m")

    def make(counts, temporal):
        torch.manual_seed(3)
        config = ModelConfig("unet", "tu-test_resnet", "residual", 0.0, OPTIONS, temporal)
        return SceneModel(build_segmenter(config, 3, counts), (0.0,) * 3, (1.0,) * 3)

    source = make(source_tree.num_classes, None)
    image, series = make(tree.num_classes, None), make(tree.num_classes, "mean")
    image.load_state_dict(series.state_dict())
    single = TransLU(source, tree, source_tree, image, cdks=False).eval()
    many = TransLU(source, tree, source_tree, series, cdks=False).eval()
    stored, valid, doy = make_series(3, cloudy=0)
    alike = stored[:, :1].expand_as(stored)
    paths = torch.from_numpy(tree.paths.copy())
    found, expected = (
        many.path_logits(alike, valid, paths, doy),
        single.path_logits(stored[:, 0], None, paths),
    )
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
    assert many.with_source(stored, valid, doy)[1].keys() == single.with_source(stored[:, 0])[1].keys()
    with pytest.raises(OptionError, match="no cdks with series"):
        TransLU(source, tree, source_tree, series)
    with pytest.raises(OptionError, match="target model of series"):
        TransLU(series, tree, tree, image, cdks=False)


@pytest.mark.filterwarnings(
    "ignore:The '.*dataloader' does not have many workers",
    "ignore:The number of training batches",
    r"ignore:`isinstance\(treespec, LeafSpec\)` is deprecated",
)
def test_a_task_trains_on_series_and_its_checkpoint_loads(tmp_path):
    def sample(seed):
        image, valid, doy = (values[0] for values in make_series(3, (32, 32), seed=seed))
        valid[:, :8, :8] = False
        image = image[:, :2].nan_to_num(0.0)
        mask = (image[:, 0].mean(dim=0) > 12).long()
        mask[:8, :8] = -100
        return {"image": image, "valid": valid, "doy": doy, "year": torch.full_like(doy, 2020), "mask": mask}

    loader = DataLoader([sample(1), sample(2)], batch_size=2)
    trainer = Trainer(max_steps=2, logger=False, enable_progress_bar=False, default_root_dir=tmp_path)
    trainer.fit(make_task(**SMALL, temporal="utae", chip_size=32), loader, loader)
    trainer.save_checkpoint(tmp_path / "series.ckpt")
    model = load(tmp_path / "series.ckpt")
    assert model.record.model.temporal == "utae"
    task = BHCCMTask.load_from_checkpoint(tmp_path / "series.ckpt").eval()
    batch = next(iter(loader))
    levels = task.predict_step(batch, 0)["levels"]
    assert (levels[:, :, :8, :8] == -100).all()
    assert (levels[:, :, 8:, 8:] >= 0).all() == batch["valid"].any(dim=1)[:, 8:, 8:].all()
    task.model.pool_gates(32)  # as load does
    inputs = batch["image"], batch["valid"], task.paths, batch["doy"]
    torch.testing.assert_close(model.network.path_logits(*inputs), task.model.path_logits(*inputs))
