"""``hierars-geo demo``: the whole way on synthetic scenes, from nothing to maps, polygons and a report."""

import sys
from pathlib import Path

from .options import CommandParser

_EXAMPLES = """examples:
  hierars-geo demo demo_out
  hierars-geo demo demo_out --overwrite --seed 7 --steps 600
"""


def parser() -> CommandParser:
    """Build the parser."""
    p = CommandParser(
        "demo",
        "Synthesise Sentinel-2 scenes, train BHCCM on them, predict and evaluate a held-out scene at every "
        "level, turn it into nested polygons and write a report.",
        _EXAMPLES,
    )
    p.add_argument("out_dir", type=str, help="folder of everything that is made")
    p.add_argument("--steps", type=int, default=800, help="training steps (default: 800)")
    p.add_argument("--size-m", type=float, default=7680.0, help="side of a scene in metres (default: 7680)")
    p.add_argument("--scenes", type=int, default=2, help="training scenes (default: 2)")
    p.add_argument("--chip-size", type=int, default=64, help="side of a training chip (default: 64)")
    p.add_argument("--encoder", type=str, default="resnet18", help="backbone (default: resnet18)")
    p.add_argument("--seed", type=int, default=0, help="decides scenes, weights and chips (default: 0)")
    p.add_argument("--overwrite", action="store_true", help="replace an earlier demo in that folder")
    return p


def main(argv: list[str]) -> int:
    """Run the command."""
    args = parser().parse_args(argv)
    from .demo_run import DemoOptions, run_demo
    from .tables import print_scores

    options = DemoOptions(
        out_dir=Path(args.out_dir),
        steps=args.steps,
        size_m=args.size_m,
        scenes=args.scenes,
        chip_size=args.chip_size,
        encoder=args.encoder,
        seed=args.seed,
        overwrite=args.overwrite,
    )
    result = run_demo(options)
    print_scores(result.scores, result.taxonomy)
    sys.stdout.write("\nopen next:\n")
    for what, path in result.next_steps:
        sys.stdout.write(f"  {what:<28} {path}\n")
    return 0


__all__ = ("main", "parser")
