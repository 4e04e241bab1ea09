"""Which scenes a list of files holds, whether stacked in one file or one file per band."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from ..errors import MissingFileError, RasterError, notice
from ..types import ReadRecipe
from .bad_files import BadFile, OnError, settle, sort_out
from .band_files import BandFiles, split_layouts
from .dataset import opening_env
from .masks import without_masks
from .raster_file import believed_years, grouped_notes, with_date
from .reader import Layer
from .scene import Scene
from .scene_layers import Reading, band_layers, stack_layer


def find_scenes(
    paths: Sequence[str], named: frozenset[str], recipe: ReadRecipe, on_error: OnError = "raise"
) -> tuple[list[Scene], tuple[str, ...], list[BadFile]]:
    """Group files into scenes and find the bands of each.

    Args:
        paths: Raster files, sorted.
        named: Those that the user named; the others were found in a folder, where there may be files that are
            no image.
        recipe: How they are read; without bands, they are those of the first file (generic rasters).
        on_error: What becomes of files that cannot be used.

    Masks of scenes are read with them and are no scenes themselves.

    Returns:
        The scenes, sorted by path, names of their channels, and files that cannot be used; of these there are
        none unless they were to be skipped.

    Raises:
        MissingFileError: Band files are missing.
        RasterError: Files cannot be read, have no CRS, a date that is none, another data type than most, or
            lack bands; all of them are named.
    """
    reading = Reading.of(recipe)
    sensor = reading.sensor
    stacks, by_scene = split_layouts(without_masks(paths, sensor, recipe.mask), named, sensor)
    with opening_env():
        files, bad = sort_out(lambda path: with_date(reading.look(path)), stacks)
        files = believed_years(files)
        if files and not reading.bands:
            reading = replace(reading, bands=stack_layer(files[0], reading)[0])

        def scene_of(layers: Sequence[Layer]) -> Scene:
            scene = Scene(layers, reading.bands, rule=recipe.nodata_rule)
            scene.masks = reading.masks(layers)
            return scene

        scenes, wrong_stacks = sort_out(
            lambda file: scene_of([stack_layer(file, reading)[1]]), files, lambda file: file.path
        )
        band_scenes, wrong_bands = sort_out(
            lambda group: scene_of(_group_layers(group, reading)), by_scene, lambda group: group.key
        )
    scenes, wrong_dtypes = _of_one_dtype([*scenes, *band_scenes])
    bad = sorted([*bad, *wrong_stacks, *wrong_bands, *wrong_dtypes], key=lambda item: item.path)
    settle(bad, on_error, some_left=bool(scenes))
    if not scenes:
        raise MissingFileError(
            f"Expected images of {sensor.title}, but got {len(paths)} files that are none ({paths[0]}). "
            "Name the files or folders of the images."
        )
    if recipe.standardize:
        for scene in scenes:
            scene.standardize()
            scene.close()  # data sets read through a pool of their own
    for note in grouped_notes(layer.file for scene in scenes for layer in scene.layers):
        notice(note)
    return sorted(scenes, key=lambda scene: scene.path), reading.bands, bad


def _group_layers(group: BandFiles, reading: Reading) -> tuple[Layer, ...]:
    missing = [band for band in reading.bands if band not in group.by_band]
    if missing:
        raise MissingFileError(
            f"Expected one file per band {', '.join(reading.bands)}, but got "
            f"{', '.join(sorted(group.by_band))} (in {group.key}*): {', '.join(missing)} missing. Add the "
            "files or ask for other bands."
        )
    layers = band_layers({band: group.by_band[band] for band in reading.bands}, reading, group.product)
    with_date(layers[0].file)
    return layers


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
