"""Every configuration of experiments/ is accepted by ``fit``; every kind of model in them trains a step."""

import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from hierars_geo.cli.training_cli import TrainingCLI, parse_training_config
from hierars_geo.datamodules import PublishedDataModule
from hierars_geo.errors import OptionError
from hierars_geo.models import ModelConfig, build_segmenter
from hierars_geo.synthetic import scene_series, write_land_cover_scene
from hierars_geo.taxonomy.catalog_files import catalog_names

ROOT = Path(__file__).parents[1]
EXPERIMENTS = ROOT / "experiments"
sys.path.insert(0, str(EXPERIMENTS))

from make_matrix import outdated  # noqa: E402  # found on the path above
from matrix import all_experiments  # noqa: E402
from matrix.published import BACKBONES, MM5B_SOURCES  # noqa: E402

QUICKSTART = EXPERIMENTS / "quickstart" / "bhccm_s2.yaml"
GENERATED = [EXPERIMENTS / experiment.path for experiment in all_experiments()]
CONFIGS = [QUICKSTART, *GENERATED]
#: Those that need no trained source model; the others are built in tests/experiments/test_transfer_matrix.py.
STAGE_1 = [QUICKSTART] + [
    EXPERIMENTS / experiment.path
    for experiment in all_experiments()
    if experiment.content["model"]["class_path"].endswith("BHCCMTask")
]

#: Sensor -> what its image files end in.
IMAGES = {"gaofen2": "GF2", "sentinel2": "S2", "google_earth": "GE"}

#: A small sibling of every backbone, for a step that takes a second.
SIBLINGS = {
    "convnext": "convnext_atto",
    "swin": "swin_tiny",
    "deit3": "deit3_small",
    "resnet": "resnet18",
    "mscan": "mscan_tiny",
}

