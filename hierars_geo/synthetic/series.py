"""Land-cover scenes, alone or as a series with names, places and seeds: some to train on, one to test on."""

from pathlib import Path
from typing import Final

import numpy as np

from ..errors import OptionError, OutputError
from ..taxonomy import Taxonomy
from ..types import Progress
from .landscape import land_cover_layout
from .layout import View
from .product import scene_paths, square_view, write_scene
from .sensors import SENSOR_NAMES, SENSORS, SensorModel, SensorName
from .spec import SNAP_M, CropSpec, PlaceSpec, SceneFiles, SceneSpec

#: Free ground between neighbouring scenes, so that no two of them overlap.
_APART_M: Final = 5000.0
#: Scenes in a row from west to east; further ones lie to the south, inside the same UTM zone.
_PER_ROW: Final = 10


def _seed(seed: int, kind: int, index: int) -> int:
    """A seed for one scene of a series; the number of scenes does not change it."""
    return int(np.random.SeedSequence([seed, kind, index]).generate_state(1)[0])


def _origin(first: tuple[float, float], place: int, size_m: float) -> tuple[float, float]:
    step = (size_m + _APART_M) // SNAP_M * SNAP_M
    return first[0] + step * (place % _PER_ROW), first[1] - step * (place // _PER_ROW)


def scene_series(
    count: int,
    size_m: float,
    seed: int,
    sensors: tuple[SensorName, ...] = SENSOR_NAMES,
    google_size_m: float = 2500.0,
    haze: float = 0.35,
) -> tuple[SceneSpec, ...]:
    """Specify ``train_0`` ... and ``test_0``, next to each other and different places all.

    Args:
        count: Training scenes; one test scene comes on top.
        size_m: Side of each.
        seed: Seed of the series.
        sensors: Which images to make of each.
        google_size_m: Largest side of the 1 m image.
        haze: Strength of the haze.

    Raises:
        OptionError: An option is out of range.
    """
    if count < 1:
        raise OptionError(f"Expected scenes to be 1 or more, but got {count}. Ask for at least one.")
    if seed < 0:
        raise OptionError(f"Expected seed to be 0 or more, but got {seed}. Choose another number.")
    names = [("test_0", 1, 0), *((f"train_{i}", 0, i) for i in range(count))]
    specs = [
        SceneSpec(
            name,
            size_m,
            _seed(seed, kind, index),
            origin=_origin(SceneSpec.origin, place, size_m),
            haze=haze,
            sensors=sensors,
            google_size_m=google_size_m,
        )
        for place, (name, kind, index) in enumerate(names)
    ]
    return (*specs[1:], specs[0])


def crop_series(
    size_m: float, seed: int, haze: float = 0.35, dates: int = 0, clouds: float = 0.4
) -> tuple[CropSpec, ...]:
    """Specify ``crop_train`` and ``crop_test``; their seasons are of two years.

    Args:
        size_m: Side of each.
        seed: Seed of the series.
        haze: Strength of the haze.
        dates: Acquisitions of a season of each, 0 for none.
        clouds: Share of them that clouds cover.

    Raises:
        OptionError: An option is out of range.
    """
    return tuple(
        CropSpec(
            name,
            size_m,
            _seed(seed, 2, place),
            origin=_origin(CropSpec.origin, place, size_m),
            haze=haze,
            dates=dates,
            year=CropSpec.year + place,
            clouds=clouds,
        )
        for place, name in enumerate(("crop_train", "crop_test"))
    )


def check_free(specs: tuple[PlaceSpec, ...], out_dir: Path) -> None:
    """Make sure that no file of the scenes exists yet.

    Raises:
        OutputError: At least one exists.
    """
    files = [scene_paths(spec, out_dir) for spec in specs]
    paths = [path for scene in files for path in scene.paths]
    standing = [path for path in paths if path.exists()]
    if standing:
        raise OutputError(
            f"Expected {standing[0]} not to exist, but it does ({len(standing)} of {len(paths)} files are in "
            "the way). Use --overwrite or another folder."
        )


#: Pixel size of the labels.
LABEL_RES_M: Final = 4.0


def _view(spec: SceneSpec, sensor: SensorModel) -> View:
    """A sensor's pixels: over the whole scene, or over its middle for the finest sensor."""
    if sensor.name != "google_earth" or spec.google_size_m >= spec.size_m:
        return square_view(0.0, spec.size_m, sensor.res_m)
    offset = (spec.size_m - spec.google_size_m) / 2 // SNAP_M * SNAP_M
    return square_view(offset, spec.google_size_m, sensor.res_m)


def write_land_cover_scene(spec: SceneSpec, out_dir: Path, progress: Progress | None = None) -> SceneFiles:
    """Make one place as several sensors see it, with MM-5B labels at 4 m, as :func:`.write_scene` does.

    All grids share the upper-left corner; the 1 m image may be limited to the scene's middle, on the same
    20 m raster.
    """
    images = [(SENSORS[name], _view(spec, SENSORS[name])) for name in spec.sensors]
    labels = square_view(0.0, spec.size_m, LABEL_RES_M)
    layout = land_cover_layout(spec.size_m, spec.seed)
    return write_scene(spec, layout, Taxonomy.from_yaml("mm5b"), out_dir, images, labels, progress)
