"""What the QGIS plugin Deepness reads from the metadata of an ONNX file."""

import json

from ..models.record import ModelRecord

#: Side of a tile where no training chip was larger: that of a window of ``hierars-geo predict``.
DEFAULT_TILE_PX = 512

#: Name of the first channel of every output.
NO_DATA = "no data"

#: The plugin divides what it reads by this, before its standardisation.
_FULL_SCALE = 255.0

#: Share of a tile that neighbours have in common, per cent: the default of ``hierars-geo predict``.
_OVERLAP_PERCENT = 25


def deepness_metadata(record: ModelRecord, tile_px: int) -> dict[str, str]:
    """Return key -> JSON, as release 0.6.5 of the plugin reads them.

    The plugin standardises ``value / 255`` by a mean and a std; 0 and 1 / 255 give the stored values back,
    which is what the graph takes. Without threshold and smoothing, what it shows is what the graph decodes.

    Args:
        record: What the checkpoint says of the model.
        tile_px: Height and width of the graph's input.
    """
    taxonomy = record.taxonomy
    names = [
        {str(index): name for index, name in enumerate((NO_DATA, *taxonomy.class_names(level)))}
        for level in range(1, taxonomy.num_levels + 1)
    ]
    bands = len(record.bands)
    content: dict[str, object] = {
        "model_type": "Segmentor",
        "class_names": names if len(names) > 1 else names[0],
        "tile_size": tile_px,
        "tiles_overlap": _OVERLAP_PERCENT,
        "standardization_mean": [0.0] * bands,
        "standardization_std": [1.0 / _FULL_SCALE] * bands,
        "seg_thresh": 0.0,
        "seg_small_segment": 0,
    }
    if record.gsd_m is not None:
        content["resolution"] = round(100.0 * record.gsd_m, 3)  # centimetres per pixel
    return {key: json.dumps(value, ensure_ascii=False) for key, value in content.items()}


__all__ = ("DEFAULT_TILE_PX", "NO_DATA", "deepness_metadata")
