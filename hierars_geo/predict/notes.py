"""Before a prediction: what is refused, and how a scene differs from those of the training."""

import math
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import HieraRSWarning, OptionError, RasterError, RecipeError
from ..models.record import ModelFile
from ..scenes.radiometry import foreign_note
from ..scenes.scene import Scene
from ..scenes.sensors import find_sensor
from ..types import ReadRecipe
from .exported import SUFFIX
from .options import PredictOptions

#: A scene whose GSD differs from the training GSD by more than this factor is worth a warning.
_GSD_TOLERANCE = 1.25


def note_of(scene_name: str, note: str) -> None:
    """Warn of something about a scene."""
    warnings.warn(f"{scene_name}: {note.rstrip('.')}.", HieraRSWarning, stacklevel=6)


def training_notes(scene: Scene, loaded: ModelFile, sees_window: bool, window_px: int) -> list[str]:
    """Say what differs from training so much that maps get poorer.

    Args:
        scene: The scene.
        loaded: The model.
        sees_window: Whether a layer sees all of a window.
        window_px: Side of a window.
    """
    record = loaded.record
    notes = _foreign_values(scene, loaded)
    if sees_window and record.chip_size is not None and window_px > record.chip_size:
        notes.append(
            f"the window is {window_px} px, the training chips had {record.chip_size} px, and layers of this "
            f"model see all of a window: expect poorer maps, or leave --window out"
        )
    if record.gsd_m is not None:
        gsd_m = scene.grid.gsd_m()
        if abs(math.log(gsd_m / record.gsd_m)) > math.log(_GSD_TOLERANCE):
            notes.append(
                f"the scene's GSD is {gsd_m:.3g} m, the training scenes' was {record.gsd_m:.3g} m: "
                "expect poorer maps, or resample the scene"
            )
    return notes


def _foreign_values(scene: Scene, loaded: ModelFile) -> list[str]:
    """Say which bands lie far from those of the training; nothing where a file is damaged.

    The damage is told when its rows are predicted, and the rows above it are kept then.
    """
    record = loaded.record
    if not any(record.mean):
        return []
    try:
        values = scene.values()
    except RasterError:
        return []
    note = foreign_note(scene.bands, values, record.mean, record.std)
    return [] if note is None else [note]


@contextmanager
def recipe_of(loaded: ModelFile, recipe: ReadRecipe) -> Iterator[None]:
    """Say whose read recipe it is that a scene cannot meet, and what it asks for.

    Raises:
        RecipeError: As it was, with that.
    """
    try:
        yield
    except RecipeError as error:
        sensor = "" if recipe.sensor is None else f" of {recipe.sensor}"
        named = " ".join(f"{name}=PATH" for name in recipe.sources)
        remedy = f" Give {named}, or a raster of all these bands." if named else ""
        raise RecipeError(
            f"{error} The read recipe of {loaded.path.name} asks for {', '.join(recipe.bands)}{sensor}."
            f"{remedy}"
        ) from error


def baseline_notes(baselines: Collection[str | None]) -> tuple[str, ...]:
    """Say where values may be stored otherwise than in a training of which nobody says how it read them.

    Args:
        baselines: Of what is predicted, None for one nobody knows.
    """
    rule = find_sensor("sentinel2").baseline_offset
    newer = sorted(b for b in baselines if b is not None and rule is not None and b >= rule.baseline)
    if not newer:
        return ()
    return (
        f"values of processing baseline {', '.join(newer)} are 1000 higher than those before 04.00: give "
        "--harmonize if the model was trained with harmonize or on older scenes, --no-harmonize if not",
    )


def refuse_for_series(options: PredictOptions, model: Path) -> None:
    """Refuse what is for models of single images.

    Raises:
        OptionError: One of them is asked for.
    """
    network = options.network
    asked = {
        "--compile": network.compile,
        f"--runtime {network.runtime}": network.runtime not in ("auto", "torch") and model.suffix != SUFFIX,
        "--precision int8": network.precision == "int8",
        "--mosaic": options.reading.mosaic,
    }
    for name, wanted in asked.items():
        if wanted:
            raise OptionError(
                f"Expected no {name} with a model of series, which takes dates one by one. Leave it out."
            )
