"""``hierars-geo predict``: a checkpoint and rasters in, one GeoTIFF per level out."""

import sys
from argparse import BooleanOptionalAction, Namespace
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields
from glob import glob, has_magic
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..errors import ClusterError, HieraRSError, MissingFileError, OptionError
from .options import CommandParser

if TYPE_CHECKING:
    from ..maps import Maps
    from ..predict import DaskEngine, Predictor, SceneList, ScenePath

_EXAMPLES = """examples:
  hierars-geo predict model.ckpt scene.tif -o maps
  hierars-geo predict model.ckpt scene.tif -o maps --confidence --depth-threshold 0.7
  hierars-geo predict model.ckpt 'tiles/*.tif' -o maps --mosaic --region 5.1,47.2,5.4,47.5
  hierars-geo predict model.ckpt scene.tif -o maps --resume
  hierars-geo predict model.ckpt S2_folder -o maps --window 256 --overlap 0.5 --tta flips turns
  hierars-geo predict model.ckpt a.tif b.tif -o maps --engine dask --scheduler tcp://10.0.0.1:8786
"""


def parser() -> CommandParser:
    """Build the parser."""
    p = CommandParser(
        "predict",
        "Predict rasters of any size: one cloud-optimised GeoTIFF per level, on the scene's own grid.",
        _EXAMPLES,
    )
    p.add_argument("checkpoint", type=str, help="checkpoint of a trained model")
    p.add_argument(
        "rasters",
        type=str,
        nargs="+",
        help="per scene a raster, a folder with a file per band, a STAC item; or a STAC item collection, "
        "catalog or collection of scenes; paths, or addresses such as https://..., s3://...",
    )
    p.add_argument("-o", "--out-dir", type=str, required=True, help="folder of the maps")
    p.add_argument(
        "--window",
        type=int,
        help="side of a window in pixels (default: 512, or the chips'; see docs)",
    )
    p.add_argument("--overlap", type=float, default=0.25, help="share of the window (default: 0.25)")
    p.add_argument(
        "--batch-size", type=_batch_size, default=4, help="windows per forward pass, or auto (default: 4)"
    )
    p.add_argument("--blend", type=str, default="hann", help="none, hann, linear or trim (default: hann)")
    p.add_argument("--levels", type=int, nargs="+", help="levels to write (default: all)")
    p.add_argument("--confidence", action="store_true", help="write the confidence of every level, too")
    p.add_argument("--depth-threshold", type=float, help="write the finest level this sure (0..1), too")
    p.add_argument(
        "--tta",
        nargs="*",
        choices=("flips", "turns", "scales"),
        help="average over views of every window: flips (default), turns, scales",
    )
    p.add_argument(
        "--precision",
        choices=("float32", "bf16", "fp16"),
        default="float32",
        help="inside the model; fp16 on GPUs only (default: float32)",
    )
    p.add_argument("--compile", action="store_true", help="run the model through torch.compile")
    p.add_argument(
        "--device", type=str, default="auto", help="auto, cpu, cuda, all, or cuda:0,cuda:1 (default: auto)"
    )
    p.add_argument(
        "--engine", choices=("local", "dask"), default="local", help="who computes (default: local)"
    )
    p.add_argument("--scheduler", help="address of a Dask scheduler (default: start workers here)")
    p.add_argument("--workers", type=int, help="Dask workers to start here (default: one per GPU or core)")
    p.add_argument("--entropy", action="store_true", help="write the entropy of the paths, too")
    p.add_argument("--probabilities", action="store_true", help="write every path's probability, too")
    p.add_argument("--stack", action="store_true", help="one file with a band per level, not one file each")
    p.add_argument(
        "--chunk-px", type=int, help="most columns at once (default: 16384, or what memory allows)"
    )
    p.add_argument("--region", type=str, help="LEFT,BOTTOM,RIGHT,TOP or a polygon file (default: everything)")
    p.add_argument("--region-crs", type=str, help="CRS of LEFT,BOTTOM,RIGHT,TOP (default: EPSG:4326)")
    p.add_argument("--mosaic", action="store_true", help="the rasters are tiles of one scene")
    p.add_argument(
        "--harmonize",
        action=BooleanOptionalAction,
        help="read Sentinel-2 values of baseline 04.00 and later as older ones (default: as in training)",
    )
    p.add_argument("--sensor", type=str, help="read as this sensor of the catalog (default: as in training)")
    p.add_argument(
        "--bands",
        type=int,
        nargs="+",
        help="numbers of the model's bands in the rasters, from 1, in its order (default: by their names)",
    )
    p.add_argument(
        "--nodata",
        type=float,
        help="value without data of rasters that declare none, nan for none (default: as in training)",
    )
    p.add_argument("--resume", action="store_true", help="compute only what an earlier, broken run lacks")
    p.add_argument("--overwrite", action="store_true", help="replace maps that exist")
    return p


