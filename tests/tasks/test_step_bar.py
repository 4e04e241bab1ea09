"""The bar of a training counts steps, also after a resume, and says the loss."""

import io

import pytest
from lightning.pytorch import Trainer
from lightning.pytorch.demos.boring_classes import BoringModel
from rich.console import Console

from hierars_geo.tasks import StepBar


def fit(tmp_path, steps, **options):
    screen = io.StringIO()
    bar = StepBar(Console(file=screen, force_terminal=True, width=160))
    trainer = Trainer(
        max_steps=steps,
        accelerator="cpu",
        callbacks=[bar],
        logger=False,
        limit_val_batches=2,
        default_root_dir=tmp_path,
        enable_model_summary=False,
    )
    trainer.fit(BoringModel(), **options)
    return trainer, screen.getvalue()


@pytest.mark.filterwarnings("ignore")
def test_steps_are_counted_from_where_a_training_goes_on(tmp_path):
    trainer, shown = fit(tmp_path, 5)
    assert "5/5" in shown
    assert "loss " in shown
    assert "Epoch" not in shown
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    _, shown = fit(tmp_path, 9, ckpt_path=tmp_path / "last.ckpt")
    assert "9/9" in shown
    assert "1/9" not in shown
