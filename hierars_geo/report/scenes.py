"""Which files of a prediction folder make up which scene."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import MissingFileError, RasterError
from ..grid import GeoGrid, same_grid
from ..maps.classmap import open_class_map
from ..taxonomy import Taxonomy
from ..vector.map_files import note_missing_levels

_LEVEL_FILE = re.compile(r"(?P<scene>.+)_L(?P<level>[1-9]\d*)\.tif", re.DOTALL)
_TAXONOMY = "hierars:taxonomy"


@dataclass(frozen=True)
class PredictedScene:
    """The maps of one scene.

    Attributes:
        name: Name of the scene, the files' common prefix.
        grid: Where the pixels lie; the same for every map.
        taxonomy: The class tree of the maps.
        maps: Level (from 1) -> class raster, coarsest first; levels may be missing.
        confidence: Level -> confidence raster (per cent), for the levels that have one.
        depth: Adaptive-depth raster, if there is one.
        properties: Properties of the scene's STAC item without the class tree.
    """

    name: str
    grid: GeoGrid
    taxonomy: Taxonomy
    maps: Mapping[int, Path]
    confidence: Mapping[int, Path]
    depth: Path | None
    properties: Mapping[str, Any]

    @property
    def levels(self) -> tuple[int, ...]:
        """Levels that have a map, coarsest first."""
        return tuple(self.maps)

    @property
    def finest(self) -> int:
        """The finest level that has a map."""
        return self.levels[-1]

    @property
    def date(self) -> str | None:
        """When the image was taken, ``YYYY-MM-DD`` or a range; None where unknown.

        An item must have a time, so one without a known acquisition carries that of its own making.
        """
        start, end = self.properties.get("start_datetime"), self.properties.get("end_datetime")
        if start and end:
            days = dict.fromkeys((str(start)[:10], str(end)[:10]))
            return " to ".join(days)
        moment = self.properties.get("datetime")
        made = self.properties.get("created")
        to_second = len("YYYY-MM-DDTHH:MM:SS")
        if not moment or (made and str(moment)[:to_second] == str(made)[:to_second]):
            return None
        return str(moment)[:10]


def find_scenes(folder: Path) -> tuple[PredictedScene, ...]:
    """Find the scenes of a prediction folder.

    Args:
        folder: Holds ``scene_L1.tif`` ... and ``scene.json`` per scene.

    Returns:
        Scenes by name.

    Raises:
        MissingFileError: No such folder, no map in it, or a map without its ``.json``.
        RasterError: Maps of a scene differ in their grids, or a raster cannot be read.
        TaxonomyError: The class tree of an item is not valid.
    """
    if not folder.is_dir():
        raise MissingFileError(
            f"Expected {folder} to be the output folder of a prediction, but it is no folder. Check the path."
        )
    found: dict[str, dict[int, Path]] = {}
    for path in sorted(folder.iterdir()):
        match = _LEVEL_FILE.fullmatch(path.name)
        if match and not _is_confidence(folder, match["scene"]):
            found.setdefault(match["scene"], {})[int(match["level"])] = path
    if not found:
        raise MissingFileError(
            f"Expected {folder} to hold maps such as scene_L1.tif, but got none. "
            "Give the output folder of 'hierars-geo predict'."
        )
    return tuple(_scene(folder, name, dict(sorted(maps.items()))) for name, maps in sorted(found.items()))


def _is_confidence(folder: Path, name: str) -> bool:
    """Tell ``scene_conf_L1.tif`` from a map of a scene that happens to be named ``..._conf``."""
    return name.endswith("_conf") and not (folder / f"{name}.json").exists()


def _scene(folder: Path, name: str, maps: Mapping[int, Path]) -> PredictedScene:
    properties = _read_properties(folder / f"{name}.json")
    taxonomy = Taxonomy.from_dict(properties.pop(_TAXONOMY), origin=f"{folder / name}.json, {_TAXONOMY}")
    for level, path in maps.items():
        if level > taxonomy.num_levels:
            raise RasterError(
                f"Expected maps of the {taxonomy.num_levels} levels of taxonomy {taxonomy.name}, "
                f"but got {path}. Move it away, or predict again."
            )
    conf = {level: folder / f"{name}_conf_L{level}.tif" for level in maps}
    depth = folder / f"{name}_depth.tif"
    confidence = {level: path for level, path in conf.items() if path.exists()}
    depth_path = depth if depth.exists() else None
    grid = _common_grid([*maps.values(), *confidence.values(), *([depth_path] if depth_path else [])])
    return PredictedScene(name, grid, taxonomy, maps, confidence, depth_path, properties)


def _read_properties(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise MissingFileError(
            f"Expected {path} beside the maps (it holds their class tree), but it does not exist. "
            "Copy it there, or predict again."
        )
    try:
        item = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RasterError(
            f"Expected {path} to be a STAC item in JSON, but got: {' '.join(str(error).split())}. "
            "Predict again."
        ) from error
    note_missing_levels(item, path)
    properties = item.get("properties") if isinstance(item, dict) else None
    if not isinstance(properties, dict) or not isinstance(properties.get(_TAXONOMY), dict):
        raise RasterError(
            f"Expected {path} to be a STAC item with the property {_TAXONOMY}, but it has none. "
            "Give the output folder of 'hierars-geo predict'."
        )
    return properties


def _common_grid(paths: list[Path]) -> GeoGrid:
    """Return the grid of all rasters.

    Raises:
        RasterError: One differs from the first.
    """
    grids = []
    for path in paths:
        with open_class_map(path) as reader:
            grids.append(reader.grid)
        if not same_grid(grids[-1], grids[0]):
            raise RasterError(
                f"Expected the maps of a scene to share one grid, but {path} ({grids[-1].width} x "
                f"{grids[-1].height} px) differs from {paths[0]} ({grids[0].width} x {grids[0].height} px). "
                "Predict the scene again."
            )
    return grids[0]


__all__ = ("PredictedScene", "find_scenes")
