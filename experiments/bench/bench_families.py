"""How fast the families of models are against each other: an image to the logits of all legal paths.

Run: make bench-families (or python experiments/bench/bench_families.py), three minutes on two quiet cores.
Every model runs in turns with U-Net on ResNet-18, on the same image, batch 1, 10 bands, the MM-5B tree, BHCCM
in residual mode. The figure is the ratio of the medians: how many times longer a scene takes. Weights are
random; they do not change the time.
"""

import sys
from functools import partial

import torch
from measuring import DEVICE, ON_GPU, describe_machine, medians

from hierars_geo.models import ModelConfig, SceneModel, build_segmenter
from hierars_geo.taxonomy import Taxonomy

BANDS, SIZE_PX, TURNS = 10, (512 if ON_GPU else 256), (20 if ON_GPU else 3)
TREE = Taxonomy.from_yaml("mm5b")
PATHS = torch.tensor(TREE.paths, device=DEVICE)
REFERENCE = ("unet", "resnet18")
FAMILIES = [
    *(("upernet", f"convnext_{size}") for size in ("tiny", "small", "base", "large")),
    *(("upernet", f"convnextv2_{size}") for size in ("tiny", "base", "large")),
    *(("upernet", f"swin_{size}") for size in ("tiny", "small", "base", "large")),
    *(("upernet", f"deit3_{size}") for size in ("small", "base", "large")),
    *(("upernet", f"resnet{depth}") for depth in (18, 50, 101)),
    *(("deeplabv3plus", f"resnet{depth}") for depth in (50, 101)),
    *(("unet", f"resnet{depth}") for depth in (18, 50)),
    *(("segnext", f"mscan_{size}") for size in ("tiny", "small", "base", "large")),
    *(("segformer", f"mit_b{size}") for size in (0, 2)),
]


def build(architecture: str, encoder: str) -> SceneModel:
    """One model, ready to predict."""
    torch.manual_seed(0)
    segmenter = build_segmenter(ModelConfig(architecture, encoder), BANDS, TREE.num_classes)
    return SceneModel(segmenter, [0.0] * BANDS, [1.0] * BANDS).to(DEVICE).eval()


def infer(model: SceneModel, image: torch.Tensor) -> None:
    """The image to path logits."""
    with torch.inference_mode():
        model.path_logits(image, None, PATHS)


def main() -> None:
    """Measure every family and print the table."""
    print(f"{describe_machine()}, batch 1, {SIZE_PX} px, {BANDS} bands\n")
    torch.manual_seed(1)
    image = torch.randn(1, BANDS, SIZE_PX, SIZE_PX, device=DEVICE)
    reference = build(*REFERENCE)
    print(f"| decoder | encoder | time over {' '.join(REFERENCE)} |\n|---|---|---|")
    for architecture, encoder in FAMILIES:
        model = build(architecture, encoder)
        ours, other = medians(partial(infer, model, image), partial(infer, reference, image), TURNS)
        print(f"| `{architecture}` | `{encoder}` | {ours / other:.1f} |")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
