"""``hierars-geo export``: a checkpoint in, one graph for other programs out."""

import sys
from typing import Literal

EXAMPLES = """examples:
  hierars-geo export model.ckpt --format onnx                       # model.onnx and model.json beside it
  hierars-geo export model.ckpt --format onnx -o qgis/model.onnx --deepness --tile-px 512
  hierars-geo export model.ckpt --format torch -o torch/model.pt2
"""


def run(
    checkpoint: str,
    *,
    format: Literal["onnx", "torch"] = "onnx",
    out: str | None = None,
    deepness: bool = False,
    tile_px: int | None = None,
    overwrite: bool = False,
) -> int:
    """Write a model as one graph from stored image values to classes and confidences of every level.

    Normalisation and path search are inside, and a STAC item describes the file (MLM 1.4).

    Args:
        checkpoint: Model to export.
        format: ONNX, or torch.export's .pt2.
        out: FILE.onnx or FILE.pt2 (default: beside the checkpoint).
        deepness: Outputs and metadata for the QGIS plugin Deepness: a channel per class, tiles of fixed size.
        tile_px: With --deepness: side of a tile (default: a training chip's).
        overwrite: Replace files that exist.
    """
    from ..export import export_model

    written = export_model(
        checkpoint,
        out,
        format=format,
        deepness=deepness,
        tile_px=tile_px,
        overwrite=overwrite,
    )
    sys.stdout.write(f"{written.model}: {', '.join(written.outputs)}\n{written.item}\n")
    return 0
