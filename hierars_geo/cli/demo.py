"""``hierars-geo demo``: the whole way on synthetic scenes, from nothing to maps, polygons and a report."""

from pathlib import Path

EXAMPLES = """examples:
  hierars-geo demo demo_out
  hierars-geo demo demo_out --overwrite --seed 7 --steps 600
"""


def run(
    out_dir: Path,
    *,
    steps: int = 800,
    size_m: float = 7680.0,
    scenes: int = 2,
    chip_size: int = 64,
    encoder: str = "resnet18",
    seed: int = 0,
    overwrite: bool = False,
) -> int:
    """Go the whole way on synthetic scenes, from nothing to maps and a report.

    Synthesise Sentinel-2 scenes, train BHCCM on them, predict and evaluate a held-out scene at every level,
    turn it into nested polygons and write a report.

    Args:
        out_dir: Folder of everything that is made.
        steps: Training steps.
        size_m: Side of a scene in metres.
        scenes: Training scenes.
        chip_size: Side of a training chip.
        encoder: Backbone.
        seed: Decides scenes, weights and chips.
        overwrite: Replace an earlier demo in that folder.
    """
    from .demo_run import DemoOptions, run_demo

    run_demo(DemoOptions(out_dir, steps, size_m, scenes, chip_size, encoder, seed, overwrite))
    return 0
