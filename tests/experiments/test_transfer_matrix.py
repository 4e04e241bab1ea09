"""The transfer experiments: every one is built from a tiny source model, and one trains by the runner."""

import json
from pathlib import Path

import pytest
import torch
import yaml
from matrix.transfer import PER_CENT, SMALL_DOMAINS, VARIANTS, transfer_experiments
from run import main
from task_factory import make_task

from hierars_geo.models import RECORD_KEY, ModelConfig, ModelRecord, TransLU
from hierars_geo.synthetic import CropSpec, write_crop_scene, write_label_shares
from hierars_geo.tasks import BHCCMTask, TransLUTask
from hierars_geo.taxonomy import Taxonomy
from hierars_geo.types import ReadRecipe

BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
#: Backbone of the configurations -> a small sibling and its decoder.
SIBLINGS = {
    "convnext_base": ModelConfig("upernet", "convnext_atto", "residual", 0.1, {"decoder_channels": 16}),
    "swin_base": ModelConfig("upernet", "swin_tiny", "residual", 0.1, {"decoder_channels": 16}),
    "resnet18": ModelConfig(
        "unet", "tu-test_resnet", "residual", 0.1, {"decoder_channels": [32, 16, 16, 8, 8]}
    ),
}
EXPERIMENTS = {experiment.path: experiment for experiment in transfer_experiments()}

#: Lightning's advice about workers, lengths and modules that are frozen on purpose; its own deprecated calls.
pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"
)


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """A checkpoint of a land-cover model per kind of backbone, as a training leaves it."""
    folder = tmp_path_factory.mktemp("sources")
    paths = {}
    for encoder, config in SIBLINGS.items():
        record = ModelRecord(
            Taxonomy.from_yaml("mm5b"), ReadRecipe(BANDS), (900.0,) * 10, (400.0,) * 10, config
        )
        state = {f"model.{name}": value for name, value in record.build().state_dict().items()}
        training = {"weights": "current"}
        paths[encoder] = folder / f"{encoder}.ckpt"
        torch.save(
            {"state_dict": state, RECORD_KEY: record.to_dict() | {"training": training}}, paths[encoder]
        )
    return paths


def _shrunk(options, sources):
    """Options of a task with a small sibling of its backbone and of its source's."""
    own = dict(options)
    config = SIBLINGS[own["encoder"]]
    if "source" in own:
        own["source"] = str(sources[own["encoder"]])
    own["start"] = {key: value for key, value in own.get("start", {}).items() if key != "encoder_weights"}
    return own | {"encoder": config.encoder, "model_options": dict(config.options)}


def test_the_matrix_is_complete():
    small = {
        f"{group}/{variant}_{per_cent:03d}.yaml"
        for group in SMALL_DOMAINS
        for variant in VARIANTS
        for per_cent in PER_CENT
    }
    published = {
        f"crop10m/{model}_{variant}.yaml"
        for model in ("convnext_b", "swin_b")
        for variant in (*VARIANTS, "imagenet")
    }
    assert small | published | {"crop10m/convnext_b_translu_cross.yaml"} == set(EXPERIMENTS)


# of the small domains one share is enough: the shares differ in the label raster alone
@pytest.mark.parametrize("path", [path for path in EXPERIMENTS if "crop10m" in path or "_001" in path])
def test_is_built_with_the_parts_that_its_name_says(path, sources):
    content = EXPERIMENTS[path].content
    options = _shrunk(content["model"]["init_args"], sources)
    tree = content["data"]["init_args"].get("taxonomy", "crop10m")
    kind = {"TransLUTask": TransLUTask, "BHCCMTask": BHCCMTask}[
        content["model"]["class_path"].rsplit(".", maxsplit=1)[1]
    ]
    task = make_task(kind, taxonomy=tree, bands=BANDS, mean=[900.0] * 10, std=[400.0] * 10, **options)
    variant = Path(path).stem
    two_branches = any(name in variant for name in ("translu", "cdks", "cdsa"))
    assert isinstance(task.model, TransLU) == two_branches
    if two_branches:
        assert (task.model.cdks is not None) == ("cdsa_only" not in variant)
        assert (task.model.cdsa is not None) == ("cdks_only" not in variant)
    report = task.started_from
    assert (report is None) == ("scratch" in variant or "imagenet" in variant)
    trained = [name for name, p in task.named_parameters() if p.requires_grad]
    assert any("encoder" in name for name in trained) == ("frozen" not in variant)
    assert any("head" in name for name in trained)


def test_shares_of_a_variant_differ_in_their_labels_alone():
    for group in SMALL_DOMAINS:
        few, all_labels = (
            yaml.safe_dump(EXPERIMENTS[f"{group}/translu_{n:03d}.yaml"].content) for n in (1, 100)
        )
        assert few.replace("labels_001", "labels_100").replace("translu_001", "translu_100") == all_labels


def test_few_labels_train_and_are_scored_by_the_runner(sources, tmp_path):
    scenes = {
        name: write_crop_scene(
            CropSpec(name, 640, seed, origin=(612_000.0 + 2000 * seed, 5_200_000.0)), tmp_path
        )
        for seed, name in enumerate(("crop_train", "crop_test"))
    }
    (share,) = write_label_shares(scenes["crop_train"].labels, tmp_path / "labels", [0.1], 160)
    assert share.blocks < share.blocks_in_all
    content = json.loads(json.dumps(EXPERIMENTS["crop_synthetic/cdsa_only_010.yaml"].content))
    content["model"]["init_args"] = _shrunk(content["model"]["init_args"], sources)
    content["model"]["init_args"]["schedule"] = {"warmup_steps": 1}
    content["trainer"] = {"max_steps": 2, "accelerator": "cpu", "devices": 1, "num_sanity_val_steps": 0}
    content["data"]["init_args"] |= {
        "images": [str(scenes["crop_train"].images["sentinel2"])],
        "labels": [str(share.path)],
        "splits": {
            "val_fraction": 0.0,
            "test_images": [str(scenes["crop_test"].images["sentinel2"])],
            "test_labels": [str(scenes["crop_test"].labels)],
        },
        "loader": {"batch_size": 2},
    }
    content["data"]["init_args"]["chips"] |= {"size": 32, "per_epoch": 8}
    config = tmp_path / "crops" / "cdsa_only_010.yaml"
    config.parent.mkdir()
    config.write_text(yaml.safe_dump(content), encoding="utf-8")
    assert main([str(config), "--seeds", "0", "-o", str(tmp_path / "out")]) == 0
    assert "10 % of the labelled blocks" in (tmp_path / "out" / "efficiency.md").read_text(encoding="utf-8")
    assert (tmp_path / "out" / "crops-efficiency.png").is_file()
