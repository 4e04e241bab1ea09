"""Files beside the maps that other programs open: QGIS project, SLD, map style, STAC collection."""

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import pyogrio
import pystac
import shapely.geometry
from affine import Affine
from geopandas.geodataframe import GeoDataFrame
from pyogrio.errors import DataSourceError
from pyproj import CRS
from rasterio import features

from ..errors import DataError, HieraRSWarning, OutputError, RasterError
from ..grid import GeoGrid
from ..grid.reprojection import outline
from ..maps import Maps, MapSource, SceneMaps, thumbnail_shape
from ..maps.outside import OUTSIDE
from ..maps.styles.layout import PrintPage
from ..maps.styles.project import ProjectGroup, ProjectLayer, qgis_project
from ..maps.styles.qml import confidence_qml, hatching_qml, raster_qml, vector_qml
from ..maps.styles.sld import maplibre_style, raster_sld
from ..maps.styles.stac import extent_of, geojson_place, href_of, lonlat_outline
from ..output import atomic_path, check_writable_folder, refuse_existing
from ..scenes.dataset import open_dataset
from ..taxonomy import Taxonomy
from .formats import fit_scale_bar
from .source_image import image_layer, open_image


def write_gis_files(
    source: MapSource,
    overwrite: bool = False,
    taxonomy: Taxonomy | str | Path | None = None,
    image: str | Path | None = None,
) -> tuple[Path, ...]:
    """Write what GIS programs, map servers, web maps and catalogs want beside the maps of a folder.

    A QGIS project, SLD and MapLibre styles, a STAC collection, and ground outside the area of applicability:
    docs/gis.md lists them. Paths are relative, so the folder can be moved.

    Args:
        source: Maps of one folder: what predict wrote, or class rasters.
        overwrite: Replace files that exist.
        taxonomy: The class tree; default what comes with the maps.
        image: Shown under the maps in the project; default what their item says they were made from.

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
    contents = dict(_contents(folder, scenes, None if image is None else Path(image)))
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


def _contents(folder: Path, scenes: Sequence[SceneMaps], image: Path | None) -> Iterator[tuple[Path, bytes]]:
    yield project_path(folder, scenes), build_project(folder, scenes, image)
    for scene in scenes:
        if (polygons := outside_polygons(scene)) is not None:
            yield _outside_path(scene), polygons
        for level in scene.levels:
            yield folder / f"{scene.name}_L{level}.sld", raster_sld(scene.taxonomy, level).encode("utf-8")
        if scene.adaptive is not None:
            sld = raster_sld(scene.adaptive_legend, 1)
            yield folder / f"{scene.name}_adaptive.sld", sld.encode("utf-8")
        sources = {level: f"./{scene.name}_L{level}.geojson" for level in scene.levels}
        style = maplibre_style(scene.taxonomy, sources, scene.name, _bounds(scene), _credit(scene))
        text = json.dumps(style, indent=2, ensure_ascii=False, allow_nan=False)
        yield folder / f"{scene.name}.style.json", text.encode("utf-8")


def _bounds(scene: SceneMaps) -> list[float] | None:
    """Bounds in degrees; None for a CRS that is not of the Earth."""
    grid = scene.grid
    if grid.crs.get_geod() is None:
        return None
    return geojson_place(lonlat_outline(outline(grid, grid.crs), grid.crs, grid.gsd_m()))[1]


def _credit(scene: SceneMaps) -> str:
    """Say where a map comes from."""
    source = ", ".join(Path(str(name)).name for name in scene.properties.get("hierars:source") or ())
    told = (
        f"Classes: {scene.taxonomy.title or scene.taxonomy.name}",
        source and f"image: {source}",
        scene.date,
    )
    return " · ".join(part for part in (*told, "made with hierars-geo") if part)


def build_project(folder: Path, scenes: Sequence[SceneMaps], image: Path | None = None) -> bytes:
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
    show = cache(lambda path, sensor: image_layer(path, folder, sensor))  # scenes may share an image
    shown = (open_image(scene, image, show) for scene in (scenes if image is None else scenes[:1]))
    if below := {layer.source: layer for layer in shown if layer is not None}:
        groups = (*groups, ProjectGroup("Image", tuple(below.values()), expanded=False))
    first = scenes[0]
    title = first.name if len(scenes) == 1 else f"{folder.resolve().name} ({len(scenes)} scenes)"
    page = PrintPage(title, _credit(first), *_scale(first.grid))
    return qgis_project(title, groups, first.grid.crs, first.grid.bounds, page, _credit(first))


def _scale(grid: GeoGrid) -> tuple[float | None, float]:
    """Metres in a unit of a CRS, None for degrees, and half the length of a fitting scale bar."""
    unit_m = None if grid.crs.is_geographic else grid.crs.axis_info[0].unit_conversion_factor
    width_m = (grid.bounds[2] - grid.bounds[0]) * (unit_m or 1.0)
    return unit_m, fit_scale_bar(max(width_m, 1.0)).length_m / 2


def _scene_groups(scene: SceneMaps) -> tuple[ProjectGroup, ...]:
    names, labels = scene.taxonomy.level_names, scene.taxonomy.level_labels

    def layer(name: str, path: Path, style: str, visible: bool = False, heading: str = "") -> ProjectLayer:
        return ProjectLayer(name, path.name, "raster", scene.grid.crs, style, visible, heading or name)

    classes = tuple(
        layer(
            _level_name(names[n - 1], n),
            path,
            raster_qml(scene.taxonomy, n),
            n == scene.finest,
            f"{labels[n - 1]}: {scene.taxonomy.num_classes[n - 1]} classes",
        )
        for n, path in scene.classes.items()
    )
    sure = tuple(
        layer(f"Confidence {_level_name(names[n - 1], n)}", path, confidence_qml(), n == scene.finest)
        for n, path in scene.confidence.items()
    )
    for path, name in ((scene.depth, "Adaptive depth"), (scene.adaptive, "Adaptive classes")):
        if path is not None and (qml := path.with_suffix(".qml")).is_file():
            sure = (*sure, layer(name, path, qml.read_text(encoding="utf-8")))
    hatched: tuple[ProjectLayer, ...] = ()
    if outside_polygons(scene) is not None:
        title = "Unlike the training ground"
        style = hatching_qml("do not trust the map here")
        source = _outside_path(scene).name
        hatched = (ProjectLayer(title, source, "vector", scene.grid.crs, style, visible=True),)
    for kind, name in (("di", "How unlike the training ground"), ("aoa", "Area of applicability")):
        if (path := scene.others.get(kind)) is not None and (qml := path.with_suffix(".qml")).is_file():
            sure = (*sure, layer(name, path, qml.read_text(encoding="utf-8")))
    groups = (
        ProjectGroup("Trust", hatched),
        ProjectGroup("Classes", classes, exclusive=True),
        ProjectGroup("Confidence", sure, exclusive=True, expanded=False, visible=False),
    )
    return tuple(group for group in groups if group.layers)


def _polygon_group(path: Path, scene: SceneMaps) -> ProjectGroup:
    """Layers ``L1`` ... of a GeoPackage, hidden until asked for.

    A file that is no readable GeoPackage has none, which is told.
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
    """Level -> QML of the level's layer, outlines only: they lie over the maps and the image."""
    try:
        names = set(pyogrio.list_layers(path)[:, 0])  # type: ignore[no-untyped-call]
    except DataSourceError as error:
        reason = " ".join(str(error).split())
        warnings.warn(f"The QGIS project does not show {path}: {reason}.", HieraRSWarning, stacklevel=2)
        return {}
    levels = [level for level in range(1, scene.taxonomy.num_levels + 1) if f"L{level}" in names]
    return {level: vector_qml(scene.taxonomy, level, filled=False) for level in levels}


