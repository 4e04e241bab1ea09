"""Experiments that carry a land-cover model over to crops: TransLU, its parts alone, and the baselines."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from .experiment import Experiment, grouped
from .published import BACKBONES

#: Variant -> (what it is, options of TransLUTask). All else is equal within a domain.
VARIANTS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "scratch": ("The target model from random weights", {"start": "scratch"}),
    "backbone": ("Fine-tuning from the backbone of stage 1", {"start": "backbone"}),
    "decoder": ("Fine-tuning from backbone and decoder of stage 1", {"start": "decoder"}),
    "frozen": (
        "The frozen backbone of stage 1 below a new decoder and head",
        {"start": "backbone", "freeze_backbone": True},
    ),
    "cdks_only": ("TransLU without its semantic alignment (CDKS alone)", {"cdks": True, "cdsa": False}),
    "cdsa_only": ("TransLU without its interacting backbones (CDSA alone)", {"cdks": False, "cdsa": True}),
    "translu": ("TransLU as published: CDKS and CDSA", {"cdks": True, "cdsa": True}),
    "translu_backbone": (
        "TransLU over a new decoder: CDKS and CDSA, starting from the backbone of stage 1 alone",
        {"cdks": True, "cdsa": True, "start": "backbone"},
    ),
    "translu_own_labels": (
        "TransLU over a new decoder, the source's labels only where the target has none",
        {"cdks": True, "cdsa": True, "start": "backbone", "pseudo_labels": "unlabelled"},
    ),
}
#: Per cent of the labelled blocks of the training ground.
PER_CENT: Final = (1, 5, 10, 100)

#: Normalisation of the source of the small domains: what its training scenes gave, rounded. The target keeps
#: it, since weights that start from the source's expect its values.
_MEAN: Final = [717.5, 890.6, 762.8, 1105.6, 1951.9, 2304.1, 2487.4, 2628.9, 1742.2, 1114.4]
_STD: Final = [280.0, 262.1, 345.4, 285.9, 477.1, 621.0, 744.5, 746.1, 557.6, 483.1]


@dataclass(frozen=True)
class SmallDomain:
    """A crop domain that a laptop can run.

    Attributes:
        title: Where it lies.
        before: Commands that make its scenes and its label rasters.
        train: Scene to train on, its folder and name alike.
        test: Scene to test on.
        folder: Of the scenes.
        labels: Folder of the label rasters with fewer blocks.
        taxonomy: Target tree.
    """

    title: str
    before: tuple[str, ...]
    train: str
    test: str
    folder: str
    labels: str
    taxonomy: str


_STAGE_1: Final = "hierars-geo fit --config experiments/synthetic/residual.yaml   # the source"
_SOURCE: Final = "runs/synthetic_residual/last.ckpt"
SMALL_DOMAINS: Final[dict[str, SmallDomain]] = {
    "crop_synthetic": SmallDomain(
        "Generated crop scenes, one to train on, one of another place to test on",
        (
            "hierars-geo synth scenes --crops --sensors sentinel2",
            _STAGE_1,
            "python experiments/label_shares.py scenes/crop_train/*_labels.tif -o scenes/crop_labels",
        ),
        "crop_train",
        "crop_test",
        "scenes",
        "scenes/crop_labels",
        "crop10m",
    ),
    "crop_iowa": SmallDomain(
        "Real fields of Iowa under generated spectra: July trains, another place in September tests",
        (
            "hierars-geo synth scenes --sensors sentinel2",
            _STAGE_1,
            "python experiments/crop_layout.py ../shared/data/cdl_iowa/cdl_2016_train.tif -o scenes",
            "python experiments/label_shares.py scenes/iowa_train/*_labels.tif -o scenes/iowa_labels",
        ),
        "iowa_train",
        "iowa_test",
        "scenes",
        "scenes/iowa_labels",
        "iowa_crops",
    ),
}


def transfer_experiments() -> list[Experiment]:
    """The paper's matrix on Crop10m, and the two small domains."""
    return [*_crop10m(), *_small()]


def _options(variant: str, source: str) -> dict[str, Any]:
    """Complete the options of a variant; one from scratch on its own reads no source."""
    alone = {"cdks": False, "cdsa": False}
    options = alone | VARIANTS[variant][1]
    return options if options.get("start") == "scratch" else {"source": source} | options


def _small() -> list[Experiment]:
    return [
        _small_experiment(group, domain, variant, per_cent)
        for group, domain in SMALL_DOMAINS.items()
        for variant in VARIANTS
        for per_cent in PER_CENT
    ]


