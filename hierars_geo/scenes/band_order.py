"""Which band of a file is which: by what was told, by name, by colour, by the catalog's order."""

from collections.abc import Mapping, Sequence

from ..errors import RasterError, RecipeError
from .bands import canonical_band, match_bands
from .raster_file import RasterFile
from .sensors import Sensor

_RGB = frozenset({"red", "green", "blue"})


def find_bands(
    file: RasterFile, sensor: Sensor, wanted: tuple[str, ...], numbers: tuple[int, ...] = ()
) -> tuple[tuple[str, ...], tuple[int, ...], str | None]:
    """Find bands in a file.

    The first that fits decides: numbers that were told; the bands' names, in any of the sensor's spellings;
    the colour interpretation, where the sensor trusts it or red, green and blue are all that is wanted; the
    catalog's order of a stack with as many bands; the wanted order, where there are as many bands.

    Args:
        file: The file.
        sensor: What its bands may be called.
        wanted: Canonical names in reading order; empty for all bands.
        numbers: 1-based bands of the file that the wanted ones are; empty where nobody says.

    Returns:
        Names, 1-based bands of the file, and a note where the file does not name them itself.

    Raises:
        RasterError: A band is missing or ambiguous, or nothing says which band is which.
    """
    if numbers:
        return wanted, _told(file, wanted, numbers), None
    names = tuple(name and sensor.canonical(name) for name in file.names)
    if not wanted:
        return (
            (*(name or f"band_{i}" for name, i in zip(names, file.indexes, strict=True)),),
            file.indexes,
            None,
        )
    note = None
    if not any(names):
        names, note = _unnamed(file, sensor, wanted)
    try:
        positions = match_bands(wanted, names, file.path)
    except RasterError as error:
        if file.alpha is None:
            raise
        raise RecipeError(f"{error} Band {file.alpha} is tagged alpha and was left out.") from error
    return wanted, tuple(file.indexes[position - 1] for position in positions), note


def _told(file: RasterFile, wanted: Sequence[str], numbers: Sequence[int]) -> tuple[int, ...]:
    wrong = [number for number in numbers if number not in file.indexes]
    if wrong or len(numbers) != len(wanted):
        raise RecipeError(
            f"Expected {', '.join(wanted)} to be bands {', '.join(map(str, numbers))}, but got the bands "
            f"{', '.join(map(str, file.indexes))} (in {file.path}). Correct the numbers, or leave them out."
        )
    return tuple(numbers)


def _unnamed(
    file: RasterFile, sensor: Sensor, wanted: tuple[str, ...]
) -> tuple[tuple[str | None, ...], str | None]:
    """Return what the bands of a file without names are taken for, and a note that says so."""
    count = len(file.indexes)
    colored = set(file.colors) == _RGB and count == 3
    if colored and (sensor.trust_colors or (not sensor.bands and set(wanted) == _RGB)):
        return file.colors, None
    names = sensor.stack_of(count)
    own = tuple(f"band_{i}" for i in file.indexes)
    if names is None and not sensor.bands and set(wanted) <= set(own):
        return own, None
    if names is None and count == len(wanted):
        names = wanted
    if names is None:
        of_sensor = [stack for stack in sensor.stacks if set(wanted) <= set(stack)]
        counts = " or ".join(str(n) for n in sorted({*map(len, of_sensor), len(wanted)}))
        left_out = "" if file.alpha is None else f" Band {file.alpha} is tagged alpha and was left out."
        raise RecipeError(
            f"Expected {counts} bands of {sensor.title} or bands with names ({', '.join(wanted)}), but got "
            f"{count} without names (in {file.path}). Write their names into the band "
            f"descriptions, or say which band is which (bands: {{{wanted[0]}: 1, ...}}).{left_out}"
        )
    listed = ", ".join(f"{i} is {name}" for i, name in zip(file.indexes, names, strict=True))
    return names, f"no bands are named, their order is taken as {listed}"


def numbered(
    bands: Sequence[str] | Mapping[str, int] | None,
) -> tuple[tuple[str, ...] | None, tuple[int, ...]]:
    """Split ``{B01: 1, B02: 2}`` into names and numbers; a list of names has no numbers."""
    if bands is None:
        return None, ()
    if isinstance(bands, Mapping):
        return tuple(map(canonical_band, bands)), tuple(int(number) for number in bands.values())
    return tuple(map(canonical_band, bands)), ()
