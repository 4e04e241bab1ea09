"""TransLUTask through Lightning: what is frozen stays frozen, one file is enough, labels that contradict."""

import re

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from task_factory import SMALL, chip_loader, make_task, quiet_trainer
from torch.utils.data import DataLoader

from hierars_geo.errors import CheckpointError, OptionError
from hierars_geo.models import RECORD_KEY, TransLU, jsps, load, path_logits, read_checkpoint
from hierars_geo.tasks import TransLUTask
from hierars_geo.taxonomy import Taxonomy

pytestmark = [
    pytest.mark.filterwarnings("ignore:Found .* in eval mode at the start"),  # what is frozen is meant to be
    pytest.mark.filterwarnings("ignore:The dirpath has changed"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory"),  # resuming writes beside what it resumes
]

SOURCE = SMALL | {"encoder": "resnet18"}
TARGET = {
    "taxonomy": "crop10m",
    "bands": ("B02", "B03", "B11"),
    "mean": (1200.0, 900.0, 2000.0),
    "std": (500.0, 400.0, 800.0),
    "optimizer": {"lr": 1e-2},
    "interaction": {"heads": 4},
}
AVERAGED = TARGET | {"optimizer": {"lr": 1e-2, "ema_decay": 0.9}}


def transfer(**options):
    return make_task(TransLUTask, **options)


def chips(count=4, classes=4):
    return chip_loader(count, classes, bands=3)


def trainer(folder, **options):
    settings = {"max_epochs": 2, "limit_val_batches": 0, "num_sanity_val_steps": 0}
    return quiet_trainer(folder, **(settings | options))


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """The checkpoint of a land-cover model that has seen a little."""
    folder = tmp_path_factory.mktemp("source")
    torch.manual_seed(0)
    task = make_task(**SOURCE, optimizer={"lr": 1e-3})
    run = trainer(folder, max_epochs=1, enable_checkpointing=False)
    data = [{**batch, "image": batch["image"][:, :2]} for batch in chips()]
    run.fit(task, DataLoader(data, batch_size=None), chips(1))
    run.save_checkpoint(folder / "source.ckpt")
    return folder / "source.ckpt"


def source_state(state):
    return {name: value for name, value in state.items() if name.startswith("model.source.")}


def test_the_source_branch_survives_training_averaging_and_a_resume_byte_by_byte(source, tmp_path, caplog):
    caplog.set_level("INFO", logger="hierars_geo")
    stored = {
        f"model.source.{k.removeprefix('model.')}": v
        for k, v in read_checkpoint(source)["state_dict"].items()
    }
    torch.manual_seed(0)
    task = transfer(source=str(source), **AVERAGED)
    keep = ModelCheckpoint(tmp_path, filename="{step}", every_n_train_steps=4, save_top_k=-1)
    run = trainer(tmp_path, callbacks=[keep])
    run.fit(task, chips(), chips(2))
    task.train()
    assert not any(module.training for module in task.model.source.modules())
    ended = read_checkpoint(tmp_path / "step=8.ckpt")
    again = transfer(source=str(source), **AVERAGED)
    keep = ModelCheckpoint(tmp_path / "again", filename="{step}", every_n_train_steps=4, save_top_k=-1)
    trainer(tmp_path, callbacks=[keep]).fit(
        again, chips(), chips(2), ckpt_path=tmp_path / "step=4.ckpt", weights_only=True
    )
    resumed = read_checkpoint(tmp_path / "again" / "step=8.ckpt")
    for content in (ended, resumed):
        kept = source_state(content["state_dict"])
        assert kept.keys() == stored.keys()
        assert all(torch.equal(kept[name], stored[name]) for name in stored)
    other = [
        n for n in ended["state_dict"] if not torch.equal(ended["state_dict"][n], resumed["state_dict"][n])
    ]
    assert not other  # and the resumed training ends where the other did
    said = caplog.text
    assert "encoder: " in said
    assert "adapted (conv1)" in said  # the target has a band that the source lacks


def test_one_file_is_enough_to_predict(source, tmp_path):
    task = transfer(source=str(source), **TARGET)
    run = trainer(tmp_path, max_steps=2, enable_checkpointing=False)
    run.fit(task, chips(), chips(1))
    run.save_checkpoint(tmp_path / "translu.ckpt")
    loaded = load(tmp_path / "translu.ckpt")
    assert isinstance(loaded.network, TransLU)
    assert loaded.record.taxonomy.name == "crop10m"
    assert loaded.record.transfer.source.taxonomy.name == "mm5b"
    batch = next(iter(chips()))
    task.eval()
    with torch.no_grad():
        expected, found = (model(batch["image"], batch["valid"]) for model in (task, loaded.network))
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs)
    again = TransLUTask.load_from_checkpoint(tmp_path / "translu.ckpt")
    assert again.record == task.record
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in task.state_dict().items())
    with pytest.raises(CheckpointError, match="Expected a source model of one branch"):
        transfer(source=str(tmp_path / "translu.ckpt"), **TARGET)
    other = transfer(source=str(source), cdsa=False, **TARGET)
    with pytest.raises(CheckpointError, match="cdsa True in the checkpoint, False here"):
        other.on_load_checkpoint(read_checkpoint(tmp_path / "translu.ckpt"))


