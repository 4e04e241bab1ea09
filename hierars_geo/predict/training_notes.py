"""What a scene and a window have that the training had otherwise."""

import math

from ..grid import GeoGrid
from ..nn import ModelRecord

#: A scene whose GSD differs from the training GSD by more than this factor is worth a warning.
_GSD_TOLERANCE = 1.25


def training_notes(grid: GeoGrid, record: ModelRecord, window_px: int) -> list[str]:
    """Say what differs from training so much that maps get poorer.

    Args:
        grid: Of the scene.
        record: Of the checkpoint.
        window_px: Side of a window.
    """
    notes = []
    if record.chip_size is not None and window_px != record.chip_size:
        notes.append(
            f"the window is {window_px} px, the training chips had {record.chip_size} px: the model's gates "
            "see another context than in training"
        )
    if record.gsd_m is not None:
        gsd_m = grid.gsd_m()
        if abs(math.log(gsd_m / record.gsd_m)) > math.log(_GSD_TOLERANCE):
            notes.append(
                f"the scene's GSD is {gsd_m:.3g} m, the training scenes' was {record.gsd_m:.3g} m: "
                "expect poorer maps, or resample the scene"
            )
    return notes


__all__ = ("training_notes",)
