"""Which files of a folder are maps, and of which scene and level."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import DataError, MissingFileError
from ..scenes.dataset import open_dataset
from .cog import CONFIDENCE_BAND

_MAP = re.compile(
    r"(?P<scene>.+?)(?P<confidence>_conf)?_L(?P<level>[1-9]\d*)\.tiff?", re.IGNORECASE | re.DOTALL
)
_OTHER = re.compile(
    r"(?P<scene>.+)_(?P<kind>levels|depth|adaptive|entropy|probabilities|di|aoa)\.tiff?",
    re.IGNORECASE | re.DOTALL,
)
_CONFIDENCE = "_conf"
#: How models end, which are given by mistake.
_MODELS = (".ckpt", ".onnx", ".pt2")
#: Tag of a class raster that names its tree in the catalog.
TAXONOMY_TAG = "HIERARS_TAXONOMY"
#: Key of a class raster whose name says no level: that of the leaves.
LEAF = 0


@dataclass(frozen=True)
class MapFiles:
    """Files of one scene.

    Attributes:
        scene: Name of the scene.
        folder: Where the files lie.
        classes: Class raster by level; by :data:`LEAF` where its name says none.
        confidence: Confidence raster by level.
        others: Further rasters by kind: ``levels`` (a band per level), ``depth``, ``adaptive``, ...
    """

    scene: str
    folder: Path
    classes: dict[int, Path] = field(default_factory=dict)
    confidence: dict[int, Path] = field(default_factory=dict)
    others: dict[str, Path] = field(default_factory=dict)

    @property
    def item(self) -> Path:
        """The STAC item, which need not exist."""
        return self.folder / f"{self.scene}.json"

    @property
    def has_maps(self) -> bool:
        """Whether there is a class raster."""
        return bool(self.classes) or "levels" in self.others


def find_map_files(source: str | Path) -> list[MapFiles]:
    """Find the rasters of scenes by name, at least one.

    Args:
        source: A folder with ``<scene>_L1.tif`` ... of scenes; or one class raster: of ``<scene>_L3.tif`` the
            files of the other levels beside it are taken too, any other name stands for a raster of leaves.

    Raises:
        MissingFileError: The source does not exist, or the folder holds no class raster.
        DataError: The source is neither file nor folder, a confidence raster, or a model.
    """
    path = Path(source)
    if not path.exists():
        raise MissingFileError(
            f"Expected {path} to be a folder of maps or a class raster, but it does not exist. "
            "Check the path."
        )
    if path.suffix.lower() in _MODELS:
        raise DataError(
            f"Expected {path} to be a folder of maps or a class raster, but it is a model. Predict with it "
            f"first: hierars-geo predict {path} scene.tif -o maps."
        )
    if path.is_file():
        return [_beside(path)]
    if not path.is_dir():
        raise DataError(
            f"Expected {path} to be a raster or a folder of maps, but it is a pipe or a device. "
            "Copy it into a file first."
        )
    scenes = [files for _, files in sorted(_list_scenes(path).items()) if files.has_maps]
    if not scenes:
        raise MissingFileError(
            f"Expected {path} to hold class rasters (SCENE_L1.tif, SCENE_L2.tif, ...), but got none. "
            "Give the folder that predict wrote to, or one class raster with its taxonomy."
        )
    return scenes


def _beside(path: Path) -> MapFiles:
    """The scene that a raster belongs to."""
    if _MAP.fullmatch(path.name) or _OTHER.fullmatch(path.name):
        for files in _list_scenes(path.parent).values():
            if path in files.confidence.values():
                raise DataError(
                    f"Expected a class raster, but {path} holds the confidence of {files.scene}. "
                    f"Give the map itself, {files.scene}_L1.tif."
                )
            if files.scene == _scene(path):
                files.classes[_level(path)] = path
                return files
            if files.others.get("levels") == path:
                return files
    return MapFiles(path.stem, path.parent, {LEAF: path})


def _level(path: Path) -> int:
    match = _MAP.fullmatch(path.name)
    return int(match["level"]) if match else LEAF


def _scene(path: Path) -> str:
    """Name before the level, whatever it ends in."""
    match = _MAP.fullmatch(path.name)
    return f"{match['scene']}{match['confidence'] or ''}" if match else path.stem


def _list_scenes(folder: Path) -> dict[str, MapFiles]:
    """Sort the rasters of a folder by scene."""
    names = sorted(path for path in folder.iterdir() if path.is_file())
    rasters = [path for path in names if _MAP.fullmatch(path.name)]
    prefixes = {_scene(path) for path in rasters}
    own = {name for name in prefixes if name.endswith(_CONFIDENCE) and _is_scene(name, folder, rasters)}
    scenes: dict[str, MapFiles] = {}
    for path in rasters:
        name = _scene(path)
        is_class = not name.endswith(_CONFIDENCE) or name in own
        scene = name if is_class else name.removesuffix(_CONFIDENCE)
        files = scenes.setdefault(scene, MapFiles(scene, folder))
        (files.classes if is_class else files.confidence).setdefault(_level(path), path)
    for path in names:
        match = _OTHER.fullmatch(path.name)
        if match and (match["kind"].lower() != "levels" or _is_stack(path)):
            files = scenes.setdefault(match["scene"], MapFiles(match["scene"], folder))
            files.others.setdefault(match["kind"].lower(), path)
    return scenes


def _is_scene(name: str, folder: Path, rasters: Iterable[Path]) -> bool:
    """Tell the maps of a scene that happens to be named ``x_conf`` from the confidences of ``x``.

    The item says so; without one, the absence of maps of ``x`` and what the rasters call their band.
    """
    for scene, answer in ((name, True), (name.removesuffix(_CONFIDENCE), False)):
        if (folder / f"{scene}.json").exists():
            return answer
    named = [path for path in rasters if _scene(path) == name]
    if any(_scene(path) == name.removesuffix(_CONFIDENCE) for path in rasters):
        return False
    with open_dataset(str(named[0])) as dataset:
        return bool(dataset.descriptions[0] != CONFIDENCE_BAND)


def _is_stack(path: Path) -> bool:
    """Tell what predict wrote from any raster whose name ends in ``_levels``."""
    with open_dataset(str(path)) as dataset:
        return TAXONOMY_TAG in dataset.tags()


def stacked_levels(path: Path, level_names: tuple[str, ...]) -> dict[int, int]:
    """Find the 1-based band of each level in a raster that predict wrote with a band per level.

    Raises:
        RasterError: It cannot be read.
    """
    with open_dataset(str(path)) as dataset:
        named: tuple[str | None, ...] = dataset.descriptions
    return {
        level_names.index(name) + 1: band
        for band, name in enumerate(named, start=1)
        if name is not None and name in level_names
    }
