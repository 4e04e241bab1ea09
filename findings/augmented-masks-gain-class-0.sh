#!/usr/bin/env bash
# kornia: what a turn, a crop or an eraser uncovers is class 0 of the mask
# AugmentationSequential moves image and mask together. Ground that lies outside the image afterwards, or that
# RandomErasing wipes out, is 0 in the mask, too: a class of most legends, water or background, and not the
# label to ignore (-100 or 255), so that a network learns it from black corners. There is no option for the
# fill of masks. Remedy: hand the mask over with 1 added where labelled and 0 where not, and take it off
# afterwards.
# Exits with 1 where the behaviour has changed. PYTHON=... chooses the interpreter.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check torch==2.15.0 kornia==0.9.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" -W ignore - <<'EOF'
import kornia
import kornia.augmentation as K
import torch

torch.manual_seed(0)
image, mask = torch.rand(2, 3, 32, 32), torch.full((2, 1, 32, 32), 3.0)
mask[:, :, :, 16:] = -100
print(f"kornia {kornia.__version__}, torch {torch.__version__.split('+')[0]}; classes before: {mask.unique().tolist()}")
for step in (K.RandomRotation(45.0, p=1.0), K.RandomPerspective(p=1.0), K.RandomErasing(p=1.0)):
    both = K.AugmentationSequential(step, data_keys=["input", "mask"])
    _, moved = both(image, mask)
    print(f"{type(step).__name__}: {moved.unique().tolist()}, {int((moved == 0).sum())} pixels of class 0")
    if moved.unique().tolist() != [-100.0, 0.0, 3.0]:
        raise SystemExit("changed: expected -100, 0 and 3")
EOF
