#!/usr/bin/env bash
# GDAL 3.12 in rasterio 1.5: warping renames the class that equals the nodata value of the result
# Class 0 is valid in a class raster without nodata. Warped onto its own grid, nearest, with dst_nodata=0 and
# no src_nodata, every 0 becomes 1, another class; with dst_nodata=255, every 255 becomes 254. The GDAL of
# rasterio 1.4 left them alone. With src_nodata given, too, nothing is moved.
# Exits with 1 where the behaviour has changed. Needs Python 3.12 or newer: PYTHON=...
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3.12}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check rasterio==1.5.2 numpy==2.5.5
cd "$work"
"$work/venv/bin/python" -W ignore - <<'EOF'
import numpy as np
import rasterio
from affine import Affine
from rasterio.warp import Resampling, reproject

grid = Affine(10, 0, 500_000, 0, -10, 4_000_000)
place = {"src_crs": "EPSG:32650", "dst_crs": "EPSG:32650", "src_transform": grid, "dst_transform": grid}


def warped(value, **nodata):
    classes = np.full((4, 4), value, "uint8")
    classes[1:3, 1:3] = 3
    result = np.zeros_like(classes)
    reproject(classes, result, resampling=Resampling.nearest, **place, **nodata)
    return sorted(np.unique(result).tolist())


print(f"rasterio {rasterio.__version__}, GDAL {rasterio.__gdal_version__}")
seen = []
for value in (0, 255):
    for nodata in ({"dst_nodata": value}, {"dst_nodata": value, "src_nodata": value}):
        seen.append(warped(value, **nodata))
        print(f"classes {sorted([value, 3])}, {nodata}: {seen[-1]}")
if seen != [[1, 3], [0, 3], [3, 254], [3, 255]]:
    raise SystemExit("changed: expected [1, 3], [0, 3], [3, 254], [3, 255]")
EOF
