"""``hierars-geo predict``: a checkpoint and rasters in, one GeoTIFF per level out."""

import sys
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from glob import glob, has_magic
from itertools import islice
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ..errors import ClusterError, HieraRSError, MissingFileError, OptionError
from ..predict.options import PredictOptions
from ..types import as_day
from .verbosity import complain

if TYPE_CHECKING:
    from ..maps import Maps
    from ..predict import DaskEngine, Predictor, SceneList, ScenePath, SceneRun
    from ..scenes.scene import ScenePaths
    from ..types import ReadRecipe

EXAMPLES = """examples:
  hierars-geo predict model.ckpt scene.tif -o maps
  hierars-geo predict model.ckpt scene.tif -o maps --confidence --depth-threshold 0.7
  hierars-geo predict model.ckpt 'tiles/*.tif' -o maps --mosaic --region 5.1,47.2,5.4,47.5
  hierars-geo predict model.ckpt scene.tif -o maps --resume
  hierars-geo predict model.ckpt sentinel1=S1.tif sentinel2=season -o maps      # a model of several sources
  hierars-geo predict season.ckpt season -o early --until 2021-05-31,2021-06-30     # a folder for each day
  hierars-geo predict model.ckpt S2_folder -o maps --window 256 --overlap 0.5 --tta flips turns
  hierars-geo predict model.ckpt a.tif b.tif -o maps --engine dask --scheduler tcp://10.0.0.1:8786
"""


#: Whose groups are options of the command, too, under their names.
OPTIONS = PredictOptions

#: Who predicts a scene, the scene, and the folder of its maps.
_Order: TypeAlias = "tuple[Predictor, ScenePath, Path]"

#: Number of a scene, its run, and what it holds open.
_Begun: TypeAlias = "tuple[int, SceneRun, ExitStack]"

#: Scenes that are begun behind the one that is being finished, each with a lock and some files.
_MOST_BEHIND = 32


def run(
    checkpoint: str,
    rasters: list[str],
    *,
    out_dir: str,
    device: str = "auto",
    engine: Literal["local", "dask"] = "local",
    scheduler: str | None = None,
    workers: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    **told: Any,  # noqa: ANN401
) -> int:
    """Predict rasters of any size: one cloud-optimised GeoTIFF per level, on the scene's own grid.

    Args:
        checkpoint: Checkpoint of a trained model, its exported ONNX file, or the name of a published model.
        rasters: Per scene a raster, a folder with a file per band, a STAC item; or a STAC item collection,
            catalog or collection of scenes; paths, or addresses such as https://..., s3://...; of a model of
            series the images of one season, or their folder; of a model of several sources NAME=PATH for
            each.
        out_dir: Folder of the maps.
        device: auto, cpu, cuda, all, or cuda:0,cuda:1.
        engine: Who computes.
        scheduler: Address of a Dask scheduler (default: start workers here).
        workers: Dask workers to start here (default: one per GPU or core).
        resume: Compute only what an earlier, broken run lacks.
        overwrite: Replace maps that exist.
        **told: Options of a prediction by their names.
    """
    folders = {Path(out_dir): told.get("until")}
    if len(days := str(told.get("until")).split(",")) > 1:  # as many maps of one season, a folder for each
        folders = {Path(out_dir) / as_day(day, "--until").isoformat(): day for day in days}
    if engine == "local" and (scheduler or workers):
        raise OptionError("--scheduler and --workers are for --engine dask. See hierars-geo predict --help.")
    if told.get("risk") is not None and told.get("depth_threshold") is not None:
        raise OptionError(
            "--risk says the --depth-threshold: give one of them. See hierars-geo predict --help."
        )
    from ..predict import Predictor

    options = options_of(told)
    predictor = Predictor(checkpoint, options, device)
    found: list[ScenePath]
    recipe = predictor.recipe
    if recipe.sources and (named := _named(rasters)):
        found = [_sources(named, rasters, options.reading.mosaic, recipe)]
    elif predictor.of_series:
        found = [tuple(rasters)]
    else:
        found = [*_scenes(rasters, options.reading.mosaic, recipe)]
    orders = [
        (predictor.replaced(until=day), scene, folder) for folder, day in folders.items() for scene in found
    ]

    def begin(order: _Order, by: "DaskEngine | None") -> "AbstractContextManager[SceneRun]":
        who, scene, folder = order
        return who.begin(scene, folder, overwrite, resume, by)

    computing = _engine(scheduler, workers) if engine == "dask" else nullcontext()
    try:
        if len(orders) > 1:
            return _predict_all(orders, out_dir, begin, computing)
        with computing as by:
            with begin(orders[0], by) as begun:
                _finish(begun, orders[0])
            _say(begun.outputs.open())
        return 0
    except KeyboardInterrupt:
        raise KeyboardInterrupt("Rows that were finished are kept: go on with --resume.") from None