def test_contradicting_labels_are_counted(source, tmp_path, caplog):
    caplog.set_level("INFO", logger="hierars_geo")
    task = transfer(source=str(source), **TARGET)
    loader = chips(1)
    batch = next(iter(loader))
    run = trainer(tmp_path, max_steps=1, enable_checkpointing=False)
    with torch.no_grad():
        seen = task.model.source.eval()(batch["image"][:, :2], batch["valid"])
    vegetation, cropland = seen[0].argmax(dim=1) == 0, seen[1].argmax(dim=1) == 0
    leaf = batch["mask"]
    legal = torch.where(cropland, vegetation, ~vegetation & (leaf == 0))
    labelled = leaf >= 0
    wrong, count = int((labelled & ~legal).sum()), int(labelled.sum())
    run.fit(task, loader, chips(1))
    assert f"({wrong} of {count}) form no legal path of crop10m" in caplog.text
    assert float(run.logged_metrics["train/contradicting"]) == pytest.approx(wrong / count)


@pytest.mark.parametrize("pseudo_labels", ["everywhere", "unlabelled"])
def test_contradictions_are_told_at_the_start(source, tmp_path, caplog, pseudo_labels):
    """After ten batches, not only after the training, with the option to try."""
    caplog.set_level("INFO", logger="hierars_geo")
    task = transfer(source=str(source), pseudo_labels=pseudo_labels, **TARGET)
    run = trainer(tmp_path, max_epochs=1, enable_checkpointing=False)
    run.fit(task, chips(12), chips(1))
    told = [r.getMessage() for r in caplog.records if "form no legal path" in r.getMessage()]
    assert len(told) == (2 if pseudo_labels == "everywhere" else len(told))
    if pseudo_labels == "everywhere":
        early, late = (int(re.search(r"of (\d+)\)", text)[1]) for text in told)
        assert early == pytest.approx(late * 10 / 12, rel=0.1)
    assert all(("Try pseudo_labels: unlabelled" in text) == (pseudo_labels == "everywhere") for text in told)


