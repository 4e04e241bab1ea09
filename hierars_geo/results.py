"""A prediction in one call, and maps with what is made of them: polygons, scores, samples, the report."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import accuracy, maps, report, vector  # their faces: what a verb needs is imported when it is called
from .predict import PredictOptions, Predictor, ScenePath

if TYPE_CHECKING:
    from geopandas.geodataframe import GeoDataFrame

    from .metrics import HierarchicalScores
    from .models import Model
    from .types import Bounds


class Maps(maps.Maps):
    """The maps of one scene or of several, for scripts and notebooks.

    Args:
        scenes: At least one.

    Examples:
        .. code-block:: python

            maps = hg.Maps.open("maps")
            maps.plot(level=2)
            maps.vectorize("scene.gpkg", min_area_m2=2500)
            maps.evaluate("labels.tif").levels[-1].miou
            maps.report()
    """

    def vectorize(self, out: str | Path, **options: Any) -> "vector.VectorSummary":  # noqa: ANN401
        """Write nested polygons, one layer per level; options as in :func:`hierars_geo.vector.vectorize`."""
        return vector.vectorize(self, out, **options)

    def areas_in(self, polygons: str | Path, out: str | Path, **options: Any) -> "vector.AreaTables":  # noqa: ANN401
        """Measure the classes inside polygons; options as in :func:`hierars_geo.vector.class_areas`."""
        return vector.class_areas(self, polygons, out, **options)

    def fields(self, polygons: str | Path, out: str | Path, **options: Any) -> "GeoDataFrame":  # noqa: ANN401
        """Decide one class per field; options as in :func:`hierars_geo.vector.decide_fields`."""
        return vector.decide_fields(self, polygons, out, **options)

    def evaluate(
        self,
        labels: "str | Path | accuracy.ReferenceLabels",
        attribute: str | None = None,
        level: int | None = None,
        region: "Bounds | None" = None,
    ) -> "HierarchicalScores":
        """Score the maps against labels at every level.

        Args:
            labels: Class raster on any grid, or polygons.
            attribute: Column of polygons with the class.
            level: Level that the values of a raster are classes of; default the leaves.
            region: Count only pixels whose centre lies within (left, bottom, right, top), in the maps' CRS.

        Raises:
            HieraRSError: A file cannot be read, holds values the tree lacks, or the two do not overlap.
        """
        if isinstance(labels, str | Path):
            labels = accuracy.ReferenceLabels(labels, self.taxonomy, attribute, level)
        return accuracy.evaluate_maps(self, labels, None, region)

    def sample(self, out: str | Path, **options: Any) -> "GeoDataFrame":  # noqa: ANN401
        """Draw points to label; options as in :func:`hierars_geo.accuracy.sample_points`."""
        return accuracy.sample_points(self, out, **options)

    def assess(self, points: str | Path, column: str = "reference") -> "accuracy.SceneAssessment":
        """Estimate accuracy and areas, with intervals, from points that people labelled."""
        return accuracy.assess_maps(self, points, None, column)

    def report(self, out: str | Path | None = None, gis: bool = False, **options: Any) -> Path:  # noqa: ANN401
        """Write one HTML file with maps, areas and scores; ``gis`` adds the files that GIS programs open.

        Args:
            out: File to write; default ``report.html`` beside the maps.
            gis: Write the QGIS project, styles and STAC collection beside the maps, too.
            **options: As in :func:`hierars_geo.report.write_report`.

        Raises:
            HieraRSError: A file cannot be read, does not fit, or cannot be written.
        """
        path = report.write_report(self, None if out is None else Path(out), **options)
        if gis:
            report.write_gis_files(self, bool(options.get("overwrite", False)), image=options.get("image"))
        return path


def predict(
    model: "str | Path | Model",
    scene: ScenePath,
    folder: str | Path,
    *,
    device: str = "auto",
    overwrite: bool = False,
    resume: bool = False,
    **options: Any,  # noqa: ANN401
) -> Maps:
    """Predict a scene of any size into a folder: one cloud-optimised GeoTIFF per level.

    Args:
        model: A model, see :func:`hierars_geo.load`, the path of its checkpoint, or of an ONNX file that was
            exported from it, which needs no PyTorch.
        scene: A raster, a folder or list with one file per band, or a STAC item; of a model of series the
            folder or list of a season's images; of a model of several sources one of these for each, by its
            name: ``{"sentinel1": "S1.tif", "sentinel2": "season/"}``.
        folder: Of the maps, made where missing.
        device: ``auto``, ``cpu``, ``cuda``, ``all`` for every GPU, or several with commas.
        overwrite: Replace maps that exist.
        resume: Compute only what an earlier run of the same scene, model and options lacks.
        **options: As in :class:`hierars_geo.predict.PredictOptions`: ``confidence``, ``depth_threshold``,
            ``window``, ``nodata``, ...

    Raises:
        HieraRSError: The model or the scene cannot be read, an option is out of range, or maps cannot be
            written.

    Examples:
        .. code-block:: python

            maps = hg.predict(hg.load("model.ckpt"), "scene.tif", "maps", confidence=True)
    """
    predictor = Predictor(model, PredictOptions(**options), device)
    return Maps(predictor.predict(scene, folder, overwrite, resume=resume).scenes)


__all__ = ("Maps", "predict")
