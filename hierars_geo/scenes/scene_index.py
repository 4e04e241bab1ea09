"""Scene: the files and bands that make one image, whether stacked in one file or one file per band."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

from ..errors import MissingFileError, RasterError
from ..grid import GeoGrid
from .bad_files import BadFile, OnError, map_all, settle, sort_out
from .bands import match_bands
from .handles import opening_env
from .notices import notice
from .raster_file import RasterFile, interval_of, probe
from .scene_files import BandFiles, split_layouts
from .sensors import Sensor
from .sentinel_safe import SafeProduct, read_safe


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

    @cached_property
    def files(self) -> tuple[str, ...]:
        """Names of its files as people know them, without what GDAL is told besides (``vrt://FILE?...``)."""
        plain = (layer.file.path.removeprefix("vrt://").split("?", maxsplit=1)[0] for layer in self.layers)
        return tuple(plain)

    @property
    def grid(self) -> GeoGrid:
        """Grid of the layer with the smallest pixels, the first of equals."""
        return min((layer.file.grid for layer in self.layers), key=lambda grid: grid.res[0] * grid.res[1])

    @property
    def interval(self) -> tuple[int, int]:
        """(first, last) nanosecond of its date."""
        return self.layers[0].file.interval

    def with_files(self, change: Callable[[RasterFile], RasterFile]) -> "Scene":
        """Return the scene with its files described in another way."""
        return Scene(tuple(replace(layer, file=change(layer.file)) for layer in self.layers))


@dataclass(frozen=True)
class FoundScenes:
    """What a list of files holds.

    Attributes:
        scenes: Sorted by path.
        bands: Names of their channels.
        skipped: Files that cannot be used; empty unless they were to be skipped.
    """

    scenes: tuple[Scene, ...]
    bands: tuple[str, ...]
    skipped: tuple[BadFile, ...]


def find_scenes(
    paths: Sequence[str],
    named: frozenset[str],
    sensor: Sensor,
    bands: tuple[str, ...],
    on_error: OnError = "raise",
) -> FoundScenes:
    """Group files into scenes and find the bands of each.

    Args:
        paths: Raster files, sorted.
        named: Those that the user named; the others were found in a folder, where there may be files that are
            no image.
        sensor: Which layouts there are.
        bands: Canonical names in channel order; empty for those of the first file (generic rasters).
        on_error: What becomes of files that cannot be used.

    Raises:
        MissingFileError: Band files are missing.
        RasterError: Files cannot be read, have no CRS, a date that is none, another data type than most, or
            lack bands; all of them are named.
    """
    stacks, by_scene = split_layouts(paths, named, sensor)
    with opening_env():
        files, bad = sort_out(partial(probe, product_names=sensor.product_names), stacks)
        bands = bands or (_names(files[0], sensor) if files else ())
        assumed: list[str] = []
        scenes, wrong_stacks = sort_out(
            lambda file: _stack_scene(file, sensor, bands, assumed), files, lambda file: file.path
        )
        band_scenes, wrong_bands = sort_out(
            lambda group: _band_file_scene(group, sensor, bands), by_scene, lambda group: group.key
        )
    scenes, wrong_dtypes = _of_one_dtype([*scenes, *band_scenes])
    bad = sorted([*bad, *wrong_stacks, *wrong_bands, *wrong_dtypes], key=lambda item: item.path)
    settle(bad, on_error, some_left=bool(scenes))
    if not scenes:
        raise MissingFileError(
            f"Expected images of {sensor.title}, but got {len(paths)} files that are none ({paths[0]}). "
            "Name the files or folders of the images."
        )
    if assumed:
        notice(
            f"{assumed[0]}{f' and {len(assumed) - 1} more' if len(assumed) > 1 else ''} of {sensor.title} "
            "name no bands: their order is taken from the catalog. Write band descriptions to be sure."
        )
    return FoundScenes(tuple(sorted(scenes, key=lambda scene: scene.path)), bands, tuple(bad))


def _names(file: RasterFile, sensor: Sensor) -> tuple[str, ...]:
    """Bands of a generic raster: what its descriptions say, else band_1, band_2, ..."""
    return tuple(sensor.canonical(name) if name else f"band_{i}" for i, name in enumerate(file.names, 1))


def _stack_scene(file: RasterFile, sensor: Sensor, bands: tuple[str, ...], assumed: list[str]) -> Scene:
    """Find the bands of a stack by its descriptions, its colours, or the catalog's order."""
    _check_level(file.level, sensor, file.path)
    names: Sequence[str | None] = [name and sensor.canonical(name) for name in file.names]
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
                f"got {len(file.indexes)} without names (in {file.path}). Write their names into the band "
                "descriptions."
            )
        names = published
        assumed.append(file.path)
    positions = match_bands(bands, names, file.path)
    return Scene((Layer(file, tuple(file.indexes[i - 1] for i in positions)),))


