"""``hierars-geo synth``: georeferenced synthetic scenes with labels, to try everything on."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .options import CommandParser

if TYPE_CHECKING:
    from ..synthetic.spec import SceneFiles

_SENSORS = ("sentinel2", "gaofen2", "google_earth")

_EXAMPLES = """examples:
  hierars-geo synth scenes
  hierars-geo synth scenes --scenes 3 --size-m 5120 --seed 7 --sensors sentinel2 gaofen2
  hierars-geo synth scenes --crops --overwrite

Each scene is a folder: NAME_S2.tif (10 m, 10 bands), NAME_GF2.tif (4 m, Blue Green Red NIR), NAME_GE.tif
(1 m, RGB) and NAME_labels.tif (MM-5B, 4 m). The same seed gives the same bytes.
"""


def parser() -> CommandParser:
    """Build the parser."""
    p = CommandParser(
        "synth",
        "Make synthetic scenes: one place seen by several sensors on different days, with land-cover labels. "
        "Writes train_0, train_1, ... and test_0; with --crops also crop_train and crop_test.",
        _EXAMPLES,
    )
    p.add_argument("out_dir", type=str, help="folder of the scenes")
    p.add_argument(
        "--scenes", type=int, default=2, help="training scenes, besides one for tests (default: 2)"
    )
    p.add_argument("--size-m", type=float, default=7680.0, help="side of a scene in metres (default: 7680)")
    p.add_argument("--seed", type=int, default=0, help="another seed, other places (default: 0)")
    p.add_argument(
        "--sensors",
        type=str,
        nargs="+",
        choices=_SENSORS,
        default=list(_SENSORS),
        help="images to make (default: all)",
    )
    p.add_argument(
        "--google-size-m", type=float, default=2500.0, help="largest side of the 1 m image (default: 2500)"
    )
    p.add_argument("--haze", type=float, default=0.35, help="0 clear air ... 1 milky sky (default: 0.35)")
    p.add_argument("--crops", action="store_true", help="make two crop scenes (Crop10m), too")
    p.add_argument("--overwrite", action="store_true", help="replace scenes that exist")
    return p


def main(argv: list[str]) -> int:
    """Run the command."""
    args = parser().parse_args(argv)
    from ..output.output import check_writable_folder
    from ..synthetic.crops import write_crop_scene
    from ..synthetic.scene import write_land_cover_scene
    from ..synthetic.series import check_free, crop_series, scene_series
    from .progress import progress_bar

    out_dir = Path(args.out_dir)
    scenes = scene_series(
        args.scenes, args.size_m, args.seed, tuple(args.sensors), args.google_size_m, args.haze
    )
    crops = crop_series(args.size_m, args.seed, args.haze) if args.crops else ()
    if not args.overwrite:
        check_free((*scenes, *crops), out_dir)
    check_writable_folder(out_dir)
    for spec in scenes:
        with progress_bar(f"synth {spec.name}") as progress:
            _list(write_land_cover_scene(spec, out_dir, progress))
    for crop in crops:
        with progress_bar(f"synth {crop.name}") as progress:
            _list(write_crop_scene(crop, out_dir, progress))
    return 0


def _list(files: "SceneFiles") -> None:
    for path in (files.labels, *files.images.values()):
        sys.stdout.write(f"{path}\n")


__all__ = ("main", "parser")
