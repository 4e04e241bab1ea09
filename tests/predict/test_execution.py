"""Views, memory that runs out, several devices, precision: the ways in which a batch is run."""

import copy

import numpy as np
import pytest
import torch

from hierars_geo.errors import DeviceMemoryError, HieraRSWarning, OptionError
from hierars_geo.models import ModelConfig, ModelRecord, build_model
from hierars_geo.predict.augment import View, averaged_over_views, views
from hierars_geo.predict.network.batching import BatchFallback, is_out_of_memory, resolved_batch_size
from hierars_geo.predict.network.torch_session import Replicas, resolve_devices, torch_runtime
from hierars_geo.taxonomy import Taxonomy
from hierars_geo.types import ReadRecipe

CPU = torch.device("cpu")


def coordinates(height, width):
    rows, cols = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([rows, cols]).float()[None]


def everything(image):
    return torch.ones(image.shape[0], *image.shape[-2:], dtype=torch.bool)


@pytest.fixture(scope="module")
def scene_model():
    torch.manual_seed(0)
    record = ModelRecord(
        taxonomy=Taxonomy.from_yaml("mm5b"),
        read=ReadRecipe(("B02", "B03")),
        mean=(1000.0,) * 2,
        std=(500.0,) * 2,
        model=ModelConfig(
            "unet", "tu-test_resnet", "residual", options={"decoder_channels": [16, 16, 8, 8, 8]}
        ),
        chip_size=64,
        gsd_m=10.0,
    )
    return build_model(record).eval(), torch.from_numpy(record.taxonomy.paths.copy())


@pytest.mark.parametrize(
    ("augmentations", "count"),
    [((), 1), (("flips",), 4), (("turns",), 4), (("turns", "flips"), 8), (("scales",), 3)],
)
def test_each_view_is_another_one_and_the_plain_one_comes_first(augmentations, count):
    listed = views(augmentations)
    assert (len(listed), len(set(listed)), listed[0]) == (count, count, View())
    image = torch.rand(1, 1, 8, 8)
    seen = [view.apply(image, everything(image))[0] for view in listed if view.scale == 1]
    assert len({tuple(one.flatten().tolist()) for one in seen}) == len(seen)


@pytest.mark.parametrize("shape", [(6, 6), (5, 8), (1, 3)])
def test_what_a_view_does_is_undone_exactly(shape):
    image = coordinates(*shape)
    for view in views(("flips", "turns")):
        seen, _ = view.apply(image, everything(image))
        torch.testing.assert_close(view.undo(seen, shape), image, rtol=0, atol=0)


def test_a_scaled_view_keeps_every_place():
    """Coordinates are linear, and so is the resizing: inside they come back as they were."""
    image = coordinates(40, 32)
    for view in views(("scales",)):
        seen, valid = view.apply(image, everything(image))
        assert seen.shape[-2:] == (round(40 * view.scale), round(32 * view.scale))
        assert valid.all()
        back = view.undo(seen, (40, 32))
        torch.testing.assert_close(back[..., 2:-2, 2:-2], image[..., 2:-2, 2:-2], rtol=0, atol=1e-3)


def test_what_is_not_valid_does_not_bleed():
    image = torch.full((1, 1, 16, 16), 7.0)
    image[..., :8] = torch.nan
    seen, valid = View(scale=0.75).apply(image, ~image[:, 0].isnan())
    torch.testing.assert_close(seen[:, 0][valid], torch.full((int(valid.sum()),), 7.0))
    assert valid.float().mean().item() == pytest.approx(0.5)


def test_the_mean_over_the_eight_symmetries_has_them():
    torch.manual_seed(0)
    conv = torch.nn.Conv2d(2, 3, 3, padding=1)
    model = averaged_over_views(lambda image, valid: conv(image), ("flips", "turns"))
    image = torch.rand(2, 2, 12, 12)
    with torch.no_grad():
        plain = model(image, everything(image))
        turned = model(image.rot90(1, (-2, -1)), everything(image)).rot90(-1, (-2, -1))
        mirrored = model(image.flip(-1), everything(image)).flip(-1)
    torch.testing.assert_close(plain, turned)
    torch.testing.assert_close(plain, mirrored)


def test_an_unknown_view_is_named():
    with pytest.raises(OptionError, match="one of flips, turns, scales, but got 'flop'"):
        views(("flop",))


class Small:
    """A device with room for a few windows."""

    def __init__(self, room, message="CUDA out of memory. Tried to allocate 2.00 GiB."):
        self.room, self.message, self.calls = room, message, []

    def __call__(self, image, valid):
        self.calls.append(len(image))
        if len(image) > self.room:
            raise RuntimeError(self.message)
        return image * 2


@pytest.mark.parametrize("room", [1, 2, 3, 5])
def test_memory_that_runs_out_halves_the_batch_and_changes_nothing(room):
    device = Small(room)
    model = BatchFallback(device)
    image = torch.arange(9.0).reshape(9, 1, 1, 1)
    with pytest.warns(HieraRSWarning) as notes:
        got = model(image, everything(image))
    assert "too small for 9 windows at once: going on with 4" in str(notes[0].message)
    torch.testing.assert_close(got, image * 2)
    assert model.limit == {1: 1, 2: 2, 3: 2, 5: 4}[room]
    device.calls.clear()
    model(image, everything(image))
    assert max(device.calls) <= room  # learnt


def test_one_window_that_does_not_fit_is_one_line():
    image = torch.zeros(1, 2, 8, 6)
    with pytest.raises(DeviceMemoryError, match="a window of 8 x 6 px to fit into the memory of cpu"):
        BatchFallback(Small(0))(image, everything(image))