def _finish(run: "SceneRun", order: _Order) -> None:
    from .progress import progress_bar

    with progress_bar(f"predict {_title(order)}", f"write the maps of {_title(order)}") as progress:
        run.finish(progress)


def _say(maps: "Maps") -> None:
    for path in maps.files:
        sys.stdout.write(f"{path}\n")


def _engine(scheduler: str | None, workers: int | None) -> "DaskEngine":
    from ..predict import DaskEngine

    return DaskEngine(scheduler, workers)


def options_of(told: Mapping[str, Any]) -> PredictOptions:
    """Return the options of a prediction as the parser gives them: ``--tta`` may stand without a view."""
    views = told.get("tta")
    return PredictOptions(**{**told, "tta": views or views is not None})


def _predict_all(
    orders: Sequence[_Order],
    out_dir: str,
    begin: "Callable[[_Order, DaskEngine | None], AbstractContextManager[SceneRun]]",
    computing: "AbstractContextManager[DaskEngine | None]",
) -> int:
    """Predict several scenes; one that fails does not keep the others from being predicted."""
    from ..output import check_writable_folder
    from ..predict import SceneList

    states = SceneList(check_writable_folder(out_dir), [scene for _, scene, _ in orders])
    _check_scenes(orders, out_dir, states)
    left = deque(number for number, state in enumerate(states.states) if state.status != "failed")
    begun: deque[_Begun] = deque()
    with computing as by, ExitStack() as broken_off:
        broken_off.push(partial(_leave, begun))
        while left or begun:
            if left and _has_room(begun, by):
                number = left.popleft()
                states.begin(number)
                with _noting_failure(states, number, orders[number]), ExitStack() as held:
                    run = held.enter_context(begin(orders[number], by))
                    begun.append((number, run, held.pop_all()))
            else:
                number, run, held = begun.popleft()
                with _noting_failure(states, number, orders[number]):
                    with held:
                        _finish(run, orders[number])
                    maps = run.outputs.open()
                    _say(maps)
                    states.finish(number, maps)
    failed = [number for number, state in enumerate(states.states) if state.status == "failed"]
    if not failed:
        return 0
    names = ", ".join(states.states[number].name or _title(orders[number]) for number in failed)
    complain(
        f"{len(failed)} of {len(orders)} scenes failed: {names} (see manifest.json in "
        f"{out_dir}). The same command with --resume predicts only these."
    )
    return 1


def _has_room(begun: Collection[_Begun], by: "DaskEngine | None") -> bool:
    """Whether to begin another scene before the first of those that are begun is finished.

    An engine's workers go on with those behind it while its files are written.
    """
    behind = [len(run.missing) for _, run, _ in islice(begun, 1, None)]
    return not begun or (by is not None and len(behind) < _MOST_BEHIND and sum(behind) < by.chunks_ahead)


def _leave(
    begun: Iterable[_Begun],
    kind: type[BaseException] | None,
    error: BaseException | None,
    trace: TracebackType | None,
) -> None:
    """Give up scenes that are begun: their rows are kept."""
    for _, _, held in begun:
        held.__exit__(kind, error, trace)


@contextmanager
def _noting_failure(states: "SceneList", number: int, order: _Order) -> Iterator[None]:
    """Note why a scene fails, and go on; not where the next one would fare no better."""
    try:
        yield
    except ClusterError:
        raise
    except HieraRSError as error:
        _note_failure(states, number, order, error)


def _note_failure(states: "SceneList", number: int, order: _Order, error: HieraRSError) -> None:
    states.fail(number, error)
    complain(f"{_title(order)}: {error}")


def _named(rasters: Sequence[str]) -> list[tuple[str, str]]:
    """Return name and path of every NAME=PATH; a path or an address may hold the sign itself."""
    pairs = [raster.partition("=")[::2] for raster in rasters if not Path(raster).exists()]
    return [(name, path) for name, path in pairs if path and not set(name) & set("/\\:?*")]


