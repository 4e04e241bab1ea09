"""What the source branch costs: TransLU against the target model alone, with the same backbone.

Run: make bench-translu (or python experiments/bench/bench_translu.py), about five minutes on two quiet cores.
On a machine with a CUDA device everything runs there. Both sides of a ratio run in turns in one process on
the same inputs; the figures are ratios of medians. The exit status is 0 also where a target is missed: the
table says so.

* Models: UPerNet (512 channels) on ConvNeXt-T, 10 bands, the MM-5B tree as the source and Crop10m as the
  target, deformable attention at the paper's settings.
* A training step is forward, the losses (with CDSA the pseudo-labels, too), backward. Inference is the image
  to the logits of all legal paths.
* Peak memory: on CUDA the allocator's own peak. On the CPU the running sum of every allocation and release
  that PyTorch's profiler reports, plus all weights, the frozen ones, too.
"""

import torch
from measuring import (
    DEVICE,
    ON_GPU,
    Row,
    describe_machine,
    medians,
    memory_row,
    peak_bytes,
    print_table,
    time_row,
)

from hierars_geo.losses import HSCLoss
from hierars_geo.models import MapModel, ModelConfig, ModelRecord, Transfer, TransLU, build_model
from hierars_geo.taxonomy import Taxonomy
from hierars_geo.types import ReadRecipe

BANDS = tuple(f"B{number}" for number in range(10))
BATCH, SIZE_PX, TURNS = (8, 512, 20) if ON_GPU else (2, 256, 5)
SOURCE, TARGET = Taxonomy.from_yaml("mm5b"), Taxonomy.from_yaml("crop10m")
PATHS = torch.tensor(TARGET.paths, device=DEVICE)

#: Targets of a training step's time, of inference's, and of the step's memory.
VARIANTS = {
    "CDKS + CDSA": (True, True, 3.0, 3.3, 2.6),
    "CDSA alone": (False, True, 1.6, 2.1, None),
    "CDKS alone": (True, False, None, None, None),
}


def record(tree: Taxonomy, transfer: Transfer | None = None) -> ModelRecord:
    """A model of the same backbone for a tree."""
    config = ModelConfig("upernet", "convnext_tiny")
    return ModelRecord(tree, ReadRecipe(BANDS), (0.0,) * 10, (1.0,) * 10, config, transfer=transfer)


class Work:
    """A model with its step and its inference."""

    def __init__(self, transfer: Transfer | None) -> None:
        torch.manual_seed(0)
        self.model: MapModel = build_model(record(TARGET, transfer)).to(DEVICE)
        self.loss = HSCLoss(TARGET.paths, TARGET.num_classes, alpha=1.0).to(DEVICE)
        torch.manual_seed(1)
        shape = (BATCH, SIZE_PX, SIZE_PX)
        self.image = torch.randn(BATCH, len(BANDS), SIZE_PX, SIZE_PX, device=DEVICE)
        self.valid = torch.ones(shape, dtype=torch.bool, device=DEVICE)
        self.leaf = torch.randint(TARGET.num_classes[-1], shape, device=DEVICE)

    def step(self) -> None:
        """Forward, losses, backward."""
        self.model.train()
        self.model.zero_grad()
        target: object = self.leaf
        if isinstance(self.model, TransLU) and self.model.cdsa is not None:
            logits, scores = self.model.with_source(self.image, self.valid)
            levels, _ = self.loss.targets(self.leaf)
            target = self.model.cdsa.pseudo_labels(scores, levels, self.valid)
        else:
            logits = self.model(self.image, self.valid)
        self.loss(logits, target)["loss"].backward()

    def infer(self) -> None:
        """The image to path logits."""
        self.model.eval()
        with torch.inference_mode():
            self.model.path_logits(self.image[:1], self.valid[:1], PATHS)

    def peak(self) -> int:
        """Peak of a step, with the weights."""
        self.model.zero_grad()
        weights = sum(p.numel() * p.element_size() for p in self.model.parameters())
        return peak_bytes(self.step) + weights


def main() -> None:
    """Measure everything and print the table."""
    print(f"{describe_machine()}, batch {BATCH}, {SIZE_PX} px\n")
    single = Work(None)
    rows: list[Row] = []
    for name, (cdks, cdsa, step, inference, memory) in VARIANTS.items():
        ours = Work(Transfer(record(SOURCE), cdks, cdsa))
        rows.append(time_row(f"{name}: training step", medians(ours.step, single.step, TURNS), step))
        rows.append(time_row(f"{name}: inference", medians(ours.infer, single.infer, 3 * TURNS), inference))
        rows.append(memory_row(f"{name}: peak memory of the step", (ours.peak(), single.peak()), memory))
    print_table(rows)


if __name__ == "__main__":
    main()
