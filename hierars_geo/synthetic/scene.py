"""Land-cover scenes: one place, several sensors, one MM-5B label raster."""

from pathlib import Path
from typing import Final

from ..taxonomy import Taxonomy
from .imaging import Progress
from .landscape import land_cover_layout
from .layout import View
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
from .spec import SNAP_M, SceneFiles, SceneSpec
from .surface import Surface

#: Pixel size of the labels.
LABEL_RES_M: Final = 4.0


def _view(spec: SceneSpec, sensor: SensorModel) -> View:
    """A sensor's pixels: over the whole scene, or over its middle for the finest sensor."""
    if sensor.name != "google_earth" or spec.google_size_m >= spec.size_m:
        return square_view(0.0, spec.size_m, sensor.res_m)
    offset = (spec.size_m - spec.google_size_m) / 2 // SNAP_M * SNAP_M
    return square_view(offset, spec.google_size_m, sensor.res_m)


def write_land_cover_scene(spec: SceneSpec, out_dir: Path, progress: Progress | None = None) -> SceneFiles:
    """Make one place as several sensors see it, with MM-5B labels at 4 m.

    All grids share the upper-left corner; the 1 m image may be limited to the scene's middle, on the same
    20 m raster. Existing files are replaced.

    Args:
        spec: Place, size, seed and sensors.
        out_dir: Folder in which the scene's folder is made.
        progress: Called after each strip with (strips done, strips in all).

    Returns:
        The files' paths.

    Raises:
        OutputError: A file cannot be written.
    """
    files = scene_paths(spec, out_dir)
    layout = land_cover_layout(spec.size_m, spec.seed)
    surface = Surface.draw(stream(spec, SURFACE_STREAM), layout)
    views = {name: _view(spec, SENSORS[name]) for name in spec.sensors}
    labels = square_view(0.0, spec.size_m, LABEL_RES_M)
    meter = Meter.over(progress, [labels, *views.values()])
    write_labels(spec, layout, labels, Taxonomy.from_yaml("mm5b"), files.labels, meter)
    for name, view in views.items():
        write_image(spec, surface, SENSORS[name], view, files.images[name], meter)
    return files


__all__ = ("LABEL_RES_M", "write_land_cover_scene")