#: Longest side of the raster that hatched polygons are drawn from, pixels.
_HATCHED_PX = 1500


def _outside_path(scene: SceneMaps) -> Path:
    return scene.folder / f"{scene.name}_outside.fgb"


def outside_polygons(scene: SceneMaps) -> bytes | None:
    """Draw what lies outside the area of applicability, reduced, as FlatGeobuf; None where nothing does.

    Raises:
        RasterError: The raster is damaged.
    """
    path = scene.others.get("aoa")
    if path is None:
        return None
    shape = thumbnail_shape(scene.grid.shape, _HATCHED_PX)
    with open_dataset(str(path)) as dataset:
        values = dataset.read(1, out_shape=shape)
    t, (height, width) = scene.grid.transform, scene.grid.shape
    across, down = width / shape[1], height / shape[0]
    reduced = Affine(t.a * across, t.b * down, t.c, t.d * across, t.e * down, t.f)
    found = features.shapes(values, mask=values == OUTSIDE, transform=reduced)
    parts = [shapely.geometry.shape(geometry) for geometry, _ in found]
    if not parts:
        return None
    table = GeoDataFrame(geometry=[shapely.union_all(parts)], crs=scene.grid.crs.to_wkt())
    buffer = BytesIO()
    pyogrio.write_dataframe(table, buffer, driver="FlatGeobuf")  # type: ignore[no-untyped-call]
    return buffer.getvalue()