def _small_experiment(group: str, domain: SmallDomain, variant: str, per_cent: int) -> Experiment:
    path = f"{group}/{variant}_{per_cent:03d}.yaml"
    run = f"runs/{group}_{variant}_{per_cent:03d}"
    content = {
        "seed_everything": 0,
        "trainer": {"max_steps": 150, "log_every_n_steps": 20},
        "checkpoint": {"dirpath": run},
        "model": {
            "class_path": "hierars_geo.tasks.TransLUTask",
            "init_args": grouped(
                {
                    "architecture": "unet",
                    "encoder": "resnet18",
                    "model_options": {"decoder_channels": [128, 64, 48, 32, 32]},
                    **_options(variant, _SOURCE),
                    "alpha": 1.0,
                    "lr": 0.003 if variant == "scratch" else 0.001,
                    "warmup_steps": 20,
                }
            ),
        },
        "data": {
            "class_path": "hierars_geo.datamodules.SceneDataModule",
            "init_args": {
                "sensor": "sentinel2",
                "images": [f"{domain.folder}/{domain.train}/{domain.train}_S2.tif"],
                "labels": [f"{domain.labels}/labels_{per_cent:03d}.tif"],
                "taxonomy": domain.taxonomy,
                "splits": {
                    "val_fraction": 0.0,
                    "test_images": [f"{domain.folder}/{domain.test}/{domain.test}_S2.tif"],
                    "test_labels": [f"{domain.folder}/{domain.test}/{domain.test}_labels.tif"],
                },
                # every chip is aimed at a label; what lies around it has data and none
                "chips": {"size": 64, "per_epoch": 1200, "sampler": "balanced", "balance": 1.0},
                "normalization": {"mean": _MEAN, "std": _STD},
                "augmentation": {"flips": True},
                "loader": {"batch_size": 8},
            },
        },
    }
    commands = (
        *domain.before,
        f"hierars-geo fit --config experiments/{path}",
        f"hierars-geo test --config experiments/{path} --ckpt_path {run}/last.ckpt",
        f"python experiments/run.py experiments/{group}/*.yaml --seeds 0 1 2 -o runs/{group}   # all of them",
    )
    title = f"{VARIANTS[variant][0]}; {per_cent} % of the labelled blocks. {domain.title}."
    return Experiment(path, title, commands, content)


def _crop10m() -> list[Experiment]:
    """The paper's strength: stage 1 on MM-5B Sentinel-2, then 20 000 steps on Crop10m."""
    listed: list[tuple[str, str, str, dict[str, Any]]] = [
        (model, variant, VARIANTS[variant][0], _options(variant, _stage_1(model)))
        for model in ("convnext_b", "swin_b")
        for variant in VARIANTS
    ]
    listed.append(
        (
            "convnext_b",
            "translu_cross",
            "TransLU with plain cross-attention",
            _options("translu", _stage_1("convnext_b")) | {"attention": "cross"},
        )
    )
    experiments = [
        _crop10m_experiment(
            model,
            variant,
            what,
            "hierars_geo.tasks.TransLUTask",
            {key: value for key, value in BACKBONES[model].options.items() if key != "encoder_weights"}
            | options,
        )
        for model, variant, what, options in listed
    ]
    experiments += [
        _crop10m_experiment(
            model,
            "imagenet",
            "The target model from ImageNet's backbone",
            "hierars_geo.tasks.BHCCMTask",
            BACKBONES[model].options,
        )
        for model in ("convnext_b", "swin_b")
    ]
    return experiments


def _stage_1(model: str) -> str:
    return f"runs/mm5b/s2/{model}_bhccm/best.ckpt"


def _crop10m_experiment(
    model: str, variant: str, what: str, task: str, options: Mapping[str, Any]
) -> Experiment:
    path = f"crop10m/{model}_{variant}.yaml"
    run = f"runs/{path.removesuffix('.yaml')}"
    content = {
        "seed_everything": 0,
        "trainer": {
            "max_steps": 20_000,
            "precision": "bf16-mixed",
            "val_check_interval": 2_000,
            "check_val_every_n_epoch": None,
            "log_every_n_steps": 50,
        },
        "checkpoint": {"dirpath": run, "monitor": "val/mIoU_L3", "mode": "max"},
        "model": {
            "class_path": task,
            "init_args": grouped(
                {"lr": 1e-4, "weight_decay": 0.05, "warmup_steps": 1_500, "alpha": 1.0, **options}
            ),
        },
        "data": {
            "class_path": "hierars_geo.datamodules.Crop10mDataModule",
            "init_args": {
                "root": "data/Crop10m",
                "chips": {"size": 512, "per_epoch": 8_000, "max_class_share": 0.75},
                "normalization": {"method": "scale"},
                "augmentation": {"flips": True, "scale_range": [0.5, 2.0]},
                "loader": {"batch_size": 8, "num_workers": 8},
            },
        },
    }
    commands = (
        f"hierars-geo fit --config experiments/{path}",
        f"hierars-geo test --config experiments/{path} --ckpt_path {run}/best.ckpt",
    )
    if "source" in options:
        stage_1 = f"hierars-geo fit --config experiments/mm5b/s2/{model}_bhccm.yaml   # the source"
        commands = (stage_1, *commands)
    title = f"{what}. {BACKBONES[model].title}, from MM-5B to Crop10m."
    return Experiment(
        path, title, commands, content, "Crop10m and MM-5B" if "source" in options else "Crop10m"
    )


__all__ = ("PER_CENT", "SMALL_DOMAINS", "VARIANTS", "transfer_experiments")
