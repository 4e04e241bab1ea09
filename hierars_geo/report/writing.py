"""Write the report of a prediction folder."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from .. import __version__
from ..errors import DataError, MissingFileError
from ..grid import GeoGrid
from ..maps import MAX_SIDE_PX, Maps, MapSource, SceneMaps
from ..output import atomic_path, check_writable_folder, refuse_existing
from ..scenes.dataset import dataset_grid, open_dataset
from ..scenes.scene import Scene
from ..taxonomy import Taxonomy, hex_color
from .accuracy_section import MEASURES, build_accuracy_section
from .estimates_section import build_estimates_section, read_estimates
from .figures import figure_paths, write_figures
from .formats import per_cent, square_kilometres
from .png import data_uri
from .scene_section import SceneSection, build_scene_section
from .scores import read_evaluation


def render_page(
    title: str,
    created: datetime,
    scenes: Sequence[SceneSection],
    accuracy: Mapping[str, object] | None,
    estimates: Mapping[str, object] | None,
) -> str:
    """Lay a report out as one self-contained HTML document, a section for each scene."""
    environment = Environment(
        loader=PackageLoader("hierars_geo.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"color": hex_color, "data_uri": data_uri, "per_cent": per_cent}
    template = environment.get_template("report.html.jinja")
    return template.render(
        title=title,
        created=created,
        scenes=scenes,
        accuracy=accuracy,
        estimates=estimates,
        measures=[label for _, label in MEASURES],
        total_area=square_kilometres(sum(scene.area_m2 for scene in scenes)),
        max_side_px=MAX_SIDE_PX,
        version=__version__,
    )


Metrics = Path | Mapping[str, Any]
#: Estimates from points that are taken without being named where they lie beside the maps.
ACCURACY_FILE = "accuracy.json"
#: What a report is called where nobody names it.
REPORT_FILE = "report.html"


def write_report(
    source: MapSource,
    out: Path | None = None,
    image: Path | None = None,
    labels: Path | None = None,
    metrics: Metrics | None = None,
    baselines: Sequence[tuple[str, Metrics]] = (),
    accuracy: Path | None = None,
    figures: Path | None = None,
    title: str | None = None,
    overwrite: bool = False,
    taxonomy: Taxonomy | str | Path | None = None,
) -> Path:
    """Write one HTML file that needs no other: maps, legends, areas, scores, provenance.

    Rasters are read block by block, so memory does not grow with their size.

    Args:
        source: Maps: a folder that predict wrote to, or class rasters. Every scene gets a section, with what
            else there is of it (confidence, depth, item).
        out: File to write; its folder is made where it is missing. Default ``report.html`` beside the maps.
        image: Image to show in true colour: a raster, or a folder with one raster per band; on any grid.
        labels: Reference labels with values of the finest level, on any grid; shown and compared.
        metrics: A metrics.json of ``hierars-geo evaluate``, or its content.
        baselines: Name and scores of what the map is compared with; needs ``metrics``.
        accuracy: An accuracy.json of ``hierars-geo evaluate`` from points; default that beside the maps.
        figures: Folder for the maps as figures, each as PNG and as PDF; made where it is missing.
        title: Heading; default from the scenes' names.
        overwrite: Replace ``out`` if it exists.
        taxonomy: The class tree; default what comes with the maps.

    Raises:
        MissingFileError: A file or folder does not exist, or the folder holds no maps.
        DataError: Image or labels touch no scene, or scores are of another class tree.
        RasterError: A raster cannot be read or does not fit.
        TaxonomyError: A raster holds a value that is no class of its level.
        OutputError: ``out`` exists or cannot be written.
    """
    maps = Maps.open(source, taxonomy)
    scenes = maps.scenes
    folder = scenes[0].folder
    out = folder / REPORT_FILE if out is None else Path(out)
    inputs = [*maps.files, image, labels, accuracy, None if isinstance(metrics, Mapping) else metrics]
    refuse_existing([out], overwrite, inputs)
    check_writable_folder(out.parent)
    scores = _accuracy(scenes, metrics, baselines)
    estimates = _estimates(scenes, accuracy or folder / ACCURACY_FILE, required=accuracy is not None)
    for path in (image, labels):
        if path is not None and not Path(path).exists():
            raise MissingFileError(f"Expected {path} to be a raster, but it does not exist. Check the path.")
    sections = [
        build_scene_section(scene, image and Path(image), labels and Path(labels)) for scene in scenes
    ]
    _check_touched(scenes, sections, image, labels)
    text = render_page(title or _default_title(scenes), datetime.now(UTC), sections, scores, estimates)
    if figures is not None:
        refuse_existing(figure_paths(figures, sections), overwrite)
        write_figures(figures, sections)
    with atomic_path(out) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return out


def _accuracy(
    scenes: Sequence[SceneMaps], metrics: Metrics | None, baselines: Sequence[tuple[str, Metrics]]
) -> Mapping[str, object] | None:
    if metrics is None:
        if baselines:
            raise DataError(
                f"Expected scores of the map itself beside those of "
                f"{', '.join(name for name, _ in baselines)}, but got none. Give metrics, too."
            )
        return None
    taxonomy = scenes[0].taxonomy
    for scene in scenes[1:]:
        if scene.taxonomy.name != taxonomy.name:
            raise DataError(
                f"Expected one class tree where there are scores, but got {taxonomy.name} ({scenes[0].name}) "
                f"and {scene.taxonomy.name} ({scene.name}). Report the scenes apart."
            )
    own = read_evaluation(metrics, taxonomy)
    named = [(name, read_evaluation(scores, taxonomy, name)) for name, scores in baselines]
    return build_accuracy_section(own, named, taxonomy)


def _estimates(scenes: Sequence[SceneMaps], path: Path, required: bool) -> Mapping[str, object] | None:
    if not required and not path.is_file():
        return None
    trees = {scene.name: scene.taxonomy for scene in scenes}
    content = read_estimates(path, trees)
    return build_estimates_section(content, trees[content.scene])


def _check_touched(
    scenes: Sequence[SceneMaps],
    sections: Sequence[SceneSection],
    image: Path | None,
    labels: Path | None,
) -> None:
    """Refuse an image or labels that lie beside every scene: the user meant another file."""
    if image is not None and not any(section.has_image for section in sections):
        with Scene.open(image) as reader:
            raise _elsewhere("an image", image, reader.grid, scenes[0])
    if labels is not None and not any(section.has_reference for section in sections):
        with open_dataset(str(labels)) as dataset:
            raise _elsewhere("labels", labels, dataset_grid(dataset, str(labels)), scenes[0])


def _elsewhere(what: str, path: Path, found: GeoGrid, scene: SceneMaps) -> DataError:
    return DataError(
        f"Expected {what} with data where {scene.name} lies ({_place(scene.grid)}), but got none there "
        f"(in {path}, {_place(found)}). Give the file of the predicted place."
    )


def _place(grid: GeoGrid) -> str:
    edges = " ".join(f"{edge:.10g}" for edge in grid.bounds)
    return f"bounds {edges} in {grid.crs.name}"


def _default_title(scenes: Sequence[SceneMaps]) -> str:
    if len(scenes) == 1:
        return f"Class maps of {scenes[0].name}"
    return f"Class maps of {len(scenes)} scenes"
