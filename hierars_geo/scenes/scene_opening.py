"""Open an image to predict: one raster with all bands, or one raster per band."""

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from pyproj import Transformer
from pyproj.exceptions import ProjError
from rasterio.io import DatasetReader

from ..errors import RasterError
from ..grid import GeoGrid, same_grid
from .addresses import gdal_name
from .band_files import is_safe, list_rasters, match_band_files, safe_band_files
from .bands import canonical_band, is_placeholder, match_bands
from .baseline import baseline_of
from .dataset import dataset_grid, image_bands, open_dataset
from .scene import SceneReader
from .source import describe_source
from .stac_assets import match_band_assets, read_item_assets, stacked_asset
from .stac_items import is_stac


def open_scene(
    path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], bands: Sequence[str] | None = None
) -> SceneReader:
    """Open an image to predict.

    Args:
        path: One raster with all bands; or a folder with one raster per band (``B02.tif``, ``scene_B8A.tif``;
            other files in it are ignored), such as a Sentinel-2 product ``.SAFE``; or a list of such rasters;
            or a STAC item (``.json``) with one asset, or one per band; ``items.json#ID`` of an item
            collection. Rasters and items may be addresses (``https://...``, ``s3://...``).
        bands: Wanted bands in reading order, in any spelling; None for all.

    Returns:
        The reader. Rasters of several resolutions, grids or CRSs are read on the finest grid among the wanted
        bands (the first of equals), the others resampled bilinearly.

    Raises:
        MissingFileError: No such file or folder, or a folder without rasters.
        RasterError: A raster cannot be read or has no CRS, or a wanted band is missing or ambiguous.
    """
    if isinstance(path, str | os.PathLike):
        name = os.fspath(path)
        if is_stac(name):
            return _open_item(name, bands)
        if not Path(name).is_dir():
            return _open_stack(gdal_name(name), bands)
        folder = Path(name)
        if is_safe(folder):
            files = safe_band_files(folder)
            return _open_band_files(folder.resolve().name.removesuffix(".SAFE"), name, files, bands)
        return _open_band_files(folder.resolve().name, str(folder), list_rasters(folder), bands)
    files = [Path(os.fspath(item)) for item in path]
    if not files:
        raise RasterError("Expected at least one raster, but got an empty list. Name the band files.")
    return _open_band_files(files[0].parent.resolve().name, "the given list", files, bands)


def _open_stack(path: str, bands: Sequence[str] | None, places: tuple[int, ...] | None = None) -> SceneReader:
    """Open a raster with all bands; ``places`` are the 1-based bands where somebody else knows them."""
    with open_dataset(path) as dataset:
        baseline = baseline_of(path, dataset.tags())
        grid = dataset_grid(dataset, path)
        if bands is not None and places is not None and max(places) <= dataset.count:
            names, indexes = tuple(map(canonical_band, bands)), list(places)
            notes: tuple[str, ...] = ()
        else:
            names, indexes, notes = _stack_bands(dataset, path, bands)
        source = describe_source(dataset, path, tuple(indexes))
        acquired, time_notes = _acquired(dataset)
        dtype = str(np.result_type(*(dataset.dtypes[index - 1] for index in indexes)))
        notes = (*notes, *_scale_notes(dataset, path, indexes), *time_notes)
    scene = SceneReader(Path(path).stem, grid, names, (source,), dtype, acquired, notes)
    scene.baselines = frozenset({baseline})
    return scene


def _stack_bands(
    dataset: DatasetReader, path: str, bands: Sequence[str] | None
) -> tuple[tuple[str, ...], list[int], tuple[str, ...]]:
    """Return names, 1-based file bands and notes of a raster with all bands."""
    indexes = image_bands(dataset)
    described: list[str | None] = [
        None if is_placeholder(dataset.descriptions[index - 1]) else dataset.descriptions[index - 1]
        for index in indexes
    ]
    if bands is None:
        names = (
            canonical_band(name) if name else f"band_{index}"
            for index, name in zip(indexes, described, strict=True)
        )
        return tuple(names), indexes, ()
    wanted = tuple(canonical_band(name) for name in bands)
    if any(described):
        return wanted, [indexes[index - 1] for index in match_bands(wanted, described, path)], ()
    if len(indexes) != len(wanted):
        raise RasterError(
            f"Expected {len(wanted)} bands ({', '.join(wanted)}), but got {len(indexes)} without names "
            f"(in {path}). Give a raster with exactly these bands in this order, or write their names into "
            "its band descriptions."
        )
    note = f"{path} names no bands: their order is taken as {', '.join(wanted)}."
    return wanted, indexes, (note,)


def _open_band_files(name: str, origin: str, files: list[Path], bands: Sequence[str] | None) -> SceneReader:
    names, matched = match_band_files(files, bands, origin)
    return _open_matched(name, names, [str(path) for path in matched])


