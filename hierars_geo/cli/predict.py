"""``hierars-geo predict``: a checkpoint and rasters in, one GeoTIFF per level out."""

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields
from glob import glob, has_magic
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..errors import ClusterError, HieraRSError, MissingFileError, OptionError

if TYPE_CHECKING:
    from ..maps import Maps
    from ..predict import DaskEngine, Predictor, SceneList, ScenePath

EXAMPLES = """examples:
  hierars-geo predict model.ckpt scene.tif -o maps
  hierars-geo predict model.ckpt scene.tif -o maps --confidence --depth-threshold 0.7
  hierars-geo predict model.ckpt 'tiles/*.tif' -o maps --mosaic --region 5.1,47.2,5.4,47.5
  hierars-geo predict model.ckpt scene.tif -o maps --resume
  hierars-geo predict model.ckpt S2_folder -o maps --window 256 --overlap 0.5 --tta flips turns
  hierars-geo predict model.ckpt a.tif b.tif -o maps --engine dask --scheduler tcp://10.0.0.1:8786
"""


def run(
    checkpoint: str,
    rasters: list[str],
    *,
    out_dir: str,
    window: int | None = None,
    overlap: float = 0.25,
    batch_size: int | Literal["auto"] = 4,
    blend: str = "hann",
    levels: list[int] | None = None,
    confidence: bool = False,
    depth_threshold: float | None = None,
    risk: float | None = None,
    tta: list[Literal["flips", "turns", "scales"]] | bool | None = None,
    precision: Literal["float32", "bf16", "fp16"] = "float32",
    runtime: Literal["auto", "torch", "onnx", "openvino"] = "auto",
    cache_dir: str | None = None,
    compile: bool = False,
    device: str = "auto",
    engine: Literal["local", "dask"] = "local",
    scheduler: str | None = None,
    workers: int | None = None,
    entropy: bool = False,
    probabilities: bool = False,
    stack: bool = False,
    chunk_px: int | None = None,
    region: str | None = None,
    region_crs: str | None = None,
    mosaic: bool = False,
    harmonize: bool | None = None,
    sensor: str | None = None,
    bands: list[int] | None = None,
    nodata: float | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> int:
    """Predict rasters of any size: one cloud-optimised GeoTIFF per level, on the scene's own grid.

    Args:
        checkpoint: Checkpoint of a trained model.
        rasters: Per scene a raster, a folder with a file per band, a STAC item; or a STAC item collection,
            catalog or collection of scenes; paths, or addresses such as https://..., s3://...
        out_dir: Folder of the maps.
        window: Side of a window in pixels (default: 512, or the chips'; see docs).
        overlap: Share of the window.
        batch_size: Windows per forward pass, or auto.
        blend: none, hann, linear or trim.
        levels: Levels to write (default: all).
        confidence: Write the confidence of every level, too.
        depth_threshold: Write the finest level this sure (0..1), too.
        risk: The same, as sure as a calibrated checkpoint asks for this share (0..1) of what is shown wrong.
        tta: Average over views of every window: flips (default), turns, scales.
        precision: Inside the model; fp16 on GPUs only.
        runtime: Who runs the network on a CPU; auto: the faster one that is installed, for large scenes.
        cache_dir: Folder of exported graphs (default: the user's cache).
        compile: Run the model through torch.compile.
        device: auto, cpu, cuda, all, or cuda:0,cuda:1.
        engine: Who computes.
        scheduler: Address of a Dask scheduler (default: start workers here).
        workers: Dask workers to start here (default: one per GPU or core).
        entropy: Write the entropy of the paths, too.
        probabilities: Write every path's probability, too.
        stack: One file with a band per level, not one file each.
        chunk_px: Most columns at once (default: 16384, or what memory allows).
        region: LEFT,BOTTOM,RIGHT,TOP or a polygon file (default: everything).
        region_crs: CRS of LEFT,BOTTOM,RIGHT,TOP (default: EPSG:4326).
        mosaic: The rasters are tiles of one scene.
        harmonize: Read Sentinel-2 values of baseline 04.00 and later as older ones (default: as in training).
        sensor: Read as this sensor of the catalog (default: as in training).
        bands: Numbers of the model's bands in the rasters, from 1, in its order (default: by their names).
        nodata: Value without data of rasters that declare none, nan for none (default: as in training).
        resume: Compute only what an earlier, broken run lacks.
        overwrite: Replace maps that exist.
    """
    given = locals()
    if engine == "local" and (scheduler or workers):
        raise OptionError("--scheduler and --workers are for --engine dask. See hierars-geo predict --help.")
    if risk is not None and depth_threshold is not None:
        raise OptionError(
            "--risk says the --depth-threshold: give one of them. See hierars-geo predict --help."
        )
    from ..predict import DaskEngine, PredictOptions, Predictor
    from .progress import progress_bar

    # every option of a prediction is one here, under its name
    told = {field.name: given[field.name] for field in fields(PredictOptions)}
    told = {name: tuple(value) if isinstance(value, list) else value for name, value in told.items()}
    options = PredictOptions(**told | {"tta": (tuple(tta) or True) if isinstance(tta, list) else bool(tta)})
    predictor = Predictor(checkpoint, options, device)
    found = _scenes(rasters, mosaic)

    def predict(scene: "ScenePath", by: "DaskEngine | None") -> "Maps":
        with progress_bar(f"predict {_title(scene)}", f"write the maps of {_title(scene)}") as progress:
            maps = predictor.predict(scene, out_dir, overwrite, progress, resume=resume, engine=by)
        for path in maps.files:
            sys.stdout.write(f"{path}\n")
        return maps

    computing = DaskEngine(scheduler, workers) if engine == "dask" else nullcontext()
    try:
        if len(found) > 1:
            return _predict_all(predictor, found, out_dir, predict, computing)
        with computing as by:
            predict(found[0], by)
        return 0
    except KeyboardInterrupt:
        raise KeyboardInterrupt("Rows that were finished are kept: go on with --resume.") from None


def _predict_all(
    predictor: "Predictor",
    scenes: Sequence["ScenePath"],
    out_dir: str,
    predict: "Callable[[ScenePath, DaskEngine | None], Maps]",
    computing: "AbstractContextManager[DaskEngine | None]",
) -> int:
    """Predict several scenes; one that fails does not keep the others from being predicted.

    Returns:
        1 where a scene failed.
    """
    from ..output.output import check_writable_folder
    from ..predict import SceneList

    states = SceneList(check_writable_folder(out_dir), scenes)
    _check_scenes(predictor, scenes, states)
    with computing as by:
        for number, scene in enumerate(scenes):
            if states.states[number].status == "failed":
                continue
            states.begin(number)
            try:
                states.finish(number, predict(scene, by))
            except ClusterError:  # the next scene would fare no better
                raise
            except HieraRSError as error:
                _note_failure(states, number, scene, error)
    if not states.failed:
        return 0
    names = ", ".join(state.name or str(state.source) for state in states.failed)
    sys.stderr.write(
        f"hierars-geo: {len(states.failed)} of {len(scenes)} scenes failed: {names} (see manifest.json in "
        f"{out_dir}). The same command with --resume predicts only these.\n"
    )
    return 1


def _note_failure(states: "SceneList", number: int, scene: "ScenePath", error: HieraRSError) -> None:
    states.fail(number, error)
    sys.stderr.write(f"hierars-geo: {_title(scene)}: {error}\n")


def _scenes(rasters: Sequence[str], mosaic: bool) -> list["ScenePath"]:
    """Return what to predict, patterns written out: each raster, or all of them as one scene.

    Raises:
        MissingFileError: Nothing fits a pattern.
    """
    from ..scenes.stac import is_stac, item_addresses

    paths: list[str] = []
    for raster in rasters:
        if is_stac(raster) and not has_magic(raster):
            paths += item_addresses(raster)
            continue
        if not has_magic(raster) or "://" in raster or Path(raster).exists():
            paths.append(raster)
            continue
        found = sorted(glob(raster, recursive=True))
        if not found:
            raise MissingFileError(f"Expected rasters that fit {raster}, but got none. Check the pattern.")
        paths += [path for file in found for path in (item_addresses(file) if is_stac(file) else [file])]
    if mosaic:
        return [tuple(path for item in paths for path in _tiles(item))]
    return list(paths)


def _tiles(path: str) -> list[str]:
    """Return the rasters of a folder of tiles; a product or another raster is a tile itself."""
    from ..scenes.band_files import list_rasters

    folder = Path(path)
    if not folder.is_dir() or folder.suffix.upper() == ".SAFE":
        return [path]
    return [str(file) for file in list_rasters(folder)]


def _title(scene: "ScenePath") -> str:
    return str(scene) if isinstance(scene, str | Path) else f"{scene[0]} and {len(scene) - 1} more"


def _check_scenes(predictor: "Predictor", scenes: Sequence["ScenePath"], states: "SceneList") -> None:
    """Open every scene before the first is predicted; one that cannot be opened has failed.

    Raises:
        OptionError: Two would write the same files.
        HieraRSError: None can be opened.
    """
    raster_of: dict[str, str] = {}
    errors: dict[int, HieraRSError] = {}
    for number, raster in enumerate(scenes):
        try:
            with predictor.open(raster) as scene:
                name = scene.name
        except HieraRSError as error:
            errors[number] = error
            continue
        states.named(number, name)
        if name in raster_of:
            raise OptionError(
                f"Expected scenes of different names, but got {raster_of[name]} and {_title(raster)}, which "
                f"would both be written as {name}_L1.tif. Predict them into different folders."
            )
        raster_of[name] = _title(raster)
    if len(errors) == len(scenes):
        raise errors[0]
    for number, failure in errors.items():
        _note_failure(states, number, scenes[number], failure)


__all__ = ("EXAMPLES", "run")
