"""Crop scenes: Sentinel-2 and labels at 10 m."""

from pathlib import Path

from ..taxonomy import Taxonomy
from .farmland import crop_layout
from .imaging import Progress
from .layout import Layout
from .product import (
    SURFACE_STREAM,
    Meter,
    scene_paths,
    square_view,
    stream,
    write_image,
    write_labels,
)
from .sensors import SENSORS, SensorModel
from .spec import CropSpec, PlaceSpec, SceneFiles
from .surface import Surface


def write_crop_scene(spec: CropSpec, out_dir: Path, progress: Progress | None = None) -> SceneFiles:
    """Make a Sentinel-2 image of a farmed plain, with Crop10m labels on the same grid.

    Existing files are replaced.

    Args:
        spec: Place, size and seed.
        out_dir: Folder in which the scene's folder is made.
        progress: Called after each strip with (strips done, strips in all).

    Returns:
        The files' paths.

    Raises:
        OutputError: A file cannot be written.
    """
    layout = crop_layout(spec.size_m, spec.seed)
    return write_sentinel2_scene(
        spec, layout, Taxonomy.from_yaml("crop10m"), out_dir, SENSORS["sentinel2"], progress
    )


def write_sentinel2_scene(
    spec: PlaceSpec,
    layout: Layout,
    taxonomy: Taxonomy,
    out_dir: Path,
    sensor: SensorModel,
    progress: Progress | None = None,
) -> SceneFiles:
    """Make an image of a layout at 10 m, with labels on the same grid. Existing files are replaced.

    Args:
        spec: Place, size, seed and air.
        layout: What lies there.
        taxonomy: Tree whose finest level the layout's classes are raster values of.
        out_dir: Folder in which the scene's folder is made.
        sensor: Sentinel-2, perhaps of another day.
        progress: Called after each strip with (strips done, strips in all).

    Returns:
        The files' paths.

    Raises:
        OutputError: A file cannot be written.
    """
    files = scene_paths(spec, out_dir)
    surface = Surface.draw(stream(spec, SURFACE_STREAM), layout)
    view = square_view(0.0, spec.size_m, sensor.res_m)
    meter = Meter.over(progress, [view, view])
    write_labels(spec, layout, view, taxonomy, files.labels, meter)
    write_image(spec, surface, sensor, view, files.images["sentinel2"], meter)
    return files


__all__ = ("write_crop_scene", "write_sentinel2_scene")
