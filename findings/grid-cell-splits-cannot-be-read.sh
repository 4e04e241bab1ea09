#!/usr/bin/env bash
# TorchGeo: data sets of random_grid_cell_assignment cannot be read
# It deals cells of a grid over each image to splits, the usual way to blocks that do not leak. The index of
# the new data sets has lost its CRS and the names of its columns (0, 1, ... in place of filepath), so that
# their lengths are right and reading the first sample raises an AttributeError. TorchGeo 0.10.1 does the
# same. Remedy: name the columns again, as below, or roi_split with boxes of one's own.
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
import torch
import torchgeo
from affine import Affine
from torchgeo.datasets import RasterDataset, random_grid_cell_assignment
from torchgeo.samplers import RandomGeoSampler

transform = Affine(10, 0, 500000, 0, -10, 4000000)
with rasterio.open(
    "scene.tif", "w", driver="GTiff", count=1, height=96, width=96, dtype="float32", crs="EPSG:32650", transform=transform
) as raster:
    raster.write(np.ones((1, 96, 96), dtype="float32"))


class Scenes(RasterDataset):
    filename_glob = "*.tif"


whole = Scenes(".")
part, _ = random_grid_cell_assignment(whole, [0.5, 0.5], grid_size=4, generator=torch.Generator().manual_seed(0))
(query,) = RandomGeoSampler(part, size=16, length=1)
print(f"torchgeo {torchgeo.__version__}: columns before {list(whole.index.columns)}, after {list(part.index.columns)}")
try:
    part[query]
except AttributeError as error:
    print(f"{len(part)} cells, reading one: {error}")
else:
    raise SystemExit("changed: expected an AttributeError")
part.index = part.index.drop(columns=1).rename(columns={0: "filepath"}).set_crs(whole.crs)
print(f"columns named again: an image of {tuple(part[query]['image'].shape)}")
EOF
