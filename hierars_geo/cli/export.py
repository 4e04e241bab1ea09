"""``hierars-geo export``: a checkpoint in, one graph for other programs out."""

import sys

from .options import CommandParser

_EXAMPLES = """examples:
  hierars-geo export model.ckpt --format onnx                       # model.onnx and model.json beside it
  hierars-geo export model.ckpt --format onnx -o qgis/model.onnx --deepness --tile-px 512
  hierars-geo export model.ckpt --format torch -o torch/model.pt2
"""


def parser() -> CommandParser:
    """Build the parser."""
    p = CommandParser(
        "export",
        "Write a model as one graph from stored image values to classes and confidences of every level, "
        "normalisation and path search inside, and a STAC item that describes it (MLM 1.4).",
        _EXAMPLES,
    )
    p.add_argument("checkpoint", type=str, help="model to export")
    p.add_argument(
        "--format", type=str, choices=["onnx", "torch"], default="onnx", help="ONNX, or torch.export's .pt2"
    )
    p.add_argument("-o", "--out", type=str, help="FILE.onnx or FILE.pt2 (default: beside the checkpoint)")
    p.add_argument(
        "--deepness",
        action="store_true",
        help="outputs and metadata for the QGIS plugin Deepness: a channel per class, tiles of fixed size",
    )
    p.add_argument("--tile-px", type=int, help="with --deepness: side of a tile (default: a training chip's)")
    p.add_argument("--overwrite", action="store_true", help="replace files that exist")
    return p


def main(argv: list[str]) -> int:
    """Run the command."""
    args = parser().parse_args(argv)
    from ..export import export_model

    written = export_model(
        args.checkpoint,
        args.out,
        format=args.format,
        deepness=args.deepness,
        tile_px=args.tile_px,
        overwrite=args.overwrite,
    )
    sys.stdout.write(f"{written.model}: {', '.join(written.outputs)}\n{written.item}\n")
    return 0


__all__ = ("main", "parser")