def _sources(
    named: Sequence[tuple[str, str]], rasters: Sequence[str], mosaic: bool, recipe: "ReadRecipe"
) -> dict[str, "ScenePaths"]:
    """Return what every source of one scene is read from, patterns written out.

    Raises:
        OptionError: A source is given twice, there is something without a name besides, or a pattern fits
            several images.
        MissingFileError: Nothing fits a pattern.
    """
    if len(named) < len(rasters):
        raise OptionError(f"Expected NAME=PATH for every source, but got {' '.join(rasters)}. Name each.")
    found: dict[str, ScenePaths] = {}
    for name, path in named:
        if name in found:
            raise OptionError(
                f"Expected every source once, but got {name} twice. Give a folder or a pattern of its "
                "images, with --mosaic where they are tiles."
            )
        own = recipe.sources.get(name)
        images = [path] if own is None or own.series is not None else _scenes([path], mosaic, own)
        if len(images) > 1:
            raise OptionError(
                f"Expected one image of {name}, but got {len(images)} that fit {path}. Name one, or give "
                "--mosaic where they are tiles."
            )
        found[name] = images[0]
    return found


def _scenes(rasters: Sequence[str], mosaic: bool, recipe: "ReadRecipe") -> list["ScenePaths"]:
    """Return what to predict, patterns written out: each raster, or all of them as one scene.

    Masks that lie beside the rasters are read with them, not predicted.
    """
    from ..scenes.stac import scene_addresses

    paths: list[str] = []
    for raster in rasters:
        if not has_magic(raster) or "://" in raster or Path(raster).exists():
            paths += scene_addresses(raster)
            continue
        found = _images(sorted(glob(raster, recursive=True)), recipe)
        if not found:
            raise MissingFileError(f"Expected rasters that fit {raster}, but got none. Check the pattern.")
        paths += [path for file in found for path in scene_addresses(file)]
    if mosaic:
        return [tuple(path for item in paths for path in _images(_tiles(item), recipe))]
    return list(paths)


def _images(paths: Sequence[str], recipe: "ReadRecipe") -> list[str]:
    from ..scenes.masks import without_masks
    from ..scenes.sensors import GENERIC, find_sensor

    sensor = GENERIC if recipe.sensor is None else find_sensor(recipe.sensor)
    return without_masks(paths, sensor, recipe.mask)


def _tiles(path: str) -> list[str]:
    """Return the rasters of a folder of tiles; a product or another raster is a tile itself."""
    from ..scenes.band_files import list_rasters
    from ..scenes.products import is_safe

    folder = Path(path)
    if not folder.is_dir() or is_safe(folder):
        return [path]
    return [str(file) for file in list_rasters(folder)]


def _title(order: _Order) -> str:
    predictor, scene, _ = order
    day = "" if predictor.options.reading.until is None else f" until {predictor.options.reading.until}"
    if isinstance(scene, Mapping):
        return ", ".join(scene) + day
    if isinstance(scene, str | PathLike):
        return f"{scene}{day}"
    return f"{scene[0]}{day}" if len(scene) == 1 else f"{scene[0]} and {len(scene) - 1} more{day}"


def _check_scenes(orders: Sequence[_Order], out_dir: str, states: "SceneList") -> None:
    """Open every scene before the first is predicted; one that cannot be opened has failed.

    Raises:
        OptionError: Two would write the same files.
        HieraRSError: None can be opened.
    """
    raster_of: dict[str, str] = {}
    errors: dict[int, HieraRSError] = {}
    for number, order in enumerate(orders):
        predictor, raster, folder = order
        try:
            with predictor.open(raster) as scene:
                name = (folder / scene.name).relative_to(out_dir).as_posix()
        except HieraRSError as error:
            errors[number] = error
            continue
        states.named(number, name)
        if name in raster_of:
            raise OptionError(
                f"Expected scenes of different names, but got {raster_of[name]} and {_title(order)}, which "
                f"would both be written as {name}_L1.tif. Predict them into different folders."
            )
        raster_of[name] = _title(order)
    if len(errors) == len(orders):
        raise errors[0]
    for number, failure in errors.items():
        _note_failure(states, number, orders[number], failure)
