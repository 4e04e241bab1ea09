"""Whole trainings on the CPU: resumed, averaged, accumulated, compiled, in mixed precision."""

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint
from task_factory import SMALL, chip_loader, make_task, quiet_trainer

from hierars_geo.models import RECORD_KEY, load, read_checkpoint
from hierars_geo.tasks import AveragedWeights


def train(folder, callbacks=(), task_options=None, ckpt_path=None, **options):
    torch.manual_seed(0)
    changes = dict(task_options or {})
    changes["optimizer"] = {"lr": 1e-2} | changes.get("optimizer", {})
    task = make_task(**SMALL, **changes)
    keeps = any(isinstance(each, ModelCheckpoint) for each in callbacks)
    settings = {"max_epochs": 2, "num_sanity_val_steps": 0, "enable_checkpointing": keeps}
    trainer = quiet_trainer(folder, callbacks=list(callbacks), **(settings | options))
    trainer.fit(task, chip_loader(8), chip_loader(2), ckpt_path=ckpt_path, weights_only=True)
    return trainer, task


class Recorder(Callback):
    """Weights after every optimiser step, and those that validate."""

    def __init__(self):
        self.steps, self.validated = [], []

    def on_train_batch_end(self, trainer, pl_module, *args):
        if trainer.global_step > len(self.steps):
            self.steps.append(pl_module.model.segmenter.head.classifiers[0].weight.detach().clone())

    def on_validation_batch_start(self, trainer, pl_module, *args):
        self.validated.append(pl_module.model.segmenter.head.classifiers[0].weight.detach().clone())


def same(first, second):
    assert first.keys() == second.keys()
    return [key for key in first if not torch.equal(first[key], second[key])]


@pytest.mark.filterwarnings("ignore:Checkpoint directory")  # resuming writes beside what it resumes
def test_a_resumed_training_ends_with_the_same_weights(tmp_path):
    """Dropout, schedule, moving average, momentum and class weights go on where they stopped."""
    options = {
        "dropout": 0.5,
        "optimizer": {"ema_decay": 0.9, "layer_decay": 0.8},
        "loss": {"class_weights": "sqrt_inverse"},
        "class_frequencies": list(range(1, 19)),
    }
    saving = ModelCheckpoint(tmp_path, save_top_k=-1, filename="{epoch}")
    trainer, whole = train(tmp_path, [saving], options, max_epochs=3)
    trainer.save_checkpoint(tmp_path / "whole.ckpt")
    del options["class_frequencies"]  # the checkpoint knows the weights
    again = ModelCheckpoint(tmp_path, save_top_k=-1, filename="{epoch}")
    start = {"ckpt_path": tmp_path / "epoch=0.ckpt"}
    resumed_trainer, resumed = train(tmp_path, [again], options, max_epochs=3, **start)
    assert resumed_trainer.global_step == trainer.global_step == 24
    assert same(whole.state_dict(), resumed.state_dict()) == []
    scores = trainer.callback_metrics
    for name, value in resumed_trainer.callback_metrics.items():
        assert torch.equal(value, scores[name]), name


def test_the_moving_average_validates_and_predicts(tmp_path):
    recorder = Recorder()
    saving = ModelCheckpoint(tmp_path, save_top_k=-1, filename="{epoch}")
    _, task = train(tmp_path, [recorder, saving], {"optimizer": {"ema_decay": 0.5}})
    average = recorder.steps[0].clone()
    for count, weight in enumerate(recorder.steps[1:], start=1):
        keep = min(0.5, (1 + count) / (10 + count))
        average = keep * average + (1 - keep) * weight
        if count == 7:
            after_one_epoch = average
    torch.testing.assert_close(recorder.validated[0], after_one_epoch)
    torch.testing.assert_close(recorder.validated[-1], average)
    content = read_checkpoint(tmp_path / "epoch=1.ckpt")
    assert content[RECORD_KEY]["training"]["weights"] == "average"
    name = "model.segmenter.head.classifiers.0.weight"
    torch.testing.assert_close(content["state_dict"][name], average)
    torch.testing.assert_close(content["current_model_state"][name], recorder.steps[-1])
    loaded = load(tmp_path / "epoch=1.ckpt").network
    torch.testing.assert_close(loaded.segmenter.head.classifiers[0].weight, average)
    # what training leaves in memory is the average too, its tables of integers unharmed
    assert torch.equal(task.state_dict()[name], content["state_dict"][name])
    assert task.paths.tolist() == task.taxonomy.paths.tolist()


