"""Measure how far the sources of a place lie off its reference, and move them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...grid import Window, cover
from ...grid.lattice import Lattice
from ...scenes.handles import HandlePool
from .coregistration import Picture, Shift, measure_shift
from .extents import Extent, chip_lattice
from .pairing import Place
from .sources import SceneWindows, SourceName

#: Side of the windows that are compared, and how many of a place at most.
_SIDE_PX = 256
_MOST_WINDOWS = 9
#: Shifts below this are within what can be measured: moving by them would only cost a resampling.
_LEAST_PX = 0.1


def measure_place(place: Place, pool: HandlePool) -> Place:
    """Compare the red band of every source with that of the reference, on the coarser one's pixels.

    Args:
        place: Its scenes.
        pool: Open files.

    Returns:
        The place with ``shifts`` in metres and how they were measured.
    """
    common = place.common_bounds
    if common is None:
        return place
    shifts: dict[SourceName, tuple[float, float]] = {}
    measured: dict[SourceName, Shift] = {}
    for name, scene in place.scenes.items():
        if name == place.reference:
            continue
        reference = place.scenes[place.reference]
        res_m = max(reference.res_in(place.crs), scene.res_in(place.crs))
        lattice, whole = chip_lattice(Extent(place.name, common), res_m, place.crs)
        readers = [SceneWindows(reference, pool), SceneWindows(scene, pool)]
        channels = [reference.red, scene.red]
        pairs = [
            (
                _picture(readers[0], channels[0], lattice, window),
                _picture(readers[1], channels[1], lattice, window),
            )
            for window in _windows(whole)
        ]
        shift = measure_shift(pairs)
        measured[name] = shift
        shifts[name] = (shift.cols * lattice.res[0], -shift.rows * lattice.res[1])
    return replace(place, shifts=shifts, measured=measured)


def corrected(place: Place) -> Place:
    """Move every source whose shift is reliable, and at least 0.1 px, back onto the reference.

    The georeferencing is moved, not the pixels; in another CRS by the same metres, scaled to its units.
    """
    scenes = dict(place.scenes)
    for name, (dx, dy) in place.shifts.items():
        shift = place.measured[name]
        if shift.reliable and np.hypot(shift.rows, shift.cols) >= _LEAST_PX:
            grid = scenes[name].scene.grid
            units_per_m = grid.res[0] / scenes[name].res_in(place.crs)
            scenes[name] = scenes[name].moved(-dx * units_per_m, -dy * units_per_m)
    return replace(place, scenes=scenes)


def _windows(whole: Window) -> Sequence[Window]:
    """Spread windows of one size over the ground."""
    side = min(_SIDE_PX, whole.height, whole.width)
    every = list(cover((whole.height, whole.width), (side, side), (side, side)))
    if len(every) <= _MOST_WINDOWS:
        return every
    return [every[i] for i in np.linspace(0, len(every) - 1, _MOST_WINDOWS).round().astype(int)]


def _picture(reader: SceneWindows, channel: int, lattice: Lattice, window: Window) -> Picture:
    patch = reader.read(lattice, window)
    picture: Picture = np.where(patch.valid, patch.data[channel], np.float32(np.nan)).astype(np.float32)
    return picture


__all__ = ("corrected", "measure_place")