def main(argv: list[str]) -> int:
    """Run the command."""
    p = parser()
    args = p.parse_args(argv)
    if args.engine == "local" and (args.scheduler or args.workers):
        p.error("--scheduler and --workers are for --engine dask")
    from ..predict import PredictOptions, Predictor

    names = {field.name for field in fields(PredictOptions)}
    told = {name: value for name, value in vars(args).items() if name in names}
    told["levels"] = None if args.levels is None else tuple(args.levels)
    told["bands"] = None if args.bands is None else tuple(args.bands)
    told["tta"] = False if args.tta is None else tuple(args.tta) or True
    predictor = Predictor(args.checkpoint, PredictOptions(**told), args.device)
    scenes = _scenes(args.rasters, args.mosaic)
    try:
        return (
            _predict_one(predictor, scenes[0], args)
            if len(scenes) == 1
            else _predict_all(predictor, scenes, args)
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt("Rows that were finished are kept: go on with --resume.") from None


def _predict_one(predictor: "Predictor", scene: "ScenePath", args: Namespace) -> int:
    with _engine(args) as engine:
        _predict_scene(predictor, scene, args, engine)
    return 0


def _predict_all(predictor: "Predictor", scenes: Sequence["ScenePath"], args: Namespace) -> int:
    """Predict several scenes; one that fails does not keep the others from being predicted.

    Returns:
        1 where a scene failed.
    """
    from ..output.output import check_writable_folder
    from ..predict import SceneList

    states = SceneList(check_writable_folder(args.out_dir), scenes)
    _check_scenes(predictor, scenes, states)
    with _engine(args) as engine:
        for number, scene in enumerate(scenes):
            if states.states[number].status == "failed":
                continue
            states.begin(number)
            try:
                states.finish(number, _predict_scene(predictor, scene, args, engine))
            except ClusterError:  # the next scene would fare no better
                raise
            except HieraRSError as error:
                _note_failure(states, number, scene, error)
    if not states.failed:
        return 0
    names = ", ".join(state.name or str(state.source) for state in states.failed)
    sys.stderr.write(
        f"hierars-geo: {len(states.failed)} of {len(scenes)} scenes failed: {names} (see manifest.json in "
        f"{args.out_dir}). The same command with --resume predicts only these.\n"
    )
    return 1


def _predict_scene(
    predictor: "Predictor", scene: "ScenePath", args: Namespace, engine: "DaskEngine | None"
) -> "Maps":
    from .progress import progress_bar

    with progress_bar(f"predict {_title(scene)}") as progress:
        maps = predictor.predict(
            scene, args.out_dir, args.overwrite, progress, resume=args.resume, engine=engine
        )
    for path in maps.files:
        sys.stdout.write(f"{path}\n")
    return maps


def _engine(args: Namespace) -> "AbstractContextManager[DaskEngine | None]":
    from ..predict import DaskEngine

    return DaskEngine(args.scheduler, args.workers) if args.engine == "dask" else nullcontext()


def _note_failure(states: "SceneList", number: int, scene: "ScenePath", error: HieraRSError) -> None:
    states.fail(number, error)
    sys.stderr.write(f"hierars-geo: {_title(scene)}: {error}\n")


def _batch_size(text: str) -> int | Literal["auto"]:
    return "auto" if text == "auto" else int(text)


def _scenes(rasters: Sequence[str], mosaic: bool) -> list["ScenePath"]:
    """Return what to predict, patterns written out: each raster, or all of them as one scene.

    Raises:
        MissingFileError: Nothing fits a pattern.
    """
    from ..scenes.stac_items import is_stac, item_addresses

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


__all__ = ("main", "parser")