def test_integer_tables_are_not_averaged():
    """0.9 * 3 + 0.1 * 3 is below 3 in floating point, and would be cut off to 2."""
    averaged, current = [torch.arange(100)], [torch.arange(100)]
    AveragedWeights(0.9)._average(averaged, current, 50)
    assert averaged[0].tolist() == list(range(100))


def test_without_an_average_the_checkpoint_says_so(tmp_path):
    trainer, _ = train(tmp_path, max_epochs=1)
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    content = read_checkpoint(tmp_path / "model.ckpt")
    assert content[RECORD_KEY]["training"]["weights"] == "current"
    assert set(content) >= {"random_state", "state_dict"}


def test_accumulated_batches_make_one_step_of_the_schedule(tmp_path):
    trainer, _ = train(tmp_path, accumulate_grad_batches=4, gradient_clip_val=0.1)
    assert trainer.global_step == trainer.estimated_stepping_batches == 4
    # the last step was taken at a quarter of the peak, and the schedule has run out
    assert trainer.callback_metrics["train/lr"] == pytest.approx(1e-2 / 4)
    assert trainer.optimizers[0].param_groups[0]["lr"] == 0


def test_a_smaller_last_group_weighs_its_batches_in_full(tmp_path):
    """Gradients of eight batches in groups of three: the mean of each group, the last one of two batches."""

    class Gradients(Callback):
        def __init__(self):
            self.found = []

        def on_before_optimizer_step(self, trainer, pl_module, optimizer):
            self.found.append(pl_module.model.segmenter.head.classifiers[0].weight.grad.clone())

    single, grouped = Gradients(), Gradients()
    still = {"dropout": 0.0, "optimizer": {"lr": 1e-12, "weight_decay": 0.0}}
    train(tmp_path, [single], still, max_epochs=1)
    train(tmp_path, [grouped], still, max_epochs=1, accumulate_grad_batches=3)
    means = [torch.stack(single.found[i : i + 3]).mean(dim=0) for i in (0, 3, 6)]
    for found, expected in zip(grouped.found, means, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-6)


# PyTorch's own tracing calls an alias it is about to drop, and would have Python 3.13.0 replaced.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore:Guards may run slower")
def test_a_compiled_model_trains_alike_and_leaves_no_trace(tmp_path):
    averaged = {"optimizer": {"ema_decay": 0.9}}
    _, plain = train(tmp_path, max_epochs=1, task_options=averaged)
    trainer, compiled = train(tmp_path, max_epochs=1, task_options=averaged | {"compile": "eager"})
    assert compiled.model._compiled_call_impl is not None
    for key, value in plain.state_dict().items():
        torch.testing.assert_close(compiled.state_dict()[key], value, rtol=1e-3, atol=1e-4)
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    load(tmp_path / "model.ckpt")


def test_losses_keep_full_precision_under_mixed_precision(tmp_path):
    kinds = {}

    class Kinds(Callback):
        def on_train_start(self, trainer, pl_module):
            head = pl_module.model.segmenter.head
            head.register_forward_hook(lambda _, __, out: kinds.update(head=out[0]))
            pl_module.loss.register_forward_hook(lambda _, __, out: kinds.update(out))

    train(tmp_path, [Kinds()], max_epochs=1, precision="bf16-mixed")
    assert kinds.pop("head").dtype == torch.bfloat16
    assert {"loss", "hce", "hpc"} == set(kinds)
    assert {name: value.dtype for name, value in kinds.items()} == dict.fromkeys(kinds, torch.float32)
