"""What the hierarchy costs: BHCCM against the flat model, and path sums against a gather over all paths.

Run: make bench-models (or python experiments/bench/bench_models.py), under five minutes on two quiet cores.
On a machine with a CUDA device everything runs there. Both sides of a ratio run in turns in one process on
the same inputs; the figures are ratios of medians. The exit status is 0 also where a target is missed: the
table says so.

* Models: UPerNet (512 channels) on ConvNeXt-T, 4 bands, 512 px, the MM-5B tree. Flat: the 18 leaves and cross
  entropy. Hierarchical: BHCCM in residual mode and HSC. A training step is forward, loss, backward; inference
  is the image to logits of the leaves against the image to the logits of all legal paths.
* The gather: log-softmax per level, moved to (B, H, W, C), then torch.gather with an index of (B, H, W, T)
  per level, summed; the form the definition suggests. Results are compared before anything is timed.
* Peak memory: on CUDA the allocator's own peak. On the CPU the running sum of every allocation and release
  that PyTorch's profiler reports, from its level before the step; for models the weights are added.
"""

from collections.abc import Callable

import torch
from measuring import (
    DEVICE,
    ON_GPU,
    Row,
    describe_machine,
    medians,
    memory_row,
    ms,
    peak_bytes,
    print_table,
    time_row,
)
from torch import Tensor
from torch.nn import functional as F

from hierars_geo.losses import HSCLoss
from hierars_geo.models import ModelConfig, SceneModel, build_segmenter, jsps, path_logits
from hierars_geo.taxonomy import Taxonomy

BANDS, SIZE_PX = 4, 512
#: Batch normalisation of UPerNet's 1 x 1 pooling needs two images.
BATCH, MODEL_TURNS, DECODE_TURNS = (8, 20, 50) if ON_GPU else (2, 3, 7)
TREE = Taxonomy.from_yaml("mm5b")
PATHS = torch.tensor(TREE.paths, device=DEVICE)


def build(mode: str) -> SceneModel:
    """One of the two models."""
    torch.manual_seed(0)
    config = ModelConfig("upernet", "convnext_tiny", mode)
    segmenter = build_segmenter(config, BANDS, TREE.num_classes)
    return SceneModel(segmenter, [0.0] * BANDS, [1.0] * BANDS).to(DEVICE)


def bench_models() -> list[Row]:
    """BHCCM and HSC against the flat model with the same backbone."""
    torch.manual_seed(1)
    image = torch.randn(BATCH, BANDS, SIZE_PX, SIZE_PX, device=DEVICE)
    target = torch.randint(TREE.num_classes[-1], (BATCH, SIZE_PX, SIZE_PX), device=DEVICE)
    flat, hierarchical = build("flat"), build("residual")
    loss = HSCLoss(TREE.paths, TREE.num_classes).to(DEVICE)

    def step_flat() -> None:
        flat.zero_grad()
        F.cross_entropy(flat(image)[0], target).backward()  # type: ignore[no-untyped-call]

    def step_hierarchical() -> None:
        hierarchical.zero_grad()
        loss(hierarchical(image), target)["loss"].backward()

    def infer(model: SceneModel) -> Tensor:
        with torch.inference_mode():
            return model.path_logits(image[:1], None, PATHS)

    train = medians(step_hierarchical, step_flat, MODEL_TURNS)
    for model in (flat, hierarchical):
        model.zero_grad()
    weights = sum(p.numel() * p.element_size() for p in flat.parameters())
    memory = peak_bytes(step_hierarchical) + weights, 0
    hierarchical.zero_grad()
    memory = memory[0], peak_bytes(step_flat) + weights
    flat.eval(), hierarchical.eval()
    inference = medians(lambda: infer(hierarchical), lambda: infer(flat), 3 * MODEL_TURNS)
    return [
        time_row("training step, BHCCM + HSC : flat", train, 1.10),
        memory_row("peak memory of the step", memory, 1.10),
        time_row("inference", inference, 1.05),
    ]


def gathered_scores(logits: list[Tensor]) -> Tensor:
    """Scores of all paths by gather: (B, H, W, T)."""
    batch, _, height, width = logits[0].shape
    total = logits[0].new_zeros(batch, height, width, len(PATHS))
    for level, column in zip(logits, PATHS.unbind(1), strict=True):
        log_p = level.log_softmax(dim=1).permute(0, 2, 3, 1)
        total = total + log_p.gather(-1, column.expand(batch, height, width, -1))
    return total


def bench_decoding() -> list[Row]:
    """HPC and JSPS against the gather."""
    torch.manual_seed(2)
    shape = (BATCH, SIZE_PX, SIZE_PX)
    logits = [
        torch.randn(BATCH, c, SIZE_PX, SIZE_PX, device=DEVICE, requires_grad=True) for c in TREE.num_classes
    ]
    plain = [z.detach() for z in logits]
    path = torch.randint(len(PATHS), shape, device=DEVICE)

    def hpc() -> list[Tensor]:
        value = F.cross_entropy(path_logits(logits, PATHS), path)
        return [value, *torch.autograd.grad(value, logits)]

    def hpc_gathered() -> list[Tensor]:
        log_p = gathered_scores(logits).log_softmax(dim=-1)
        value = -log_p.gather(-1, path.unsqueeze(-1)).mean()
        return [value, *torch.autograd.grad(value, logits)]

    def decode() -> Tensor:
        return jsps(path_logits(plain, PATHS), PATHS)

    def decode_gathered() -> Tensor:
        best = gathered_scores(plain).argmax(dim=-1)
        return PATHS[best].permute(0, 3, 1, 2)

    torch.testing.assert_close(hpc(), hpc_gathered(), rtol=1e-3, atol=1e-7)
    different = int((decode() != decode_gathered()).any(dim=1).sum())
    print(f"JSPS against the gather: {different} of {path.numel()} pixels differ (ties in float32).\n")
    rows = []
    pairs: tuple[tuple[str, Callable[[], object], Callable[[], object]], ...] = (
        ("HPC, with gradient", hpc, hpc_gathered),
        ("JSPS", decode, decode_gathered),
    )
    for what, ours, other in pairs:
        fast, slow = medians(ours, other, DECODE_TURNS)
        rows.append(Row(f"{what}: speed", ms(fast), ms(slow), slow / fast, 2.0, at_most=False))
        rows.append(memory_row(f"{what}: peak memory", (peak_bytes(ours), peak_bytes(other)), 0.5))
    return rows


def main() -> None:
    """Measure everything and print the table."""
    print(f"{describe_machine()}, batch {BATCH}, {SIZE_PX} px\n")
    print_table(bench_decoding() + bench_models())


if __name__ == "__main__":
    main()
