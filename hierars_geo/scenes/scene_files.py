"""Which files make a scene: a stack, the band files of a folder, or those of a Sentinel-2 product."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .band_files import band_of_file
from .notices import notice
from .sensors import Sensor
from .sentinel_safe import granule_of, safe_root

#: Landsat's files of one scene: LC08_..._SR_B4.TIF holds reflectance, LC08_..._ST_B10.TIF temperature.
_QUANTITY = re.compile(r"_(SR|ST)_$", re.IGNORECASE)


@dataclass(frozen=True)
class BandFiles:
    """Band files of one scene.

    Attributes:
        key: What their paths have in common.
        by_band: Files of every band, sorted; several where a product holds several resolutions.
        product: The folder ``*.SAFE`` that they lie in, if any.
    """

    key: str
    by_band: dict[str, list[str]]
    product: Path | None = None


def split_layouts(
    paths: Sequence[str], named: frozenset[str], sensor: Sensor
) -> tuple[list[str], list[BandFiles]]:
    """Tell stacks from band files, and band files of one scene from those of another.

    Args:
        paths: Raster files, sorted.
        named: Those that the user named; of the others, what lies beside band files and is none is left out
            with a notice.
        sensor: What bands there are.

    Returns:
        Stacks, and band files by scene. Masks, previews and derived layers inside of a product are left out.
    """
    if not sensor.file_per_band:
        return list(paths), []
    groups: dict[str, BandFiles] = {}
    others = []
    folders = set()
    for path in paths:
        band = sensor.canonical(band_of_file(Path(path.split("?", maxsplit=1)[0])))  # vrt://FILE?options
        root = safe_root(path)
        key = granule_of(path, root) if root else _scene_key(path)
        if band in sensor.known_bands and key is not None:
            group = groups.setdefault(key, BandFiles(key, {}, root))
            group.by_band.setdefault(band, []).append(path)
            folders.add(Path(path).parent)
        elif root is None or path in named:
            others.append(path)
    left_out = [path for path in others if path not in named and Path(path).parent in folders]
    if left_out:
        notice(
            f"Left out {len(left_out)} files beside band files, since their names end in no band of "
            f"{sensor.title}: {', '.join(left_out[:5])}{', ...' if len(left_out) > 5 else ''}."
        )
    return [path for path in others if path not in set(left_out)], list(groups.values())


def _scene_key(path: str) -> str:
    """Folder and what precedes the band in the name: the same for all band files of a scene."""
    name = Path(path.split("?", maxsplit=1)[0])
    band = band_of_file(name)
    stem = name.stem
    upper = stem.upper()
    at = max(upper.rfind(spelling.upper()) for spelling in (band, band.replace("B0", "B")))
    return str(name.parent / _QUANTITY.sub("_", stem[: max(at, 0)]))


__all__ = ("BandFiles", "split_layouts")
