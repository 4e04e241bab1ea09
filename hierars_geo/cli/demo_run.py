"""The steps of the demonstration, each through the package's public face."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from lightning.pytorch import Trainer, seed_everything
from torch.utils.data import DataLoader
from torchgeo.datasets import stack_samples

from ..accuracy.evaluation import evaluate_classifier, evaluate_maps
from ..datamodules import (
    AugmentationOptions,
    ChipOptions,
    LoaderOptions,
    SceneDataModule,
    SplitOptions,
)
from ..errors import OptionError
from ..export import ModelCard, publish_model
from ..maps import Maps, count_areas
from ..metrics import HierarchicalScores
from ..metrics.risk import blocks_needed
from ..models import ModelRecord
from ..models.forest import PixelForest
from ..models.published import CARD
from ..output import atomic_path, check_writable_folder, refuse_existing, write_json
from ..predict import PredictOptions, Predictor
from ..report import write_report
from ..samplers.chip_samplers import GridChipSampler
from ..scenes.scene import Scene
from ..synthetic.series import check_free, scene_series, write_land_cover_scene
from ..synthetic.spec import SceneFiles
from ..tasks import BHCCMTask, OptimizerOptions, ProgressLines, ScheduleOptions, StepBar, calibrate
from ..taxonomy import Taxonomy
from ..vector import vectorize
from .calibrate import print_trust
from .progress import progress_bar
from .tables import print_scores
from .verbosity import is_quiet

_SENSOR: Final = "sentinel2"
#: Promise of the adaptive map: at most this share of what it shows is wrong, and how often that may fail.
_RISK: Final = 0.1
_DELTA: Final = 0.1


@dataclass(frozen=True)
class DemoOptions:
    """What the demonstration is to do; see ``hierars-geo demo --help``."""

    out_dir: Path
    steps: int
    size_m: float
    scenes: int
    chip_size: int
    encoder: str
    seed: int
    overwrite: bool

    def __post_init__(self) -> None:
        for name in ("steps", "chip_size"):
            if getattr(self, name) < 1:
                raise OptionError(f"Expected {name} to be >= 1, but got {getattr(self, name)}.")
        scene_series(self.scenes, self.size_m, self.seed, (_SENSOR,))  # checks the other numbers


def run_demo(options: DemoOptions) -> None:
    """Go the whole way, and print the scores and what to open next.

    Raises:
        HieraRSError: A step failed, or results of an earlier demonstration stand in the way.
    """
    out = check_writable_folder(options.out_dir)
    trained, checkpoint, polygons = out / "model.ckpt", out / "calibrated.ckpt", out / "maps" / "test_0.gpkg"
    metrics, page, models = out / "maps" / "metrics.json", out / "report.html", out / "models"
    earlier_maps = (out / "maps").glob("test_0*")  # refused now, not after training
    refuse_existing({trained, checkpoint, polygons, metrics, page, models, *earlier_maps}, options.overwrite)
    *train, apart, test = _synthesise(options, out / "scenes")
    data = _data_module(options, train, apart, test)
    _train(options, data, trained)
    record = _calibrate(options, data, trained, checkpoint)
    maps = _predict(options, checkpoint, record, test, out / "maps")
    taxonomy = data.taxonomy
    scores = {
        "BHCCM": evaluate_maps(maps, test.labels),
        "per-pixel forest": _score_forest(data, test),
    }
    write_json(metrics, scores["BHCCM"].to_dict(taxonomy))
    with progress_bar("vectorize") as progress:
        # a tenth of a hectare is ten pixels: smaller specks are noise of the classifier
        vectorize(
            maps,
            polygons,
            min_area_m2=1000.0,
            overwrite=options.overwrite,
            progress=progress,
        )
    write_report(
        maps,
        page,
        image=test.images[_SENSOR],
        labels=test.labels,
        metrics=metrics,
        baselines=[("per-pixel forest", scores["per-pixel forest"].to_dict(taxonomy))],
        title="hierars-geo on synthetic Sentinel-2 scenes",
        overwrite=options.overwrite,
    )
    _publish(options, checkpoint, scores["BHCCM"], taxonomy, models)
    print_scores(scores, taxonomy)
    print_trust(record)
    sys.stdout.write(f"of the mapped scene {100 * _outside(maps):.1f} % is unlike the training ground\n")
    levels = {f"map, {name}": maps.layers[f"L{i}"] for i, name in enumerate(taxonomy.level_names, start=1)}
    named = {
        "report, in a browser": page,
        **levels,
        "polygons, in QGIS": polygons,
        "where not to trust the map": maps.layers["aoa"],
        "model, for predict": checkpoint,
        "the same, as others get it": models / "demo" / CARD,
    }
    sys.stdout.write("\nopen next:\n" + "".join(f"  {what:<28} {path}\n" for what, path in named.items()))


def _synthesise(options: DemoOptions, folder: Path) -> list[SceneFiles]:
    *train, apart, test = scene_series(options.scenes + 1, options.size_m, options.seed, (_SENSOR,))
    specs = (*train, replace(apart, name="val_0"), test)
    if not options.overwrite:
        check_free(specs, folder)
    files = []
    for spec in specs:
        with progress_bar(f"synthesise {spec.name}") as progress:
            files.append(write_land_cover_scene(spec, folder, progress))
    return files


def _data_module(
    options: DemoOptions, train: list[SceneFiles], apart: SceneFiles, test: SceneFiles
) -> SceneDataModule:
    return SceneDataModule(
        images=[str(files.images[_SENSOR]) for files in train],
        labels=[str(files.labels) for files in train],
        taxonomy="mm5b",
        sensor=_SENSOR,
        splits=SplitOptions(
            val_images=[str(apart.images[_SENSOR])],
            val_labels=[str(apart.labels)],
            test_images=[str(test.images[_SENSOR])],
            test_labels=[str(test.labels)],
        ),
        chips=ChipOptions(size=options.chip_size, per_epoch=8 * options.steps),
        augmentation=AugmentationOptions(flips=True),
        loader=LoaderOptions(batch_size=8),
        seed=options.seed,
    )


def _train(options: DemoOptions, data: SceneDataModule, checkpoint: Path) -> None:
    seed_everything(options.seed, verbose=False)
    task = BHCCMTask(
        architecture="unet",
        encoder=options.encoder,
        mode="residual",
        model_options={"decoder_channels": [128, 64, 48, 32, 32]},
        optimizer=OptimizerOptions(lr=3e-3),
        schedule=ScheduleOptions(warmup_steps=min(20, options.steps // 4)),
    )
    trainer = Trainer(
        max_epochs=1,  # of as many chips as the steps take
        devices=1,  # several would start this whole command once per device
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=not is_quiet(),
        callbacks=[ProgressLines(30.0)] if is_quiet() else [StepBar(), ProgressLines(30.0)],
        limit_val_batches=0,
        default_root_dir=checkpoint.parent,
    )
    trainer.fit(task, datamodule=data)
    with atomic_path(checkpoint) as unfinished:
        trainer.save_checkpoint(unfinished, weights_only=True)


def _calibrate(options: DemoOptions, data: SceneDataModule, trained: Path, checkpoint: Path) -> ModelRecord:
    """Measure on a scene kept apart how far the model can be trusted; too small a scene promises nothing."""
    block_m = options.chip_size * data.gsd_m
    blocks = int(options.size_m // block_m) ** 2
    risks = [_RISK] if blocks >= blocks_needed(_RISK, _DELTA) else []
    data.setup("validate")
    return calibrate(trained, data, checkpoint, risks, _DELTA, "val", block_m, overwrite=True).record


def _predict(
    options: DemoOptions, checkpoint: Path, record: ModelRecord, test: SceneFiles, folder: Path
) -> Maps:
    kept = record.calibration is not None and any(
        promise.threshold is not None for promise in record.calibration.promises
    )
    # small windows that overlap by half see every pixel at four places: worth a point of mIoU at level 3
    how = PredictOptions(window=options.chip_size, overlap=0.5, confidence=True, applicability=True)
    how = how.replaced(risk=_RISK) if kept else how.replaced(depth_threshold=0.7)
    predictor = Predictor(checkpoint, how)
    with progress_bar("predict test_0") as progress:
        return predictor.predict(test.images[_SENSOR], folder, options.overwrite, progress)


def _publish(
    options: DemoOptions, checkpoint: Path, scores: HierarchicalScores, taxonomy: Taxonomy, folder: Path
) -> None:
    """Write the model as others can use it, with its scores on the held-out scene."""
    rows = [
        (label, level.oa, level.miou)
        for label, level in zip(taxonomy.level_labels, scores.levels, strict=True)
    ]
    card = ModelCard(
        licence="MIT",
        title="The demonstration's model",
        ground=f"{options.scenes} generated scenes of {options.size_m:g} m; no place on the Earth.",
        limits="Real scenes: it has seen none.",
        scores=rows,
    )
    publish_model(checkpoint, "demo", card, folder=folder, overwrite=options.overwrite)


def _outside(maps: Maps) -> float:
    """Share of the mapped ground outside the area of applicability."""
    with maps.scene.open() as opened:
        return count_areas(opened).outside_share()


def _score_forest(data: SceneDataModule, test: SceneFiles) -> HierarchicalScores:
    """Learn from pixels of the training scenes and score on the held-out one."""
    part = data.parts["train"]
    chips: DataLoader[Any] = DataLoader(
        part, batch_size=8, sampler=GridChipSampler(part, 256), collate_fn=stack_samples
    )
    forest = PixelForest.learn(chips, data.taxonomy.num_classes[-1])
    with (
        Scene.open(test.images[_SENSOR], bands=data.bands) as scene,
        progress_bar("score the forest") as progress,
    ):
        return evaluate_classifier(forest, scene, test.labels, data.taxonomy, progress=progress)