def _level_name(name: str, level: int) -> str:
    """``L2``, or ``L2 crop groups`` where the class tree has its own name for the level."""
    return name if name == f"L{level}" else f"L{level} {name}"


COLLECTION_FILE = "collection.json"
_JSON = "application/json"
_OWN_LINKS = ("collection", "parent", "root")


def collect_items(folder: Path, scenes: Sequence[SceneMaps]) -> dict[Path, str]:
    """Describe the scenes of a folder as a collection, and link their items to it.

    Returns:
        File -> new content: the items that change, then ``collection.json``; nothing without scenes.

    Raises:
        RasterError: An item is no STAC item with a place and a time.
        OutputError: A scene is named as the collection.
    """
    path = folder / COLLECTION_FILE
    if not scenes:
        return {}
    if any(scene.name == path.stem for scene in scenes):
        raise OutputError(
            f"Expected no scene of the name '{path.stem}' in a folder that gets a STAC collection, but got "
            f"one (in {folder}). Rename the raster and predict it again."
        )
    items = {folder / f"{scene.name}.json": _read(folder / f"{scene.name}.json") for scene in scenes}
    collection = make_collection(folder.resolve().name, list(items.values()))
    linked = {item: _linked(content, collection["id"]) for item, content in items.items()}
    changed = {item: _text(content) for item, content in linked.items() if content != items[item]}
    return {**changed, path: _text(collection)}


def make_collection(name: str, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Describe STAC items of predictions that belong together, at least one, as a collection of that name.

    It holds the extent in space and time, the kinds of assets, and summaries of what the items have in
    common.
    """
    parsed = [pystac.Item.from_dict(dict(item), preserve_dict=True) for item in items]
    trees = _distinct(item.properties.get("hierars:taxonomy", {}).get("name") for item in parsed)
    collection = pystac.Collection(
        name,
        f"Class maps of {len(parsed)} scene(s) at every level of the class tree ({', '.join(trees)}), "
        "made by hierars-geo.",
        extent_of(parsed),
        license="other",
        providers=[pystac.Provider("hierars-geo", roles=[pystac.ProviderRole.PROCESSOR])],
        summaries=pystac.Summaries(_summaries(parsed)),
    )
    content: dict[str, Any] = collection.to_dict(include_self_link=False)
    links = [
        {"rel": "item", "href": href_of(f"./{item.id}.json"), "type": "application/geo+json"}
        for item in parsed
    ]
    return content | {"links": [{"rel": "root", "href": f"./{COLLECTION_FILE}", "type": _JSON}, *links]}


def _summaries(items: Sequence[pystac.Item]) -> dict[str, list[Any]]:
    keys = ("gsd", "proj:code", "hierars:checkpoint_sha256", "hierars:bands")
    found = {key: _distinct(item.properties.get(key) for item in items) for key in keys}
    return {key: values for key, values in found.items() if values}


def _distinct(values: Any) -> list[Any]:  # noqa: ANN401
    """Values in order of first appearance, without None; lists are spelt out."""
    flat = [inner for value in values for inner in (value if isinstance(value, list) else [value])]
    return list(dict.fromkeys(value for value in flat if value is not None))


def _linked(item: Mapping[str, Any], collection: str) -> dict[str, Any]:
    kept = [link for link in item.get("links", []) if link.get("rel") not in _OWN_LINKS]
    own = [{"rel": rel, "href": f"./{COLLECTION_FILE}", "type": _JSON} for rel in _OWN_LINKS]
    return dict(item) | {"links": [*own, *kept], "collection": collection}


def _read(path: Path) -> dict[str, Any]:
    """Read an item.

    Raises:
        RasterError: It is none, or has no place.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        item = pystac.Item.from_dict(content, preserve_dict=True)
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        RecursionError,
        pystac.STACError,
        pystac.STACTypeError,
    ) as error:
        raise RasterError(
            f"Expected {path} to be a STAC item, but got: {' '.join(str(error).split())}. Predict again."
        ) from error
    if item.bbox is None:
        raise RasterError(f"Expected {path} to have a bbox, but it has none. Predict again.")
    return content


def _text(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
