"""SceneMaps: the maps of one scene with everything that belongs to them."""

import json
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import DataError, HieraRSWarning, MissingFileError, OptionError, RasterError
from ..grid import GeoGrid, same_grid
from ..scenes.dates import time_in_name
from ..scenes.sensors import sensor_names
from ..taxonomy import Legend, Taxonomy
from ..taxonomy.depth import adaptive_taxonomy
from .classmap import ClassMapReader, open_class_map
from .cog import CONFIDENCE_NODATA
from .map_files import TAXONOMY_TAG, MapFiles, stacked_levels
from .outside import elsewhere
from .path_map import PathMap
from .styles.stac import path_of

#: Property of a STAC item that holds the whole tree.
TAXONOMY_PROPERTY = "hierars:taxonomy"
#: Property that holds what the model knows of its own confidence.
CALIBRATION_PROPERTY = "hierars:calibration"
#: What an item says of the maps.
_PARTS = ("properties", "assets")
#: Name of the asset of a level.
_LEVEL = re.compile(r"L[1-9]\d*")
#: What the note of a promise begins with in the item.
_PROMISE = "Adaptive map: "


@dataclass(frozen=True)
class SceneMaps:
    """The maps of one scene; made by :func:`describe_scene`, read after :meth:`open`.

    Attributes:
        name: Name of the scene, the files' common prefix.
        folder: Where the files lie.
        grid: Where the pixels lie; the same for every map.
        taxonomy: The class tree.
        classes: Level (from 1) -> class raster, coarsest first; levels may be missing.
        bands: Level -> 1-based band, of levels that are a band of a file.
        confidence: Level -> confidence raster (per cent), for the levels that have one.
        others: Further rasters by kind: ``depth`` (the finest level that is sure enough), ``adaptive`` (the
            class at that level), ``entropy``, ``probabilities``, ``levels`` (a band per level), ``aoa`` (the
            area of applicability), ``di`` (how unlike the training ground).
        item: The STAC item, if there is one.
        properties: Its properties without the class tree; empty without an item.
    """

    name: str
    folder: Path
    grid: GeoGrid
    taxonomy: Taxonomy
    classes: Mapping[int, Path]
    bands: Mapping[int, int]
    confidence: Mapping[int, Path]
    others: Mapping[str, Path]
    item: Path | None
    properties: Mapping[str, Any]

    @property
    def levels(self) -> tuple[int, ...]:
        """Levels that the maps tell, coarsest first: those above the finest map follow from it."""
        return tuple(range(1, self.finest + 1))

    @property
    def finest(self) -> int:
        """The finest level that has a map."""
        return max(self.classes)

    @property
    def promise(self) -> str | None:
        """Sentence of what the adaptive map promises; None where it promises nothing."""
        notes = self.properties.get("hierars:notes")
        told = [str(note) for note in notes] if isinstance(notes, list) else []
        return next((note.removeprefix(_PROMISE) for note in told if note.startswith(_PROMISE)), None)

    @property
    def sensor(self) -> str | None:
        """Entry of the sensor catalog that the image was read as; None where unknown."""
        sensor = self.properties.get("hierars:sensor")
        return sensor if sensor in sensor_names() else None

    @property
    def depth(self) -> Path | None:
        """Raster of the finest level that is sure enough, if there is one."""
        return self.others.get("depth")

    @property
    def adaptive(self) -> Path | None:
        """Raster of the classes at that level, if there is one."""
        return self.others.get("adaptive")

    @cached_property
    def adaptive_legend(self) -> Taxonomy:
        """Values, names and colours of that raster, as a tree of one level."""
        return adaptive_taxonomy(self.taxonomy, self.shows_sets)

    @property
    def shows_sets(self) -> bool:
        """Whether that raster shows sets of sibling classes, too."""
        return self._option("sets") is True

    @property
    def depth_threshold(self) -> float | None:
        """Confidence that a class has to reach in these two, 0..1; None where nobody says."""
        value = self._option("depth_threshold")
        return float(value) if isinstance(value, int | float) and 0 <= value <= 1 else None

    def _option(self, name: str) -> object:
        options = self.properties.get("hierars:options")
        return options.get(name) if isinstance(options, Mapping) else None

    @property
    def layers(self) -> dict[str, Path]:
        """Every raster by its name in the item: ``L1``, ``conf_L1``, ``depth``."""
        own = {f"L{level}": path for level, path in self.classes.items() if level not in self.bands}
        sure = {f"conf_L{level}": path for level, path in self.confidence.items()}
        return own | sure | dict(self.others)

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file there is, the item last."""
        return (*self.layers.values(), *([self.item] if self.item else []))

    @property
    def date(self) -> str | None:
        """When the image was taken, ``YYYY-MM-DD`` or a range; None where unknown.

        An item must have a time, so one without a known acquisition carries that of its own making: then the
        name of the scene may tell.
        """
        start, end = self.properties.get("start_datetime"), self.properties.get("end_datetime")
        if start and end:
            days = dict.fromkeys((str(start)[:10], str(end)[:10]))
            return " to ".join(days)
        moment = self.properties.get("datetime")
        made = self.properties.get("created")
        to_second = len("YYYY-MM-DDTHH:MM:SS")
        if moment and not (made and str(moment)[:to_second] == str(made)[:to_second]):
            return str(moment)[:10]
        named = time_in_name(self.name, 1)
        return None if named is None else named.date().isoformat()

    @contextmanager
    def open(self, settle: bool = False) -> Iterator[PathMap]:
        """Open the rasters as one map of legal paths.

        Args:
            settle: Give classes with several parents the first of them where no map of a coarser level tells.

        Raises:
            RasterError: A raster is unreadable or has changed.
            DataError: The rasters do not settle the path of every pixel.
        """
        with ExitStack() as stack:
            classes = {
                level: stack.enter_context(open_class_map(path, self.bands.get(level)))
                for level, path in self.classes.items()
            }
            confidence = {
                level: stack.enter_context(open_class_map(path)) for level, path in self.confidence.items()
            }
            aoa = self.others.get("aoa")
            known = None if aoa is None else stack.enter_context(open_class_map(aoa))
            if known is not None and not same_grid(known.grid, self.grid):
                raise elsewhere(known.path, self.name)
            yield PathMap(self.name, self.taxonomy, classes, confidence, settle, known)


def describe_scene(files: MapFiles, given: Taxonomy | str | Path | None = None) -> SceneMaps:
    """Look at the files of a scene: its tree, its grid, its item, and whether they fit each other.

    Args:
        files: The files.
        given: The class tree, its name in the catalog, or the path of a YAML file; default what comes with
            the maps: in the item, else as the rasters are tagged.

    Raises:
        OptionError: Nothing says which tree it is.
        DataError: The item is no readable JSON, or there are maps of levels that the tree lacks.
        MissingFileError: No such tree in the catalog.
        TaxonomyError: The tree is malformed, or a class of it is declared nodata.
        RasterError: A raster is unreadable, no class raster, or not on the grid of the others.
    """
    item = _read_item(files.item, given is None)
    properties, assets = (dict(item[key]) if isinstance(item.get(key), dict) else {} for key in _PARTS)
    content = properties.pop(TAXONOMY_PROPERTY, None)
    taxonomy = _find_taxonomy(files, given, content)
    classes = _of_the_item(files, assets, taxonomy)
    bands: dict[int, int] = {}
    if stack := files.others.get("levels"):
        bands = {
            level: band
            for level, band in stacked_levels(stack, taxonomy.level_names).items()
            if level not in classes
        }
        classes |= dict.fromkeys(bands, stack)
    classes = dict(sorted(classes.items()))
    if not classes or max(classes) > taxonomy.num_levels:
        found = (
            f"one of level {max(classes)} (in {classes[max(classes)]})" if classes else f"none (in {stack})"
        )
        raise DataError(
            f"Expected maps of levels 1..{taxonomy.num_levels} of taxonomy {taxonomy.name}, but got {found}. "
            "Give the taxonomy of these maps, or move the file away."
        )
    return SceneMaps(
        name=files.scene,
        folder=files.folder,
        grid=_common_grid(classes, bands, files.confidence, taxonomy),
        taxonomy=taxonomy,
        classes=classes,
        bands=bands,
        confidence=dict(sorted(files.confidence.items())),
        others=files.others,
        item=files.item if files.item.is_file() else None,
        properties=properties,
    )


def _find_taxonomy(files: MapFiles, given: Taxonomy | str | Path | None, content: object) -> Taxonomy:
    if given is not None:
        return Taxonomy.of(given)
    if isinstance(content, Mapping):
        return Taxonomy.from_dict(content, origin=f"{files.item}, {TAXONOMY_PROPERTY}")
    raster = max(files.classes.items())[1] if files.classes else files.others["levels"]
    with open_class_map(raster, None if files.classes else 1) as reader:
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


def _read_item(path: Path, needed: bool) -> dict[str, Any]:
    """Read a STAC item; empty where there is none, or it is damaged and not needed."""
    if not path.is_file():
        return {}
    try:
        item = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        said = (
            f"Expected {path} to be the STAC item of the maps beside it, but it is no readable JSON "
            f"({' '.join(str(error).split())}). Correct it, or give --taxonomy."
        )
        if needed:
            raise DataError(said) from error
        warnings.warn(said, HieraRSWarning, stacklevel=4)
        return {}
    return item if isinstance(item, dict) else {}


def _of_the_item(files: MapFiles, assets: Mapping[str, Any], taxonomy: Taxonomy) -> dict[int, Path]:
    """Class raster by level, those of an older run left out.

    The item names the maps that were written together. Which of them are missing, and which there are
    besides, is said.
    """
    found = {level or taxonomy.num_levels: path for level, path in files.classes.items()}
    hrefs = {
        int(name[1:]): Path(path_of(asset["href"])).name
        for name, asset in assets.items()
        if _LEVEL.fullmatch(name) and isinstance(asset, dict) and isinstance(asset.get("href"), str)
    }
    there = [name for name in hrefs.values() if (files.folder / name).exists()]
    missing = [name for name in hrefs.values() if name not in there]
    if missing:
        warnings.warn(
            f"{', '.join(missing)}, named in {files.item}, is not beside it: its level is left out.",
            HieraRSWarning,
            stacklevel=4,
        )
    older = [path.name for level, path in found.items() if level not in hrefs] if there else []
    if older:
        warnings.warn(
            f"{', '.join(older)}, not named in {files.item}, is of another run: its level is left out.",
            HieraRSWarning,
            stacklevel=4,
        )
    return {level: path for level, path in found.items() if path.name not in older}


def _common_grid(
    classes: Mapping[int, Path], bands: Mapping[int, int], confidence: Mapping[int, Path], taxonomy: Taxonomy
) -> GeoGrid:
    """Return the grid of all rasters, the finest level's.

    Raises:
        TaxonomyError: A raster declares a class as nodata.
        RasterError: One differs, or is no raster of its kind.
    """
    with ExitStack() as stack:
        maps = {
            level: stack.enter_context(open_class_map(path, bands.get(level)))
            for level, path in classes.items()
        }
        for level, reader in maps.items():
            Legend(taxonomy, level).refuse_nodata(reader.nodata, reader.path)
        grid = maps[max(maps)].grid
        for path in confidence.values():
            _check_confidence(stack.enter_context(reader := open_class_map(path)))
            maps[-len(maps)] = reader
        for reader in maps.values():
            if not same_grid(reader.grid, grid):
                raise RasterError(
                    f"Expected {reader.path} to have the CRS, size and pixels of the scene's finest map, but "
                    "it has not. Predict the scene again, or move the file away."
                )
    return grid


def _check_confidence(reader: ClassMapReader) -> None:
    if reader.dtype != "uint8" or reader.nodata not in (None, CONFIDENCE_NODATA):
        raise RasterError(
            f"Expected a confidence raster of bytes with nodata {CONFIDENCE_NODATA}, but got {reader.dtype} "
            f"with nodata {reader.nodata} (in {reader.path}). Predict the scene again, or move the file away."
        )