@pytest.mark.parametrize(
    ("options", "copied"),
    [
        ({"parts": "decoder"}, ("encoder", "decoder")),
        ({"parts": "backbone", "freeze_backbone": True}, ("encoder",)),
        ({"parts": "scratch"}, ()),
    ],
)
def test_baselines_train_the_target_alone(source, tmp_path, options, copied):
    stored = read_checkpoint(source)["state_dict"]
    task = transfer(source=str(source), cdks=False, cdsa=False, start=options, **TARGET)
    own = {name: value.clone() for name, value in task.state_dict().items()}
    for part in ("encoder", "decoder"):
        names = [name for name in own if f".{part}." in name and own[name].ndim == 4]
        names = [name for name in names if own[name].shape == stored[name].shape]
        assert names
        assert all(torch.equal(own[name], stored[name]) == (part in copied) for name in names)
    run = trainer(tmp_path, max_steps=2, enable_checkpointing=False)
    run.fit(task, chips(), chips(1))
    run.save_checkpoint(tmp_path / "alone.ckpt")
    content = read_checkpoint(tmp_path / "alone.ckpt")
    assert "transfer" not in content[RECORD_KEY]
    assert not source_state(content["state_dict"])
    changed = [n for n in own if ".encoder." in n and not torch.equal(own[n], content["state_dict"][n])]
    assert bool(changed) != bool(options.get("freeze_backbone"))


def test_what_cannot_be_trained_is_refused(source):
    with pytest.raises(OptionError, match="Expected source, the checkpoint of a trained model"):
        transfer(**TARGET)
    with pytest.raises(OptionError, match="Expected a known band, but got 'B02'"):
        transfer(source=str(source), **(TARGET | {"bands": ("B2", "B3", "B11")}))
    with pytest.raises(OptionError, match="'flat'"):
        transfer(source=str(source), mode="flat", **TARGET)


def test_a_category_is_added_and_the_training_goes_on_from_one_file(source, tmp_path, caplog):
    caplog.set_level("INFO", logger="hierars_geo")
    torch.manual_seed(0)
    task = transfer(source=str(source), **TARGET)
    run = trainer(tmp_path, max_steps=3, enable_checkpointing=False)
    run.fit(task, chips(), chips(1))
    run.save_checkpoint(tmp_path / "crops.ckpt")
    content = Taxonomy.from_yaml("crop10m").to_dict()
    content["name"] = "more_crops"
    content["levels"][2]["classes"].append(
        {"name": "wheat", "value": 4, "color": "#806000", "parent": ["cropland"]}
    )
    tree = Taxonomy.from_dict(content)
    start = {"start": {"checkpoint": str(tmp_path / "crops.ckpt")}}
    more = transfer(**(TARGET | {"taxonomy": tree}), **start)
    batch = next(iter(chips()))
    with torch.no_grad():
        before, after = (each.eval()(batch["image"], batch["valid"]) for each in (task, more))
    for part in ("source", "cdks", "target.segmenter.features"):
        ours, theirs = (each.model.get_submodule(part).state_dict() for each in (more, task))
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    same = jsps(path_logits(before, task.paths), task.paths)[:, -1]
    old = [row for row, path in enumerate(tree.paths) if path[-1] < 4]
    paths = more.paths[old]
    decoded = jsps(path_logits(after, more.paths)[:, old], paths)[:, -1]
    assert (decoded == same).float().mean() > 0.99
    run = trainer(tmp_path, max_epochs=1, enable_checkpointing=False)
    run.fit(more, chips(1, classes=5), chips(1))
    run.save_checkpoint(tmp_path / "grown.ckpt")
    assert "new wheat" in caplog.text
    caplog.clear()
    resumed = transfer(**(TARGET | {"taxonomy": tree}), **start)
    trainer(tmp_path, max_epochs=2, enable_checkpointing=False).fit(
        resumed, chips(1, classes=5), chips(1), ckpt_path=tmp_path / "grown.ckpt", weights_only=True
    )
    assert "new wheat" not in caplog.text  # its weights came from grown.ckpt
    assert resumed.started_from is not None
    assert resumed.started_from["checkpoint"] == str(tmp_path / "crops.ckpt")
    with pytest.raises(CheckpointError, match=r"Expected a model with a source branch, but .* has none"):
        transfer(**TARGET, start={"checkpoint": str(source)})
    with pytest.raises(CheckpointError, match="to hold the interactions that are configured, but: "):
        transfer(**(TARGET | {"interaction": {"heads": 4, "points": 2}}), **start)
