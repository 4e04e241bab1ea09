#!/usr/bin/env bash
# TorchGeo: Presto takes no batch of pixels that differ in how much of them is masked
# `mask` says for every pixel, month and band what was not seen, and the model leaves those tokens out. It lays
# the rest into one table: where two pixels of a batch were under clouds in different numbers of months, forward
# ends in an AssertionError whose text is two numbers. Each pixel alone passes. Remedy: a batch per number of
# masked tokens, or attention with a mask over all tokens, which gives the same features.
# Exits with 1 where the behaviour has changed. Needs Python 3.12 or newer: PYTHON=...
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3.12}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check torchgeo==0.10.1 torch==2.15.0 timm==1.0.31 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" -W ignore - <<'EOF'
from importlib.metadata import version

import torch
from torchgeo.models import presto

torch.manual_seed(0)
model = presto().eval()
values, mask = torch.rand(2, 12, 17), torch.zeros(2, 12, 17)
mask[0, 3], mask[1, 3:5] = 1, 1  # one month under clouds, and two
no_class, place = torch.full((2, 12), 9), torch.tensor([[47.0, 130.5]] * 2)
print(f"torchgeo {version('torchgeo')}, torch {torch.__version__.split('+')[0]}")
with torch.inference_mode():
    for one in range(2):
        part = slice(one, one + 1)
        tokens, _, _ = model.encoder(values[part], no_class[part], place[part], mask[part])
        print(f"pixel {one} alone: {tokens.shape[1]} tokens")
    try:
        model.encoder(values, no_class, place, mask)
    except AssertionError as error:
        print(f"both together: AssertionError: {error}")
    else:
        raise SystemExit("changed: both together pass")
EOF
