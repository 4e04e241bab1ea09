"""Experiments that a laptop can run: Gewata (real, Landsat 7) and synthetic Sentinel-2 scenes."""

from typing import Any, Final

from .experiment import Experiment, grouped

#: Variant -> (what differs, options of the task). All else is equal within a group.
VARIANTS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "flat": ("The flat baseline: leaves alone, coarser levels by lifting", {"mode": "flat"}),
    "independent": ("A classifier per level, none talks to another", {"mode": "independent"}),
    "independent_hce": (
        "A classifier per level under cross entropy alone: the plain multi-task model",
        {"mode": "independent", "alpha": 0.0},
    ),
    "coarse_to_fine": ("BHCCM, coarse levels inform fine ones only", {"mode": "coarse_to_fine"}),
    "fine_to_coarse": ("BHCCM, fine levels inform coarse ones only", {"mode": "fine_to_coarse"}),
    "bidirectional": ("BHCCM in both directions, without the residual", {"mode": "bidirectional"}),
    "residual": ("BHCCM as published: both directions and the residual, HSC with alpha 2", {}),
    "residual_hce": ("BHCCM under cross entropy alone (HCE)", {"alpha": 0.0}),
    "residual_alpha05": ("BHCCM, HSC with alpha 0.5", {"alpha": 0.5}),
    "residual_alpha1": ("BHCCM, HSC with alpha 1", {"alpha": 1.0}),
    "residual_alpha4": ("BHCCM, HSC with alpha 4", {"alpha": 4.0}),
    "residual_hcc": ("BHCCM under the legacy loss (HCC)", {"loss": "hcc"}),
}

_GEWATA: Final = "../shared/data/gewata_landsat7"
_GEWATA_DATA: Final[dict[str, Any]] = {
    "sensor": "generic",
    "images": [f"{_GEWATA}/GewataB1-5_7.tif"],
    "labels": [f"{_GEWATA}/lulcGewata.tif"],
    "taxonomy": "gewata",
    "splits": {
        "train_region": [808755, 817635, 831975, 852945],
        "test_region": [831975, 817635, 855195, 852945],
    },
    "augmentation": {"flips": True, "gain": 0.15},
}
_SYNTHETIC_DATA: Final[dict[str, Any]] = {
    "sensor": "sentinel2",
    "images": [f"scenes/train_{n}/train_{n}_S2.tif" for n in (0, 1)],
    "labels": [f"scenes/train_{n}/train_{n}_labels.tif" for n in (0, 1)],
    "taxonomy": "mm5b",
    "splits": {
        "val_fraction": 0.0,
        "test_images": ["scenes/test_0/test_0_S2.tif"],
        "test_labels": ["scenes/test_0/test_0_labels.tif"],
    },
    "augmentation": {"flips": True},
}


def small_experiments() -> list[Experiment]:
    """Both groups, every variant."""
    groups = (
        (
            "gewata",
            "Land use of Gewata from Landsat 7, the left half trains, the right half tests",
            (),
            _GEWATA_DATA,
        ),
        (
            "synthetic",
            "Synthetic Sentinel-2 scenes, two train, one of another place tests",
            ("hierars-geo synth scenes --sensors sentinel2",),
            _SYNTHETIC_DATA,
        ),
    )
    return [
        _experiment(group, variant, f"{what}. {where}.", before, options, data)
        for group, where, before, data in groups
        for variant, (what, options) in VARIANTS.items()
    ]


def _experiment(
    group: str,
    variant: str,
    title: str,
    before: tuple[str, ...],
    options: dict[str, Any],
    data: dict[str, Any],
) -> Experiment:
    path = f"{group}/{variant}.yaml"
    run = f"runs/{group}_{variant}"
    content = {
        "seed_everything": 0,
        "trainer": {"max_steps": 400, "log_every_n_steps": 20},
        "checkpoint": {"dirpath": run},
        "model": {
            "class_path": "hierars_geo.tasks.BHCCMTask",
            "init_args": grouped(
                {
                    "architecture": "unet",
                    "encoder": "resnet18",
                    "model_options": {"decoder_channels": [128, 64, 48, 32, 32]},
                    **({"mode": "residual", "loss": "hsc", "alpha": 2.0} | options),
                    "lr": 0.003,
                    "warmup_steps": 20,
                }
            ),
        },
        "data": {
            "class_path": "hierars_geo.datamodules.SceneDataModule",
            "init_args": {
                **data,
                "chips": {"size": 64, "per_epoch": 3200},
                "loader": {"batch_size": 8},
            },
        },
    }
    commands = (
        *before,
        f"hierars-geo fit --config experiments/{path}",
        f"hierars-geo test --config experiments/{path} --ckpt_path {run}/last.ckpt",
        f"python experiments/run.py experiments/{group}/*.yaml --seeds 0 1 2 -o runs/{group}   # all of them",
    )
    return Experiment(path, title, commands, content)


__all__ = ("VARIANTS", "small_experiments")
