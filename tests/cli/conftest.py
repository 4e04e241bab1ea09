"""What a small run of the command line needs, made once: two scenes and a configuration."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from hierars_geo.cli import main


@dataclass(frozen=True)
class Workplace:
    """A folder with scenes; files of ``train`` and ``test`` end in ``_S2.tif`` and ``_labels.tif``."""

    folder: Path

    @property
    def train(self) -> Path:
        return self.folder / "scenes" / "train_0" / "train_0"

    @property
    def test(self) -> Path:
        return self.folder / "scenes" / "test_0" / "test_0"

    def image(self, scene: Path) -> str:
        return f"{scene}_S2.tif"

    def labels(self, scene: Path) -> str:
        return f"{scene}_labels.tif"

    def config(self, folder: Path, **changes: Any) -> str:
        """Write a configuration; ``data__chips__size=16`` changes an option, ``trainer__max_steps`` too."""
        content = {
            "model": {
                "class_path": "hierars_geo.tasks.BHCCMTask",
                "init_args": {
                    "architecture": "unet",
                    "encoder": "tu-test_resnet",
                    "model_options": {"decoder_channels": [32, 16, 16, 8, 8]},
                    "optimizer": {"lr": 0.003},
                },
            },
            "data": {
                "class_path": "hierars_geo.datamodules.SceneDataModule",
                "init_args": {
                    "sensor": "sentinel2",
                    "images": [self.image(self.train)],
                    "labels": [self.labels(self.train)],
                    "taxonomy": "mm5b",
                    "chips": {"size": 32, "per_epoch": 20},
                    "loader": {"batch_size": 2},
                },
            },
            "trainer": {
                "max_steps": 10,
                "accelerator": "cpu",
                "devices": 1,
                "enable_progress_bar": False,
                "enable_model_summary": False,
                "num_sanity_val_steps": 0,
                "log_every_n_steps": 5,
                "logger": {
                    "class_path": "lightning.pytorch.loggers.CSVLogger",
                    "init_args": {"save_dir": str(folder / "runs")},
                },
            },
        }
        for key, value in changes.items():
            section, *groups, option = key.split("__")
            options = content[section] if section == "trainer" else content[section]["init_args"]
            for group in groups:
                options = options.setdefault(group, {})
            options[option] = value
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "config.yaml"
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return str(path)


@pytest.fixture(scope="session")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    folder = tmp_path_factory.mktemp("workplace")
    options = ["--size-m", "1280", "--sensors", "sentinel2", "--scenes", "1"]
    assert main(["synth", str(folder / "scenes"), *options]) == 0
    return Workplace(folder)


@pytest.fixture(scope="session")
def checkpoint(workplace: Workplace) -> str:
    """Of ten steps of training."""
    folder = workplace.folder / "trained"
    assert main(["fit", "--config", workplace.config(folder)]) == 0
    return str(folder / "runs" / "lightning_logs" / "version_0" / "checkpoints" / "last.ckpt")


@pytest.fixture(scope="session")
def maps(workplace: Workplace, checkpoint: str) -> Path:
    """Maps of the test scene, with confidence and depth."""
    folder = workplace.folder / "maps"
    image = workplace.image(workplace.test)
    options = ["--confidence", "--depth-threshold", "0.5", "--device", "cpu"]
    assert main(["predict", checkpoint, image, "-o", str(folder), *options]) == 0
    return folder