def _band_file_scene(group: BandFiles, sensor: Sensor, bands: tuple[str, ...]) -> Scene:
    """Find the file of every band; of several resolutions the finest counts."""
    product = None if group.product is None else read_safe(group.product)
    if product is not None:
        _check_level(product.level, sensor, str(product.root))
    missing = [band for band in bands if band not in group.by_band]
    if missing:
        raise MissingFileError(
            f"Expected one file per band {', '.join(bands)}, but got {', '.join(sorted(group.by_band))} (in "
            f"{group.key}*): {', '.join(missing)} missing. Add the files or ask for other bands."
        )
    look = partial(probe, product_names=sensor.product_names)
    layers = []
    for band, files in zip(
        bands, map_all(lambda band: map_all(look, group.by_band[band]), bands), strict=True
    ):
        finest = min(files, key=lambda file: file.grid.res[0] * file.grid.res[1])
        if len(finest.indexes) != 1:
            raise RasterError(
                f"Expected a band file with one band, but got {len(finest.indexes)} (in {finest.path})."
            )
        _check_level(finest.level, sensor, finest.path)
        layers.append(Layer(_of_product(finest, band, product), finest.indexes))
    return Scene(tuple(layers))


def _of_product(file: RasterFile, band: str, product: SafeProduct | None) -> RasterFile:
    """Let the metadata of a product tell day, baseline and nodata of its file."""
    if product is None:
        return file
    return replace(
        file,
        interval=interval_of(product.day),
        baseline=product.baseline or file.baseline,
        level=product.level,
        offset=product.offsets.get(band),
        nodata=tuple(product.nodata if value is None else value for value in file.nodata),
    )


def _check_level(level: str | None, sensor: Sensor, path: str) -> None:
    if level is not None and sensor.level is not None and level != sensor.level:
        raise RasterError(
            f"Expected a product of level {sensor.level}, but got {level} (in {path}). "
            "Take the sensor of that level, or the one for both."
        )


def _of_one_dtype(scenes: Sequence[Scene]) -> tuple[list[Scene], list[BadFile]]:
    """Keep the scenes whose data type is that of most, the first among equals."""
    found = [{layer.file.dtype for layer in scene.layers} for scene in scenes]
    counts = Counter(dtype for dtypes in found for dtype in sorted(dtypes))
    if len(counts) < 2:
        return list(scenes), []
    usual = counts.most_common(1)[0][0]
    kept, bad = [], []
    for scene, dtypes in zip(scenes, found, strict=True):
        if dtypes == {usual}:
            kept.append(scene)
            continue
        other = next(layer.file for layer in scene.layers if layer.file.dtype != usual)
        error = RasterError(
            f"Expected data type {usual}, as most files have, but got {other.dtype} (in {other.path}). "
            f"Their values are hardly comparable: convert the file, or open it as a source of its own."
        )
        bad.append(BadFile(other.path, error))
    return kept, bad


__all__ = ("FoundScenes", "Layer", "Scene", "find_scenes")
