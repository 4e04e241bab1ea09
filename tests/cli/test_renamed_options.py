"""Options of release 0.1 end in one line that names the new one."""

import pytest

from hierars_geo.cli import main


@pytest.mark.parametrize(
    ("options", "new"),
    [
        ("lr: 0.1", "optimizer.lr"),
        ("warmup_steps: 3", "schedule.warmup_steps"),
        ("loss: hcc", "loss.name"),
        ("class_weights: inverse", "loss.class_weights"),
        ("encoder_weights: imagenet", "start.encoder_weights"),
        ("start_checkpoint: a.ckpt", "start.checkpoint"),
        ("start: backbone", "start.parts"),
        ("heads: 4", "interaction.heads"),
    ],
)
def test_an_option_of_0_1_names_its_new_place(options, new, tmp_path, capsys):
    path = tmp_path / "old.yaml"
    path.write_text(f"model: {{class_path: hierars_geo.tasks.BHCCMTask, init_args: {{{options}}}}}\n")
    assert main(["fit", "--config", str(path)]) == 2
    old = options.partition(":")[0]
    assert f"version 0.1 (in {path}). Rename them: model: {old} -> {new}." in capsys.readouterr().err


def test_the_command_line_is_told_too(tmp_path, capsys):
    path = tmp_path / "new.yaml"
    path.write_text("model: {class_path: hierars_geo.tasks.BHCCMTask, init_args: {loss: {name: hcc}}}\n")
    for option in (["--model.init_args.lr", "0.1"], ["--model.lr=0.1"]):
        assert main(["fit", "--config", str(path), *option]) == 2
        assert "the command line). Rename them: model: lr -> optimizer.lr." in capsys.readouterr().err
