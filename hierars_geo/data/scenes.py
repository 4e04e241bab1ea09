"""Scene: the files and bands that make one image, whether stacked in one file or one file per band."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import MissingFileError, RasterError
from ..grid import GeoGrid
from ..raster import match_bands
from ..raster.band_files import band_of_file
from .notices import notice
from .raster_file import RasterFile, map_all, probe_all
from .sensors import Sensor


@dataclass(frozen=True)
class Layer:
    """Bands that one file contributes to a scene.

    Attributes:
        file: The file.
        indexes: Its 1-based bands, in the order of the scene's channels.
    """

    file: RasterFile
    indexes: tuple[int, ...]


@dataclass(frozen=True)
class Scene:
    """One image; its channels are those of its layers, one after the other.

    Attributes:
        layers: At least one.
    """

    layers: tuple[Layer, ...]

    @property
    def path(self) -> str:
        """The file, or the first of several; scenes are sorted by it."""
        return self.layers[0].file.path

    @property
    def grid(self) -> GeoGrid:
        """Grid of the layer with the smallest pixels, the first of equals."""
        return min((layer.file.grid for layer in self.layers), key=lambda grid: grid.res[0] * grid.res[1])

    @property
    def interval(self) -> tuple[int, int]:
        """(first, last) nanosecond of its date."""
        return self.layers[0].file.interval


def find_scenes(
    paths: Sequence[str], named: frozenset[str], sensor: Sensor, bands: tuple[str, ...]
) -> tuple[list[Scene], tuple[str, ...]]:
    """Group files into scenes and find the bands of each.

    Args:
        paths: Raster files, sorted.
        named: Those that the user named; the others were found in a folder, where there may be files that are
            no image.
        sensor: Which layouts there are.
        bands: Canonical names in channel order; empty for those of the first file (generic rasters).

    Returns:
        The scenes sorted by path, and the bands.

    Raises:
        RasterError: Files cannot be read, or lack bands; all of them are named.
    """
    stacks, by_scene = _split_layouts(paths, named, sensor)
    files = probe_all(stacks)
    if not bands:
        bands = _names(files[0], sensor)
    assumed: list[str] = []
    scenes = map_all(lambda file: _stack_scene(file, sensor, bands, assumed), files)
    scenes += map_all(lambda item: _band_file_scene(item[0], item[1], bands), by_scene.items())
    if assumed:
        notice(
            f"{assumed[0]}{f' and {len(assumed) - 1} more' if len(assumed) > 1 else ''} of {sensor.title} "
            "name no bands: "
            "their order is taken from the catalog. Write band descriptions to be sure."
        )
    return sorted(scenes, key=lambda scene: scene.path), bands


def _split_layouts(
    paths: Sequence[str], named: frozenset[str], sensor: Sensor
) -> tuple[list[str], dict[str, list[str]]]:
    """Tell stacks from band files, and band files of one scene from those of another."""
    if not sensor.file_per_band:
        return list(paths), {}
    band_files = [path for path in paths if band_of_file(Path(path)) in sensor.known_bands]
    by_scene: dict[str, list[str]] = {}
    for path in band_files:
        by_scene.setdefault(_scene_key(path), []).append(path)
    others = [path for path in paths if path not in set(band_files)]
    folders = {str(Path(path).parent) for path in band_files}
    left_out = [path for path in others if path not in named and str(Path(path).parent) in folders]
    if left_out:
        notice(
            f"Left out {len(left_out)} files beside band files, since their names end in no band of "
            f"{sensor.title}: "
            f"{', '.join(left_out[:5])}{', ...' if len(left_out) > 5 else ''}."
        )
    return [path for path in others if path not in set(left_out)], by_scene


def _scene_key(path: str) -> str:
    """Folder and what precedes the band in the name: the same for all band files of a scene."""
    name = Path(path)
    band = band_of_file(name)
    stem = name.stem
    upper = stem.upper()
    at = max(upper.rfind(spelling) for spelling in (band, band.replace("B0", "B")))
    return str(name.parent / stem[: max(at, 0)])


def _names(file: RasterFile, sensor: Sensor) -> tuple[str, ...]:
    """Bands of a generic raster: what its descriptions say, else band_1, band_2, ..."""
    return tuple(name or f"band_{i}" for i, name in enumerate(file.names, 1))


def _stack_scene(file: RasterFile, sensor: Sensor, bands: tuple[str, ...], assumed: list[str]) -> Scene:
    """Find the bands of a stack by its descriptions, its colours, or the catalog's order."""
    names: Sequence[str | None] = file.names
    if not any(names) and sensor.trust_colors and all(file.colors):
        names = file.colors
    if not sensor.stacks:
        names = _names(file, sensor)
    elif not any(names):
        published = sensor.stack_of(len(file.indexes))
        if published is None:
            counts = " or ".join(str(len(stack)) for stack in sensor.stacks)
            raise RasterError(
                f"Expected {counts} bands of {sensor.title} or bands with names ({', '.join(bands)}), but "
                "got "
                f"{len(file.indexes)} without names (in {file.path}). Write their names into the band "
                "descriptions."
            )
        names = published
        assumed.append(file.path)
    positions = match_bands(bands, names, file.path)
    return Scene((Layer(file, tuple(file.indexes[i - 1] for i in positions)),))


def _band_file_scene(key: str, paths: Iterable[str], bands: tuple[str, ...]) -> Scene:
    """Find the file of every band; of several resolutions the finest counts."""
    by_band: dict[str, list[str]] = {}
    for path in sorted(paths):
        by_band.setdefault(band_of_file(Path(path)), []).append(path)
    missing = [band for band in bands if band not in by_band]
    if missing:
        raise MissingFileError(
            f"Expected one file per band {', '.join(bands)}, but got {', '.join(sorted(by_band))} (in "
            f"{key}*): "
            f"{', '.join(missing)} missing. Add the files or ask for other bands."
        )
    layers = []
    for band in bands:
        files = probe_all(by_band[band])
        finest = min(files, key=lambda file: file.grid.res[0] * file.grid.res[1])
        if len(finest.indexes) != 1:
            raise RasterError(
                f"Expected a band file with one band, but got {len(finest.indexes)} (in {finest.path})."
            )
        layers.append(Layer(finest, finest.indexes))
    return Scene(tuple(layers))


__all__ = ("Layer", "Scene", "find_scenes")
