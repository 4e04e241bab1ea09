"""Transfer overlays: each is built from a tiny source model, and one trains by the runner."""

from pathlib import Path

import pytest
import torch
import yaml
from label_shares import write_label_shares
from run import main
from task_factory import make_task

from hierars_geo.cli.training_cli import parse_training_config
from hierars_geo.models import RECORD_KEY, ModelConfig, ModelRecord, TransLU, build_model
from hierars_geo.synthetic import CropSpec, write_crop_scene
from hierars_geo.tasks import BHCCMTask, TransLUTask
from hierars_geo.taxonomy import Taxonomy
from hierars_geo.types import ReadRecipe

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
TRANSFERS = [path.stem for path in sorted((EXPERIMENTS / "transfer").glob("*.yaml"))]
BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
#: Backbone of a base -> a small sibling and its decoder.
SIBLINGS = {
    "crop10m": ModelConfig("upernet", "convnext_atto", "residual", 0.1, {"decoder_channels": 16}),
    "crop_iowa": ModelConfig(
        "unet", "tu-test_resnet", "residual", 0.1, {"decoder_channels": [32, 16, 16, 8, 8]}
    ),
}

#: Lightning's advice about workers, lengths and modules that are frozen on purpose; its own deprecated calls.
pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"
)


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """A checkpoint of a land-cover model per base, as a training leaves it."""
    folder = tmp_path_factory.mktemp("sources")
    paths = {}
    for base, config in SIBLINGS.items():
        record = ModelRecord(
            Taxonomy.from_yaml("mm5b"), ReadRecipe(BANDS), (900.0,) * 10, (400.0,) * 10, config
        )
        state = {f"model.{name}": value for name, value in build_model(record).state_dict().items()}
        training = {"weights": "current"}
        paths[base] = folder / f"{base}.ckpt"
        torch.save({"state_dict": state, RECORD_KEY: record.to_dict() | {"training": training}}, paths[base])
    return paths


@pytest.mark.parametrize("base", SIBLINGS)
@pytest.mark.parametrize("name", TRANSFERS)
def test_is_built_with_the_parts_that_its_name_says(name, base, sources):
    backbone = [EXPERIMENTS / "backbone" / "convnext.yaml"] if base == "crop10m" else []
    parsed = parse_training_config(
        EXPERIMENTS / "base" / f"{base}.yaml", *backbone, EXPERIMENTS / "transfer" / f"{name}.yaml"
    )
    kind = {"TransLUTask": TransLUTask, "BHCCMTask": BHCCMTask}[parsed.model.class_path.rsplit(".", 1)[1]]
    options = parsed.model.init_args.as_dict()
    options |= {"encoder": SIBLINGS[base].encoder, "model_options": dict(SIBLINGS[base].options)}
    if options.get("source"):
        options["source"] = str(sources[base])
    options["start"] = {key: value for key, value in options["start"].items() if key != "encoder_weights"}
    tree = parsed.data.init_args.get("taxonomy", "crop10m")
    task = make_task(kind, taxonomy=tree, bands=BANDS, mean=[900.0] * 10, std=[400.0] * 10, **options)
    two_branches = any(part in name for part in ("translu", "cdks", "cdsa"))
    assert isinstance(task.model, TransLU) == two_branches
    if two_branches:
        assert (task.model.cdks is not None) == (name != "cdsa_only")
        assert (task.model.cdsa is not None) == (name != "cdks_only")
    assert (task.started_from is None) == (name in ("scratch", "imagenet"))
    trained = [name for name, p in task.named_parameters() if p.requires_grad]
    assert any("encoder" in part for part in trained) == (name != "frozen")
    assert any("head" in part for part in trained)


def test_few_labels_train_and_are_scored_by_the_runner(sources, tmp_path):
    scenes = {
        name: write_crop_scene(
            CropSpec(name, 640, seed, origin=(612_000.0 + 2000 * seed, 5_200_000.0)), tmp_path
        )
        for seed, name in enumerate(("crop_train", "crop_test"))
    }
    shares = write_label_shares(scenes["crop_train"].labels, tmp_path / "labels", [0.1, 1.0], 160)
    assert shares[0].blocks < shares[0].blocks_in_all
    here = {
        "trainer": {"max_steps": 2, "accelerator": "cpu", "devices": 1, "num_sanity_val_steps": 0},
        "model": {
            "init_args": {
                "encoder": SIBLINGS["crop_iowa"].encoder,
                "model_options": dict(SIBLINGS["crop_iowa"].options),
                "source": str(sources["crop_iowa"]),
            }
        },
        "data": {
            "init_args": {
                "images": [str(scenes["crop_train"].images["sentinel2"])],
                "splits": {
                    "test_images": [str(scenes["crop_test"].images["sentinel2"])],
                    "test_labels": [str(scenes["crop_test"].labels)],
                },
                "chips": {"size": 32, "per_epoch": 8},
                "loader": {"batch_size": 2},
            }
        },
    }
    base = yaml.safe_load((EXPERIMENTS / "base" / "crop_synthetic.yaml").read_text(encoding="utf-8"))
    base["data"]["init_args"]["labels"] = [str(tmp_path / "labels" / "labels_100.tif")]
    paths = {"crops": base, "here": here}
    for name, content in paths.items():
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    command = [str(tmp_path / "crops.yaml"), "--with", str(EXPERIMENTS / "transfer" / "cdsa_only.yaml")]
    command += ["--with", str(tmp_path / "here.yaml"), "--label-shares", "10", "--seeds", "0"]
    assert main([*command, "-o", str(tmp_path / "out")]) == 0
    (result,) = (tmp_path / "out" / "results").iterdir()
    assert result.name.startswith("crops-cdsa_only_here_010-")
    assert "cdsa_only_here" in (tmp_path / "out" / "efficiency.md").read_text(encoding="utf-8")
