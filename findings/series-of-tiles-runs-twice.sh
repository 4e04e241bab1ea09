#!/usr/bin/env bash
# TorchGeo: a time series of tiles has a step per file, in the order of names
# RasterDataset(time_series=True) stacks what files a query touches. Where two tiles of three dates meet, the
# sample has six steps, not three: all dates of one tile with zeros beside it, then all of the other, so that
# time runs twice, half of every step is 0, and chips inside one tile have three steps. Without overlaps, one
# tile a place, it is right. Remedy: mosaics of each date (a VRT, or GTI) as files.
# Exits with 1 where the behaviour has changed. Needs Python 3.12 or newer: PYTHON=...
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3.12}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check torchgeo==0.10.1 torch==2.15.0 rasterio==1.5.2 geopandas==1.2.0 pandas==3.1.1 shapely==2.2.0 numpy==2.5.5 affine==3.0.1
cd "$work"
"$work/venv/bin/python" -W ignore - <<'EOF'
import numpy as np
import rasterio
import torchgeo
from affine import Affine
from torchgeo.datasets import RasterDataset

dates = ("20200101", "20200201", "20200301")
for step, date in enumerate(dates, start=1):
    for column, tile in enumerate(("west", "east")):
        transform = Affine(10, 0, 500000 + 320 * column, 0, -10, 4000000)
        shape = {"driver": "GTiff", "count": 1, "height": 32, "width": 32, "dtype": "float32"}
        with rasterio.open(f"{tile}_{date}.tif", "w", crs="EPSG:32650", transform=transform, **shape) as raster:
            raster.write(np.full((1, 32, 32), step, dtype="float32"))


class Season(RasterDataset):
    filename_glob = "*.tif"
    filename_regex = r".*_(?P<date>\d{8})"
    date_format = "%Y%m%d"


def steps(left, right):
    series = Season(".", time_series=True)[left:right, 3999680:4000000]["image"]
    return [(int(image.max()), float((image == 0).float().mean())) for image in series]


inside, across = steps(500000, 500160), steps(500000, 500640)
print(f"torchgeo {torchgeo.__version__}: {len(dates)} dates, (number of the date, share of zeros) of each step")
print(f"inside one tile: {inside}")
print(f"over both tiles: {across}")
if [number for number, _ in inside] != [1, 2, 3] or across != [(n, 0.5) for n in (1, 2, 3, 1, 2, 3)]:
    raise SystemExit("changed: expected 1, 2, 3 and, over both tiles, the same twice, half of each step zeros")
EOF