def _open_item(address: str, bands: Sequence[str] | None) -> SceneReader:
    """Open what a STAC item describes: one raster with all bands, or one asset per band."""
    item = read_item_assets(address)
    stacked = stacked_asset(item, bands)
    if stacked is not None:
        scene = _open_stack(stacked[0], bands, stacked[1])
        scene.name = item.name
    else:
        names, files = match_band_assets(item, bands)
        scene = _open_matched(item.name, names, files)
    scene.acquired = scene.acquired or item.acquired
    stated = baseline_of(item.name, properties=item.properties)
    if stated is not None:
        scene.baselines = frozenset({stated})
    return scene


def _open_matched(name: str, names: tuple[str, ...], matched: Sequence[str]) -> SceneReader:
    sources, grids, dtypes = [], [], []
    notes: list[str] = []
    for path in matched:
        with open_dataset(path) as dataset:
            indexes = _only_band(dataset, path)
            sources.append(describe_source(dataset, path, indexes))
            grids.append(dataset_grid(dataset, path))
            dtypes.append(dataset.dtypes[indexes[0] - 1])
            notes += _scale_notes(dataset, path, indexes)
            if len(sources) == 1:
                acquired, time_notes = _acquired(dataset)
                baseline = baseline_of(path, dataset.tags())
    grid = finest_grid(grids)
    onto = f"the grid of {names[grids.index(grid)]}, {grid.gsd_m():.4g} m"
    for position, (band, own) in enumerate(zip(names, grids, strict=True)):
        if same_grid(own, grid):
            continue
        _check_same_place(own, grid, sources[position].path)
        sources[position] = replace(sources[position], onto=grid)
        notes.append(f"{band}, {own.gsd_m():.4g} m, is resampled bilinearly onto {onto}.")
    dtype = str(np.result_type(*dtypes))
    scene = SceneReader(name, grid, names, tuple(sources), dtype, acquired, (*notes, *time_notes))
    scene.baselines = frozenset({baseline or baseline_of(f"{name}_")})
    return scene


def _only_band(dataset: DatasetReader, path: str) -> tuple[int]:
    indexes = image_bands(dataset)
    if len(indexes) != 1:
        raise RasterError(
            f"Expected a band file with one band, but got {len(indexes)} (in {path}). "
            "Give a raster with all bands by its own path, not by its folder."
        )
    return (indexes[0],)


def finest_grid(grids: Sequence[GeoGrid]) -> GeoGrid:
    """Return the grid of the smallest pixels on the ground, the first of equals (within 0.1 %)."""
    best = grids[0]
    for grid in grids[1:]:
        if not same_grid(grid, best) and grid.gsd_m() < 0.999 * best.gsd_m():
            best = grid
    return best


def _check_same_place(own: GeoGrid, grid: GeoGrid, path: str) -> None:
    """Refuse a band file that shows another place: every pixel of the image would be without data."""
    try:
        to_grid = Transformer.from_crs(own.crs, grid.crs, always_xy=True)
        left, bottom, right, top = to_grid.transform_bounds(*own.bounds, errcheck=True)
    except ProjError as error:
        raise RasterError(f"Expected {path} to lie where the other bands do, but {error}.") from error
    west, south, east, north = grid.bounds
    if left >= east or right <= west or bottom >= north or top <= south:
        raise RasterError(
            f"Expected the bands of one place, but got bounds {own.bounds} in {own.crs.name} (in {path}), "
            f"outside {grid.bounds} in {grid.crs.name}. Take the band files of one scene."
        )


def _scale_notes(dataset: DatasetReader, path: str, indexes: Sequence[int]) -> tuple[str, ...]:
    if all(dataset.scales[i - 1] == 1 and dataset.offsets[i - 1] == 0 for i in indexes):
        return ()
    return (f"{path} declares scale or offset, which are not applied: values are read as stored.",)


def _acquired(dataset: DatasetReader) -> tuple[datetime | None, tuple[str, ...]]:
    """Return when the image was taken, or a note where the file says so in words that are no date."""
    tags = dataset.tags()
    for key in ("ACQUISITION_DATE", "TIFFTAG_DATETIME"):
        text = tags.get(key, "").strip()
        if not text:
            continue
        try:
            time = _parse_time(text)
        except ValueError:
            return None, (f"{key} '{text}' is no date and is left out.",)
        return time if time.tzinfo else time.replace(tzinfo=UTC), ()
    return None, ()


def _parse_time(text: str) -> datetime:
    """Read ISO 8601, or TIFF's ``2019:08:01 03:25:41``."""
    tiff_layout = len(text) == 19 and text[4] == text[7] == ":"
    return datetime.strptime(text, "%Y:%m:%d %H:%M:%S") if tiff_layout else datetime.fromisoformat(text)


__all__ = ("finest_grid", "open_scene")
