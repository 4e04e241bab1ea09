#!/usr/bin/env bash
# TorchGeo: chips on a grid reach over the border of their split
# roi_split and random_bbox_splitting cut the index of a data set, so that training and test share no ground.
# GridGeoSampler lays its last row and column over the edge of each part and the data set, which still knows
# the whole file, fills them with what lies there: ground of the other split. RandomGeoSampler stays inside.
# TorchGeo 0.10.1 does the same. Remedy: parts whose sides are whole numbers of strides, or dropping chips
# that the part does not cover.
# Exits with 1 where the behaviour has changed. PYTHON=... chooses the interpreter.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check torchgeo==0.8.1 torch==2.15.0 rasterio==1.4.4 geopandas==1.2.0 pandas==3.1.1 shapely==2.2.0 numpy==2.4.6 affine==2.4.0 requests==2.34.2
cd "$work"
"$work/venv/bin/python" -W ignore - <<'EOF'
import numpy as np
import rasterio
import shapely
import torch
import torchgeo
from affine import Affine
from torchgeo.datasets import RasterDataset, roi_split
from torchgeo.samplers import GridGeoSampler, RandomGeoSampler

# every pixel its own number
numbers = np.arange(1, 96 * 96 + 1, dtype="float32").reshape(96, 96)
transform = Affine(10, 0, 500000, 0, -10, 4000000)
with rasterio.open(
    "scene.tif", "w", driver="GTiff", count=1, height=96, width=96, dtype="float32", crs="EPSG:32650", transform=transform
) as raster:
    raster.write(numbers, 1)


class Scenes(RasterDataset):
    filename_glob = "*.tif"


border = 500480.0
west, east = shapely.box(500000, 3999040, border, 4000000), shapely.box(border, 3999040, 500960, 4000000)
parts = roi_split(Scenes("."), [west, east])
torch.manual_seed(0)


def ground(part, sampler):
    pixels = [part[query]["image"].unique() for query in sampler]
    return set(torch.cat(pixels).tolist()) - {0.0}


shared = {}
for size in (16, 20, 32):
    train, test = (ground(part, GridGeoSampler(part, size=size, stride=size)) for part in parts)
    shared[size] = len(train & test)
train, test = (ground(part, RandomGeoSampler(part, size=20, length=100)) for part in parts)
print(f"torchgeo {torchgeo.__version__}: pixels of 9216 in chips of both splits, by chip size: {shared}")
print(f"random chips of 20: {len(train & test)}")
if shared[16] != 0 or not (shared[20] > 500 and shared[32] > 1000) or train & test:
    raise SystemExit("changed: expected none where 48 is a multiple of the size, and over 500 and 1000 where not")
EOF