def test_other_failures_are_not_taken_for_memory():
    image = torch.zeros(2, 1, 4, 4)
    with pytest.raises(RuntimeError, match="size mismatch"):
        BatchFallback(Small(0, "size mismatch"))(image, everything(image))
    assert is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried ..."))
    assert is_out_of_memory(torch.OutOfMemoryError("no words"))


@pytest.mark.parametrize(
    ("asked", "side", "devices", "size"),
    [
        (4, 512, 1, 1),
        (4, 256, 1, 1),
        (4, 128, 1, 4),
        (3, 64, 1, 3),
        ("auto", 128, 1, 4),
        ("auto", 700, 2, 2),
        (9, 2048, 2, 2),
        (None, 64, 1, 16),
        (None, 512, 2, 2),
    ],
)
def test_batches_on_cpus_hold_few_pixels_and_need_no_trial(asked, side, devices, size):
    assert resolved_batch_size(asked, Small(0), (4, side, side), [CPU] * devices) == size


def test_a_gpu_takes_four_windows_where_nobody_says_how_many():
    gpu = torch.device("cuda")
    assert [resolved_batch_size(asked, Small(0), (4, 64, 64), [gpu]) for asked in (None, 9)] == [4, 9]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_two_devices_share_a_batch_in_turn(count):
    seen = {}

    def model_of(number):
        def model(image, valid):
            assert torch.is_inference_mode_enabled()
            seen[number] = image.flatten().tolist()
            return image + valid.unsqueeze(1)

        return model

    pair = Replicas([model_of(0), model_of(1)], [CPU, CPU])
    image = torch.arange(float(count)).reshape(count, 1, 1, 1)
    got = pair(image, everything(image))
    pair.close()
    torch.testing.assert_close(got, image + 1)
    assert seen[0] == list(range(0, count, 2))
    assert seen.get(1, []) == list(range(1, count, 2))


def test_devices_by_name():
    assert resolve_devices("cpu,cpu") == (CPU, CPU)
    assert len(resolve_devices("all")) >= 1
    with pytest.raises(OptionError, match="several with commas, but got 'cpu,'"):
        resolve_devices("cpu,")


def test_a_copy_of_the_model_on_each_device_says_the_same(scene_model):
    model, paths = scene_model
    image = torch.rand(3, 2, 64, 64).numpy() * 2000
    valid = np.ones((3, 64, 64), bool)
    one = torch_runtime(model, paths, (CPU,))(image, valid)
    two = torch_runtime(model, paths, (CPU, CPU))(image, valid)
    np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(one.argmax(1), two.argmax(1))


def test_half_precision_inside_float32_outside(scene_model):
    model, paths = scene_model
    image, valid = torch.rand(1, 2, 64, 64).numpy() * 2000, np.ones((1, 64, 64), bool)
    full = torch_runtime(model, paths, (CPU,))(image, valid)
    half = torch_runtime(copy.deepcopy(model), paths, (CPU,), precision="bf16")(image, valid)
    assert half.dtype == np.float32
    assert not np.array_equal(full, half)
    np.testing.assert_allclose(half, full, rtol=0.1, atol=0.1 * float(full.std()))


def test_half_precision_leaves_the_head_and_the_sums_of_an_encoder_alone(scene_model):
    _, paths = scene_model
    config = ModelConfig("upernet", "tu-test_convnext", options={"decoder_channels": 16})
    record = ModelRecord(
        Taxonomy.from_yaml("mm5b"), ReadRecipe(("B02", "B03")), (1000.0,) * 2, (500.0,) * 2, config, 64, 10.0
    )
    model, kinds = build_model(record).eval(), {}
    wanted = {"classifiers.0": "head", "stages_2": "sum", "stages_2.blocks.0.conv_dw": "inside"}
    for name, module in model.named_modules():
        for end, what in wanted.items():
            if name.endswith(end):
                module.register_forward_hook(lambda _, __, out, what=what: kinds.update({what: out.dtype}))
    image, valid = torch.rand(1, 2, 64, 64).numpy() * 2000, np.ones((1, 64, 64), bool)
    torch_runtime(model, paths, (CPU,), precision="bf16")(image, valid)
    assert kinds == {"head": torch.float32, "sum": torch.float32, "inside": torch.bfloat16}
    full = torch_runtime(model, paths, (CPU,))(image, valid)
    copied = torch_runtime(copy.deepcopy(model), paths, (CPU,))(image, valid)
    np.testing.assert_array_equal(full, copied)


@pytest.mark.parametrize(
    ("precision", "message"),
    [
        ("int8", "another than int8 with PyTorch"),
        ("int4", "one of float32, bf16, fp16, int8"),
        ("fp16", "bf16 on a CPU"),
    ],
)
def test_precision_that_does_not_suit_is_refused(scene_model, precision, message):
    with pytest.raises(OptionError, match=message):
        torch_runtime(*scene_model, (CPU,), precision=precision)


def test_where_nothing_compiles_it_goes_on_without(scene_model, monkeypatch):
    model, paths = scene_model

    def no_compiler(*args, **options):
        raise RuntimeError("no C++ compiler")

    monkeypatch.setattr(torch, "compile", no_compiler)
    with pytest.warns(HieraRSWarning, match="does not work here .no C\\+\\+ compiler.: predicting without"):
        run = torch_runtime(model, paths, (CPU,), compiled=True)
    image = np.zeros((1, 2, 32, 32), np.float32)
    assert run(image, np.ones((1, 32, 32), bool)).shape == (1, len(paths), 32, 32)
