"""Experiments on the published data sets, after the paper's recipe (Ai et al. 2026, section IV)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from .experiment import Experiment, grouped
from .small import VARIANTS

#: Optimiser steps of one training on MM-5B and their warm-up.
_STEPS: Final = 80_000
_WARMUP: Final = 1_500


@dataclass(frozen=True)
class Backbone:
    """A model of the paper's tables.

    Attributes:
        title: As the paper writes it.
        options: Of the task: architecture, encoder, weights and what the recipe changes for it.
    """

    title: str
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Source:
    """One image source of a data set.

    Attributes:
        title: For people.
        bands: Number of its bands.
        data: Arguments of the data module.
        task: Arguments of the task that differ from the recipe.
    """

    title: str
    bands: int
    data: Mapping[str, Any]
    task: Mapping[str, Any] = field(default_factory=dict)


def _upernet(encoder: str, **recipe: Any) -> dict[str, Any]:  # noqa: ANN401  # arguments of the task
    return {"architecture": "upernet", "encoder": encoder, "encoder_weights": "imagenet"} | recipe


def _convnext(size: str) -> dict[str, Any]:
    # 0.9 per group of layers, 12 groups of stages and thirds of stage 3
    return _upernet(f"convnext_{size}", layer_decay=0.9)


def _swin(size: str) -> dict[str, Any]:
    return _upernet(f"swin_{size}", lr=6e-5, weight_decay=0.01)


def _segnext(size: str) -> dict[str, Any]:
    return {"architecture": "segnext", "encoder": f"mscan_{size}", "encoder_weights": "imagenet"}


BACKBONES: Final[dict[str, Backbone]] = {
    "convnext_b": Backbone("ConvNeXt-B, UPerNet", _convnext("base")),
    "convnext_l": Backbone("ConvNeXt-L, UPerNet", _convnext("large")),
    "swin_b": Backbone("Swin-B, UPerNet", _swin("base")),
    "swin_l": Backbone("Swin-L, UPerNet", _swin("large")),
    "deit3_s": Backbone("DeiT3-S, UPerNet", _upernet("deit3_small")),
    "deit3_b": Backbone("DeiT3-B, UPerNet", _upernet("deit3_base")),
    "deit3_l": Backbone("DeiT3-L, UPerNet", _upernet("deit3_large")),
    "deeplabv3plus_r101": Backbone(
        "ResNet-101, DeepLabV3+",
        {"architecture": "deeplabv3plus", "encoder": "resnet101", "encoder_weights": "imagenet"},
    ),
    "segnext_s": Backbone("SegNeXt-S", _segnext("small")),
    "segnext_b": Backbone("SegNeXt-B", _segnext("base")),
    "segnext_l": Backbone("SegNeXt-L", _segnext("large")),
}

MM5B_SOURCES: Final[dict[str, Source]] = {
    "gf2": Source(
        "GaoFen-2",
        4,
        {
            "source": "gaofen2",
            "chips": {"size": 640},
            "normalization": {
                "mean": [412.63, 317.67, 243.75, 292.61],
                "std": [42.80, 45.59, 54.94, 69.32],
            },
        },
    ),
    "s2": Source(
        "Sentinel-2",
        10,
        {
            "source": "sentinel2",
            "chips": {"size": 512},
            "normalization": {"method": "scale"},
        },
    ),
    "google": Source(
        "Google Earth",
        3,
        {
            "source": "google_earth",
            "chips": {"size": 896},
            "normalization": {"mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375]},
        },
    ),
}


def published_experiments() -> list[Experiment]:
    """MM-5B for every model and source, its ablations, and WHDLD."""
    return [*_mm5b(), *_ablations(), *_whdld()]


def _mm5b() -> list[Experiment]:
    return [
        _experiment(
            f"mm5b/{name}/{model}_{kind}.yaml",
            f"{backbone.title}, {what}, on MM-5B {source.title}.",
            {**backbone.options, **options, **source.task},
            _mm5b_data(source),
            "MM-5B",
        )
        for name, source in MM5B_SOURCES.items()
        for model, backbone in BACKBONES.items()
        for kind, what, options in (
            ("flat", "the flat baseline", {"mode": "flat"}),
            ("bhccm", "BHCCM and HSC", {"mode": "residual"}),
        )
    ]


def _ablations() -> list[Experiment]:
    """Modes and losses at the paper's strength: ConvNeXt-B on Sentinel-2."""
    return [
        _experiment(
            f"ablations/{variant}.yaml",
            f"{what}. ConvNeXt-B, UPerNet, on MM-5B Sentinel-2.",
            {**BACKBONES["convnext_b"].options, "mode": "residual", **options},
            _mm5b_data(MM5B_SOURCES["s2"]),
            "MM-5B",
        )
        for variant, (what, options) in VARIANTS.items()
    ]


def _whdld() -> list[Experiment]:
    data = {
        "class_path": "hierars_geo.datamodules.PublishedDataModule",
        "init_args": {
            "dataset": "experiments/whdld/record.yaml",
            "root": "data/WHDLD",
            "chips": {"size": 256},
            "normalization": {"mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375]},
        },
    }
    return [
        _experiment(
            f"whdld/{model}_{kind}.yaml",
            f"{BACKBONES[model].title}, {what}, on WHDLD.",
            {**BACKBONES[model].options, **options},
            data,
            "WHDLD",
            steps=20_000,
            leaf_level=2,
        )
        for model in ("convnext_b", "deeplabv3plus_r101", "segnext_b")
        for kind, what, options in (
            ("flat", "the flat baseline", {"mode": "flat"}),
            ("bhccm", "BHCCM and HSC", {"mode": "residual"}),
        )
    ]


def _mm5b_data(source: Source) -> dict[str, Any]:
    return {
        "class_path": "hierars_geo.datamodules.MM5BDataModule",
        "init_args": {"root": "data/MM-5B", **source.data},
    }


def _experiment(
    path: str,
    title: str,
    task: Mapping[str, Any],
    data: Mapping[str, Any],
    missing: str,
    steps: int = _STEPS,
    leaf_level: int = 3,
) -> Experiment:
    """Complete the recipe around what differs."""
    run = f"runs/{path.removesuffix('.yaml')}"
    content = {
        "seed_everything": 0,
        "trainer": {
            "max_steps": steps,
            "precision": "bf16-mixed",
            "val_check_interval": steps // 10,
            "check_val_every_n_epoch": None,
            "log_every_n_steps": 50,
        },
        "checkpoint": {"dirpath": run, "monitor": f"val/mIoU_L{leaf_level}", "mode": "max"},
        "model": {
            "class_path": "hierars_geo.tasks.BHCCMTask",
            "init_args": grouped(
                {
                    "lr": 1e-4,
                    "weight_decay": 0.05,
                    "warmup_steps": _WARMUP,
                    "loss": "hsc",
                    "alpha": 2.0,
                    **task,
                }
            ),
        },
        "data": {
            "class_path": data["class_path"],
            "init_args": {
                **data["init_args"],
                "chips": data["init_args"]["chips"] | {"per_epoch": 8_000, "max_class_share": 0.75},
                "augmentation": {"flips": True, "scale_range": [0.5, 2.0]},
                "loader": {"batch_size": 8, "num_workers": 8},
            },
        },
    }
    commands = (
        f"hierars-geo fit --config experiments/{path}",
        f"hierars-geo test --config experiments/{path} --ckpt_path {run}/best.ckpt",
    )
    return Experiment(path, title, commands, content, missing)


__all__ = ("BACKBONES", "MM5B_SOURCES", "published_experiments")