pytestmark = [
    # Lightning reminds that arguments from Python replace those of the process, which is what is meant here,
    # and that these tiny runs could be faster; jsonargparse deprecates what Lightning calls.
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


def _name(path):
    return str(path.relative_to(EXPERIMENTS))


def test_the_files_are_those_that_the_matrix_writes():
    assert [_name(path) for path in outdated()] == []
    found = {path for folder in {path.parent for path in GENERATED} for path in folder.glob("*.yaml")}
    assert found - set(GENERATED) == {EXPERIMENTS / "whdld" / "record.yaml"}


def test_every_model_has_a_flat_and_a_hierarchical_file_for_every_source():
    for source in MM5B_SOURCES:
        for model in BACKBONES:
            flat, bhccm = (
                yaml.safe_load((EXPERIMENTS / "mm5b" / source / f"{model}_{kind}.yaml").read_text())
                for kind in ("flat", "bhccm")
            )
            flat["model"]["init_args"]["mode"] = "residual"
            flat["checkpoint"] = bhccm["checkpoint"]
            assert flat == bhccm


@pytest.mark.parametrize("config", CONFIGS, ids=_name)
def test_is_accepted_and_opens_with_what_is_known_of_it(config):
    parsed = parse_training_config(config)
    assert parsed.model.class_path.startswith("hierars_geo.tasks.")
    assert parsed.data.class_path.startswith("hierars_geo.datamodules.")
    known = parsed.data.init_args
    if "taxonomy" in known:
        assert known.taxonomy in catalog_names("taxonomies")
    if "dataset" in known:
        assert (ROOT / known.dataset).is_file()
    head = config.read_text(encoding="utf-8").split("\nseed_everything")[0]
    for what in ("command:", "hardware:", "time:", "score:", f"--config experiments/{_name(config)}\n"):
        assert what in head


def test_a_misspelled_option_is_refused(tmp_path):
    content = yaml.safe_load(QUICKSTART.read_text(encoding="utf-8"))
    content["data"]["init_args"]["chips"]["sizes"] = 64
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(OptionError, match="sizes"):
        parse_training_config(wrong)


def test_whdld_is_read_with_the_groups_of_its_own_tree(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    for folder, bands in (("Images", (3,)), ("ImagesPNG", ())):
        (tmp_path / folder).mkdir()
        for number in range(5):
            pixels = rng.integers(1, 7, (64, 64, *bands), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / folder / f"wh{number:04d}.png")
    config = yaml.safe_load((EXPERIMENTS / "whdld" / "segnext_b_bhccm.yaml").read_text(encoding="utf-8"))
    monkeypatch.chdir(ROOT)  # as the head of the file says
    options = config["data"]["init_args"] | {"root": str(tmp_path), "loader": {}, "chips": {"size": 32}}
    data = PublishedDataModule(**options)
    batch = next(iter(data.train_dataloader()))
    assert data.taxonomy.num_classes == (4, 6)
    assert batch["image"].shape[1] == 3
    assert set(batch["mask"].unique().tolist()) == set(range(6))


@pytest.mark.parametrize("name", BACKBONES)
def test_every_model_can_be_built_at_full_size(name):
    options = BACKBONES[name].options
    with torch.device("meta"):  # shapes without memory
        model = build_segmenter(ModelConfig(options["architecture"], options["encoder"]), 10, (4, 9, 18))
    # the smallest of these has 14 million parameters, and none is a sibling of its own
    count = sum(parameter.numel() for parameter in model.parameters())
    assert 1.3e7 < count < 4e8
    assert [head.out_channels for head in model.head.classifiers] == [4, 9, 18]


@pytest.fixture(scope="session")
def scenes(tmp_path_factory):
    """Two scenes of 640 m as every sensor sees them."""
    folder = tmp_path_factory.mktemp("experiment_scenes")
    for spec in scene_series(1, 640, 0, google_size_m=320):
        write_land_cover_scene(spec, folder)
    return folder


def _train_a_step(config, scenes, tmp_path, shrink):
    """Fit one step of a configuration on generated scenes, and test."""
    content = yaml.safe_load(config.read_text(encoding="utf-8"))
    model, data = content["model"]["init_args"], content["data"]["init_args"]
    sensor = data.get("sensor") or data.get("source", "sentinel2")
    suffix = IMAGES.get(sensor, "S2")
    files = {
        "images": [f"{scenes}/train_0/train_0_{suffix}.tif"],
        "labels": [f"{scenes}/train_0/train_0_labels.tif"],
        "splits": {
            "val_fraction": 0.0,
            "test_images": [f"{scenes}/test_0/test_0_{suffix}.tif"],
            "test_labels": [f"{scenes}/test_0/test_0_labels.tif"],
        },
    }
    kept = {"normalization", "augmentation"}
    content["data"] = {
        "class_path": "hierars_geo.datamodules.SceneDataModule",
        "init_args": {key: value for key, value in data.items() if key in kept}
        | files
        | {"sensor": sensor if sensor in IMAGES else "sentinel2", "taxonomy": "mm5b"}
        | {"chips": data["chips"] | {"size": 64, "per_epoch": 2}, "loader": {"batch_size": 2}},
    }
    model.get("start", {}).pop("encoder_weights", None)
    if shrink:
        family = next(name for name in SIBLINGS if model["encoder"].startswith(name))
        model["encoder"] = SIBLINGS[family]
        model["model_options"] = (
            {"decoder_channels": 16} if model["architecture"] == "upernet" else model.get("model_options")
        )
    content["trainer"] |= {"max_steps": 1, "precision": 32, "val_check_interval": None, "devices": 1}
    content["trainer"] |= {"accelerator": "cpu", "num_sanity_val_steps": 0, "enable_progress_bar": False}
    content["trainer"] |= {"check_val_every_n_epoch": 1, "enable_model_summary": False}
    content["trainer"] |= {
        "logger": False,
        "limit_test_batches": 1,
        "default_root_dir": str(tmp_path / "run"),
    }
    content["checkpoint"] = {"dirpath": str(tmp_path), "save_top_k": 0, "save_last": False}
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cli = TrainingCLI(["--config", str(path), "--trainer.callbacks", "[]"], run=False)
        cli.trainer.fit(cli.model, datamodule=cli.datamodule)
        scores = cli.trainer.test(cli.model, datamodule=cli.datamodule, verbose=False)[0]
    assert cli.trainer.global_step == 1
    assert 0 <= scores["test/mIoU_L3"] <= 1


#: Every decoder with every kind of backbone once, in turns flat and hierarchical, on every sensor.
KINDS = [
    "mm5b/s2/convnext_b_bhccm.yaml",
    "mm5b/gf2/swin_b_flat.yaml",
    "mm5b/google/deit3_s_bhccm.yaml",
    "mm5b/gf2/deeplabv3plus_r101_bhccm.yaml",
    "mm5b/google/segnext_s_flat.yaml",
    "ablations/residual_hcc.yaml",
    "gewata/bidirectional.yaml",
]


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_model_trains_a_step(name, scenes, tmp_path):
    _train_a_step(EXPERIMENTS / name, scenes, tmp_path, shrink=True)


@pytest.mark.slow
@pytest.mark.parametrize("config", STAGE_1, ids=_name)
def test_every_experiment_trains_a_step_at_full_size(config, scenes, tmp_path):
    _train_a_step(config, scenes, tmp_path, shrink=False)
