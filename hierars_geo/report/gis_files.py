"""Files beside the maps that other programs open: QGIS project, SLD, map style, STAC collection."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pyogrio
from pyogrio.errors import DataSourceError
from pyproj import CRS

from ..errors import DataError
from ..maps import Maps, MapSource, SceneMaps
from ..maps.styles.maplibre import maplibre_style
from ..maps.styles.project import ProjectGroup, ProjectLayer, qgis_project
from ..maps.styles.qml import confidence_qml, raster_qml, vector_qml
from ..maps.styles.sld import raster_sld
from ..output.output import atomic_path, check_writable_folder, refuse_existing
from ..taxonomy import Taxonomy
from .collection import COLLECTION_FILE, collect_items

_STYLE_QUERY = "SELECT styleQML FROM layer_styles WHERE f_table_name = ? AND useAsDefault"


def write_gis_files(
    source: MapSource, overwrite: bool = False, taxonomy: Taxonomy | str | Path | None = None
) -> tuple[Path, ...]:
    """Write what GIS programs, map servers, web maps and catalogs want beside the maps of a folder.

    ``SCENE.qgz`` (``maps.qgz`` for several scenes): a QGIS project with the levels of every scene, their
    confidences, the depth map and the polygons of GeoPackages in the folder, grouped; paths are relative, so
    the folder can be moved. ``SCENE_L1.sld`` ...: styles for map servers. ``SCENE.style.json``: a MapLibre
    style of ``SCENE_L1.geojson`` ... as vectorize writes them. ``collection.json``: a STAC collection of the
    scenes that have an item; their items get the links to it.

    Args:
        source: Maps of one folder: what predict wrote, or class rasters.
        overwrite: Replace files that exist.
        taxonomy: The class tree; default what comes with the maps.

    Returns:
        The files, in the order above.

    Raises:
        DataError: The maps lie in several folders.
        HieraRSError: The folder holds no maps, or a file exists or cannot be written.
    """
    scenes = Maps.open(source, taxonomy).scenes
    folder = scenes[0].folder
    if any(scene.folder.resolve() != folder.resolve() for scene in scenes):
        raise DataError("Expected maps of one folder, but got several. Write the files of each by itself.")
    contents = dict(_contents(folder, scenes))
    described = [scene for scene in scenes if scene.item is not None]
    items = {path: text.encode("utf-8") for path, text in collect_items(folder, described).items()}
    written = (*contents, *([folder / COLLECTION_FILE] if described else []))
    refuse_existing(written, overwrite)
    check_writable_folder(folder)
    for path, content in (contents | items).items():
        with atomic_path(path) as unfinished:
            unfinished.write_bytes(content)
    return written


def project_path(folder: Path, scenes: Sequence[SceneMaps]) -> Path:
    """Name the QGIS project of a folder."""
    return folder / f"{scenes[0].name if len(scenes) == 1 else 'maps'}.qgz"


def _contents(folder: Path, scenes: Sequence[SceneMaps]) -> Iterator[tuple[Path, bytes]]:
    yield project_path(folder, scenes), build_project(folder, scenes)
    for scene in scenes:
        for level in scene.levels:
            yield folder / f"{scene.name}_L{level}.sld", raster_sld(scene.taxonomy, level).encode("utf-8")
        sources = {level: f"./{scene.name}_L{level}.geojson" for level in scene.levels}
        style = maplibre_style(scene.taxonomy, sources, scene.name)
        text = json.dumps(style, indent=2, ensure_ascii=False, allow_nan=False)
        yield folder / f"{scene.name}.style.json", text.encode("utf-8")


def build_project(folder: Path, scenes: Sequence[SceneMaps]) -> bytes:
    """Lay the maps of a folder out as a QGIS project.

    Of several scenes each has a group; levels of one kind exclude each other, the finest is shown.
    """
    polygons = tuple(
        group for path in sorted(folder.glob("*.gpkg")) if (group := _polygon_group(path, scenes[0])).layers
    )
    if len(scenes) == 1:
        groups = (*polygons, *_scene_groups(scenes[0]))
    else:
        named = (ProjectGroup(scene.name, groups=_scene_groups(scene)) for scene in scenes)
        groups = (*polygons, *named)
    first = scenes[0].grid
    return qgis_project(folder.resolve().name, groups, first.crs, first.bounds)


def _scene_groups(scene: SceneMaps) -> tuple[ProjectGroup, ...]:
    names = scene.taxonomy.level_names

    def layer(name: str, path: Path, style: str, visible: bool = False) -> ProjectLayer:
        return ProjectLayer(name, path.name, "raster", scene.grid.crs, style, visible)

    classes = tuple(
        layer(_level_name(names[n - 1], n), path, raster_qml(scene.taxonomy, n), n == scene.finest)
        for n, path in scene.classes.items()
    )
    sure = tuple(
        layer(f"Confidence {_level_name(names[n - 1], n)}", path, confidence_qml(), n == scene.finest)
        for n, path in scene.confidence.items()
    )
    for path, name in ((scene.depth, "Adaptive depth"), (scene.adaptive, "Adaptive classes")):
        if path is not None and (qml := path.with_suffix(".qml")).is_file():
            sure = (*sure, layer(name, path, qml.read_text(encoding="utf-8")))
    groups = (
        ProjectGroup("Classes", classes, exclusive=True),
        ProjectGroup("Confidence", sure, exclusive=True, expanded=False, visible=False),
    )
    return tuple(group for group in groups if group.layers)


def _polygon_group(path: Path, scene: SceneMaps) -> ProjectGroup:
    """Layers ``L1`` ... of a GeoPackage, hidden until asked for, in the styles that it carries.

    A file that is no readable GeoPackage has none.
    """
    layers = []
    for level, style in _layer_styles(path, scene).items():
        info = pyogrio.read_info(path, layer=f"L{level}")  # type: ignore[no-untyped-call]
        crs = scene.grid.crs if info["crs"] is None else CRS.from_user_input(info["crs"])
        name = _level_name(scene.taxonomy.level_names[level - 1], level)
        source = f"{path.name}|layername=L{level}"
        layers.append(ProjectLayer(name, source, "vector", crs, style, level == scene.finest))
    return ProjectGroup(
        f"Polygons, {path.stem}", tuple(layers), exclusive=True, visible=False, expanded=False
    )


def _layer_styles(path: Path, scene: SceneMaps) -> dict[int, str]:
    """Level -> QML of the level's layer; from the file where it holds a style."""
    try:
        names = set(pyogrio.list_layers(path)[:, 0])  # type: ignore[no-untyped-call]
    except DataSourceError:
        return {}
    levels = [level for level in range(1, scene.taxonomy.num_levels + 1) if f"L{level}" in names]
    if "layer_styles" not in names:
        return {level: vector_qml(scene.taxonomy, level) for level in levels}
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
        found = {level: database.execute(_STYLE_QUERY, (f"L{level}",)).fetchone() for level in levels}
    return {
        level: vector_qml(scene.taxonomy, level) if row is None else str(row[0])
        for level, row in found.items()
    }


def _level_name(name: str, level: int) -> str:
    """``L2``, or ``L2 crop groups`` where the class tree has its own name for the level."""
    return name if name == f"L{level}" else f"L{level} {name}"


__all__ = ("build_project", "project_path", "write_gis_files")
