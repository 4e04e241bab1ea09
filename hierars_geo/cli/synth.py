"""``hierars-geo synth``: georeferenced synthetic scenes with labels, to try everything on."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from ..errors import require_with

if TYPE_CHECKING:
    from ..synthetic.spec import SceneFiles

Sensor = Literal["sentinel2", "gaofen2", "google_earth"]
#: Share of a season under clouds that nobody says otherwise of.
_CLOUDS = 0.4

EXAMPLES = """examples:
  hierars-geo synth scenes
  hierars-geo synth scenes --scenes 3 --size-m 5120 --seed 7 --sensors sentinel2 gaofen2
  hierars-geo synth scenes --crops --overwrite
  hierars-geo synth scenes --crops --dates 16 --clouds 0.4

Each scene is a folder: NAME_S2.tif (10 m, 10 bands), NAME_GF2.tif (4 m, Blue Green Red NIR), NAME_GE.tif
(1 m, RGB) and NAME_labels.tif (MM-5B, 4 m). The same seed gives the same bytes. With --dates, crop scenes
have a folder season: images NAME_YYYYMMDD_S2.tif and what is cloud in them, NAME_YYYYMMDD_S2_SCL.tif.
"""


def run(
    out_dir: Path,
    *,
    scenes: int = 2,
    size_m: float = 7680.0,
    seed: int = 0,
    sensors: list[Sensor] | None = None,
    google_size_m: float = 2500.0,
    haze: float = 0.35,
    crops: bool = False,
    dates: int = 0,
    clouds: float = _CLOUDS,
    overwrite: bool = False,
) -> int:
    """Make synthetic scenes: one place seen by several sensors on different days, with land-cover labels.

    Writes train_0, train_1, ... and test_0; with --crops also crop_train and crop_test.

    Args:
        out_dir: Folder of the scenes.
        scenes: Training scenes, besides one for tests.
        size_m: Side of a scene in metres.
        seed: Another seed, other places.
        sensors: Images to make (default: all).
        google_size_m: Largest side of the 1 m image.
        haze: 0 clear air ... 1 milky sky.
        crops: Make two crop scenes (Crop10m), too.
        dates: With crops, dates of a season of each, of two years; some are missing.
        clouds: Share of the season that clouds cover, 0..1.
        overwrite: Replace scenes that exist.
    """
    from ..output import check_writable_folder
    from ..synthetic.crops import write_crop_scene
    from ..synthetic.series import check_free, crop_series, scene_series, write_land_cover_scene
    from .progress import progress_bar

    specs = scene_series(scenes, size_m, seed, tuple(sensors or get_args(Sensor)), google_size_m, haze)
    require_with("--dates", dates != 0, "--crops", crops)
    require_with("--clouds", clouds != _CLOUDS, "--dates", dates != 0)
    fields = crop_series(size_m, seed, haze, dates, clouds) if crops else ()
    if not overwrite:
        check_free((*specs, *fields), out_dir)
    check_writable_folder(out_dir)
    for spec in specs:
        with progress_bar(f"synth {spec.name}") as progress:
            _list(write_land_cover_scene(spec, out_dir, progress))
    for crop in fields:
        with progress_bar(f"synth {crop.name}") as progress:
            _list(write_crop_scene(crop, out_dir, progress))
    return 0


def _list(files: "SceneFiles") -> None:
    for path in files.paths:
        sys.stdout.write(f"{path}\n")
