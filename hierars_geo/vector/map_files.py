"""Which rasters belong to one predicted scene, and which class tree they show."""

import json
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DataError, HieraRSWarning, MissingFileError, OptionError
from ..maps.classmap import open_class_map
from ..maps.styles.stac import path_of
from ..taxonomy import Taxonomy

_LEVEL_FILE = re.compile(
    r"(?P<scene>.+?)(?P<confidence>_conf)?_L(?P<level>[1-9]\d*)\.tiff?", re.IGNORECASE | re.DOTALL
)
#: Name of the asset of a level.
_LEVEL = re.compile(r"L[1-9]\d*")
#: Tag of a class raster that names its tree in the catalog.
TAXONOMY_TAG = "HIERARS_TAXONOMY"
#: Property of a STAC item that holds the whole tree.
TAXONOMY_PROPERTY = "hierars:taxonomy"
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
    """

    scene: str
    folder: Path
    classes: dict[int, Path]
    confidence: dict[int, Path]

    @property
    def item(self) -> Path:
        """The STAC item, which need not exist."""
        return self.folder / f"{self.scene}.json"


def find_map_files(source: str | Path) -> MapFiles:
    """Find the rasters of a scene.

    Args:
        source: A folder with ``<scene>_L1.tif`` ... of one scene; or one class raster: of ``<scene>_L3.tif``
            the files of the other levels beside it are taken too, any other name stands for a raster of
            leaves.

    Returns:
        The files.

    Raises:
        MissingFileError: The source does not exist, or the folder holds no class raster.
        DataError: The folder holds several scenes, or the source is neither file nor folder.
    """
    path = Path(source)
    if not path.exists():
        raise MissingFileError(
            f"Expected {path} to be a folder of maps or a class raster, but it does not exist. "
            "Check the path."
        )
    if path.is_file():
        match = _LEVEL_FILE.fullmatch(path.name)
        if match is None or match["confidence"]:
            return MapFiles(path.stem, path.parent, {LEAF: path}, {})
        files = _list_scenes(path.parent)[match["scene"]]
        files.classes[int(match["level"])] = path
        return files
    if not path.is_dir():
        raise DataError(
            f"Expected {path} to be a raster or a folder of maps, but it is a pipe or a device. "
            "Copy it into a file first."
        )
    scenes = {name: files for name, files in _list_scenes(path).items() if files.classes}
    if not scenes:
        raise MissingFileError(
            f"Expected {path} to hold class rasters (SCENE_L1.tif, SCENE_L2.tif, ...), but got none. "
            "Give the folder that predict wrote to, or one class raster with --taxonomy."
        )
    if len(scenes) > 1:
        listed = ", ".join(list(scenes)[:5]) + (", ..." if len(scenes) > 5 else "")
        first = next(iter(scenes.values()))
        raise DataError(
            f"Expected {path} to hold one scene, but got {len(scenes)} ({listed}). "
            f"Name a raster of one of them, for example {max(first.classes.items())[1]}."
        )
    return next(iter(scenes.values()))


def _list_scenes(folder: Path) -> dict[str, MapFiles]:
    scenes: dict[str, MapFiles] = {}
    for path in sorted(folder.iterdir()):
        match = _LEVEL_FILE.fullmatch(path.name)
        if match is None or not path.is_file():
            continue
        files = scenes.setdefault(match["scene"], MapFiles(match["scene"], folder, {}, {}))
        kind = files.confidence if match["confidence"] else files.classes
        kind.setdefault(int(match["level"]), path)
    return scenes


def find_taxonomy(files: MapFiles, given: Taxonomy | str | Path | None = None) -> Taxonomy:
    """Find the class tree of a scene: as given, else in its STAC item, else as its rasters are tagged.

    Args:
        files: The scene.
        given: A tree, a name of the catalog or the path of a YAML file.

    Returns:
        The tree.

    Raises:
        OptionError: Nothing says which tree it is.
        DataError: The item is no readable JSON.
        MissingFileError: No such tree in the catalog.
        TaxonomyError: The tree is malformed.
    """
    if given is not None:
        return given if isinstance(given, Taxonomy) else Taxonomy.from_yaml(given)
    content = _read_item(files.item)
    if content is not None:
        return Taxonomy.from_dict(content, origin=str(files.item))
    raster = max(files.classes.items())[1]
    with open_class_map(raster) as reader:
        name = reader.tags.get(TAXONOMY_TAG)
    if name is None:
        raise OptionError(
            f"Expected {raster} to come with its class tree ({files.item.name} beside it, or the tag "
            f"{TAXONOMY_TAG}), but got none. Name it: --taxonomy NAME."
        )
    try:
        return Taxonomy.from_yaml(name)
    except MissingFileError as error:
        raise OptionError(
            f"Expected the class tree of {raster} in {files.item.name} beside it or in the catalog, but got "
            f"only its name, '{name}'. Name its file: --taxonomy FILE."
        ) from error


def note_missing_levels(item: object, path: Path) -> None:
    """Say which maps a STAC item names that do not lie beside it: results lack their levels.

    Args:
        item: Content of the item.
        path: The item.
    """
    assets = item.get("assets") if isinstance(item, dict) else None
    hrefs = [
        asset["href"]
        for name, asset in (assets.items() if isinstance(assets, dict) else ())
        if _LEVEL.fullmatch(name) and isinstance(asset, dict) and isinstance(asset.get("href"), str)
    ]
    missing = [
        name for name in (Path(path_of(href)).name for href in hrefs) if not (path.parent / name).exists()
    ]
    if missing:
        warnings.warn(
            f"{', '.join(missing)}, named in {path}, is not beside it: its level is left out.",
            HieraRSWarning,
            stacklevel=3,
        )


def _read_item(path: Path) -> Mapping[str, Any] | None:
    """Return the tree of a STAC item, None where there is no item or no tree in it."""
    if not path.is_file():
        return None
    try:
        item = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"Expected {path} to be the STAC item of the maps beside it, but it is no readable JSON "
            f"({error}). Correct it, or give --taxonomy."
        ) from error
    note_missing_levels(item, path)
    properties = item.get("properties") if isinstance(item, dict) else None
    return properties.get(TAXONOMY_PROPERTY) if isinstance(properties, dict) else None


__all__ = (
    "LEAF",
    "TAXONOMY_PROPERTY",
    "TAXONOMY_TAG",
    "MapFiles",
    "find_map_files",
    "find_taxonomy",
    "note_missing_levels",
)
