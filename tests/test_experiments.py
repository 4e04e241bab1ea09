"""Every base of experiments/ is accepted by ``fit`` with its overlays; every kind of model trains a step."""

import json
import re
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
from hierars_geo.taxonomy.yaml_reader import catalog_names

ROOT = Path(__file__).parents[1]
EXPERIMENTS = ROOT / "experiments"
QUICKSTART = "quickstart/bhccm_s2"
BASES, HEADS, LOSSES, BACKBONES, TRANSFERS, LABELS, FROZEN, FEATURES = (
    [
        f"{folder}/{path.stem}"
        for path in sorted((EXPERIMENTS / folder).glob("*.yaml"))
        if "_record" not in path.stem
    ]
    for folder in ("base", "head", "loss", "backbone", "transfer", "labels", "frozen", "features")
)
FILES = [QUICKSTART, *BASES, *HEADS, *LOSSES, *BACKBONES, *TRANSFERS, *LABELS, *FROZEN, *FEATURES]
#: Every overlay on a base that it is written for, and every base once.
PAIRS = [
    (QUICKSTART,),
    *(("base/synthetic", head) for head in HEADS),
    *(("base/mm5b_s2", backbone, "head/residual") for backbone in BACKBONES),
    *(("base/crop_iowa", name) for name in TRANSFERS if name != "transfer/imagenet"),
    *(("base/crop10m", "backbone/swin", f"transfer/{name}") for name in ("imagenet", "scratch", "translu")),
    *((base, "backbone/swin", "head/flat") for base in ("base/mm5b_gf2", "base/mm5b_google", "base/whdld")),
    *(("base/gewata", name) for name in LABELS),
    *(("base/gewata", "labels/all", name) for name in LOSSES),
    *(("base/enmap", "labels/all", "frozen/enmap", name) for name in FEATURES),
    ("base/gewata", "head/residual_hce"),
    *((name.replace("frozen", "base"), name) for name in FROZEN),
    ("base/loonlake", "head/residual"),
    ("base/crop_synthetic", "transfer/translu_backbone"),
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


def _paths(names):
    return [EXPERIMENTS / f"{name}.yaml" for name in names]


def _head(name):
    text = (EXPERIMENTS / f"{name}.yaml").read_text(encoding="utf-8")
    return "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))


@pytest.mark.parametrize("names", PAIRS, ids="+".join)
def test_is_accepted_and_says_what_its_overlays_say(names):
    parsed = parse_training_config(*_paths(names))
    assert parsed.model.class_path.startswith("hierars_geo.tasks.")
    known = parsed.data.init_args
    if "taxonomy" in known:
        assert known.taxonomy in catalog_names("taxonomies") or known.taxonomy.startswith("../shared/")
    if "dataset" in known:
        assert (ROOT / known.dataset).is_file()
    got = parsed.model.init_args.as_dict()
    said = yaml.safe_load(_paths(names)[-1].read_text(encoding="utf-8"))
    for key, value in said.get("model", {}).get("init_args", {}).items():
        assert got[key] == (got[key] | value if isinstance(value, dict) else value)


@pytest.mark.parametrize("name", FILES)
def test_opens_with_its_commands_and_what_is_known_of_it(name):
    head = _head(name)
    for what in ("command:", "hardware:", "time:", "score:"):
        assert what in head
    named = re.findall(r"experiments/[^\s+]+\.(?:yaml|py)", head)
    found = [file for pattern in named for file in ROOT.glob(pattern)]
    assert EXPERIMENTS / f"{name}.yaml" in found
    assert [pattern for pattern in named if not list(ROOT.glob(pattern))] == []


def test_heads_say_what_was_measured():
    measured = json.loads((EXPERIMENTS / "measured.json").read_text(encoding="utf-8"))
    assert len(measured) > 80
    for name, found in measured.items():
        base, variant = name.split("/")
        overlay, share = re.fullmatch(r"(.+?)(?:_(\d{3}))?", variant).groups()
        folder = "head" if f"head/{overlay}" in HEADS else "transfer"
        (line,) = re.findall(rf"{base}: (.*)", _head(f"{folder}/{overlay}"))
        if share is None:  # in full
            expected = found["score"].split("coarse to fine: ")[1].replace("legal before decoding", "legal")
            assert line == expected, name
        else:
            leaf = re.search(r"mIoU ([^;]*)", found["score"])[1].split(" / ")[-1]
            assert line.split(" / ")[("001", "005", "010", "100").index(share)] == leaf, name


def test_a_misspelled_option_is_refused(tmp_path):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("data: {init_args: {chips: {sizes: 64}}}\n", encoding="utf-8")
    with pytest.raises(OptionError, match="sizes"):
        parse_training_config(*_paths([QUICKSTART]), wrong)


def test_whdld_is_read_with_the_groups_of_its_own_tree(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    for folder, bands in (("Images", (3,)), ("ImagesPNG", ())):
        (tmp_path / folder).mkdir()
        for number in range(5):
            pixels = rng.integers(1, 7, (64, 64, *bands), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / folder / f"wh{number:04d}.png")
    config = yaml.safe_load((EXPERIMENTS / "base" / "whdld.yaml").read_text(encoding="utf-8"))
    monkeypatch.chdir(ROOT)  # as the head of the file says
    options = config["data"]["init_args"] | {"root": str(tmp_path), "loader": {}, "chips": {"size": 32}}
    data = PublishedDataModule(**options)
    batch = next(iter(data.train_dataloader()))
    assert data.taxonomy.num_classes == (4, 6)
    assert batch["image"].shape[1] == 3
    assert set(batch["mask"].unique().tolist()) == set(range(6))


@pytest.mark.parametrize("name", BACKBONES)
def test_every_model_can_be_built_at_full_size(name):
    options = yaml.safe_load(_paths([name])[0].read_text(encoding="utf-8"))["model"]["init_args"]
    family = options["encoder"].rsplit("_", maxsplit=1)[0]
    for encoder in {options["encoder"], *re.findall(rf"{family}_\w+", _head(name))}:
        with torch.device("meta"):  # shapes without memory
            model = build_segmenter(ModelConfig(options["architecture"], encoder), 10, (4, 9, 18))
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


def _train_a_step(names, scenes, tmp_path, shrink):
    """Fit one step of a base and its overlays on generated scenes, and test."""
    parsed = parse_training_config(*_paths(names))
    data, model = parsed.data.init_args, parsed.model.init_args
    sensor = data.get("sensor") or data.get("source")
    sensor = sensor if sensor in IMAGES else "sentinel2"
    train, test = (f"{scenes}/{name}/{name}_" for name in ("train_0", "test_0"))
    content = {
        "data": {
            "class_path": "hierars_geo.datamodules.SceneDataModule",
            "init_args": {
                "sensor": sensor,
                "images": [f"{train}{IMAGES[sensor]}.tif"],
                "labels": [f"{train}labels.tif"],
                "taxonomy": "mm5b",
                "splits": {
                    "val_fraction": 0.0,
                    "train_region": None,
                    "test_region": None,
                    "test_images": [f"{test}{IMAGES[sensor]}.tif"],
                    "test_labels": [f"{test}labels.tif"],
                },
                "normalization": data.normalization.as_dict(),
                "augmentation": data.augmentation.as_dict(),
                "chips": data.chips.as_dict() | {"size": 64, "per_epoch": 2},
                "loader": {"batch_size": 2},
            },
        },
        "model": {"init_args": {"start": {"encoder_weights": None}}},
        "trainer": {
            "max_steps": 1,
            "precision": 32,
            "val_check_interval": None,
            "devices": 1,
            "logger": False,
        },
        "checkpoint": {"dirpath": str(tmp_path), "save_top_k": 0, "save_last": False},
    }
    if shrink:
        content["model"]["init_args"]["encoder"] = next(
            small for family, small in SIBLINGS.items() if model.encoder.startswith(family)
        )
        if model.architecture == "upernet":
            content["model"]["init_args"]["model_options"] = {"decoder_channels": 16}
    content["trainer"] |= {"accelerator": "cpu", "num_sanity_val_steps": 0, "enable_progress_bar": False}
    content["trainer"] |= {"check_val_every_n_epoch": 1, "enable_model_summary": False}
    content["trainer"] |= {"limit_test_batches": 1, "default_root_dir": str(tmp_path / "run")}
    path = tmp_path / "here.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        named = [word for file in (*_paths(names), path) for word in ("--config", str(file))]
        cli = TrainingCLI([*named, "--trainer.callbacks", "[]"], run=False)
        cli.trainer.fit(cli.model, datamodule=cli.datamodule)
        scores = cli.trainer.test(cli.model, datamodule=cli.datamodule, verbose=False)[0]
    assert cli.trainer.global_step == 1
    assert 0 <= scores["test/mIoU_L3"] <= 1


#: Every decoder with every kind of backbone once, in turns flat and hierarchical, on every sensor.
KINDS = [
    ("base/mm5b_s2", "backbone/convnext", "head/residual"),
    ("base/mm5b_gf2", "backbone/swin", "head/flat"),
    ("base/mm5b_google", "backbone/deit3", "head/residual"),
    ("base/mm5b_gf2", "backbone/deeplabv3plus", "head/independent_hce"),
    ("base/mm5b_google", "backbone/segnext", "head/coarse_to_fine"),
    ("base/gewata", "head/bidirectional"),
]


@pytest.mark.parametrize("names", KINDS, ids="+".join)
def test_every_kind_of_model_trains_a_step(names, scenes, tmp_path):
    _train_a_step(names, scenes, tmp_path, shrink=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "names", [("base/mm5b_s2", name, "head/residual") for name in BACKBONES], ids="+".join
)
def test_every_backbone_trains_a_step_at_full_size(names, scenes, tmp_path):
    _train_a_step(names, scenes, tmp_path, shrink=False)
