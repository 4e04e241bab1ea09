#!/usr/bin/env bash
# rasterio: the nodata value of an int64 raster loses its power of ten
# Parcel and crop codes fill int64 rasters, with -2**63 as the usual value for nothing. rasterio takes it, and the file
# says -9: what was written as empty is valid, and code -9 is empty. Values up to 2**53 are kept.
# Exits with 1 where the behaviour has changed. PYTHON=... chooses the interpreter.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check rasterio==1.4.4 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'EOP'
import numpy as np
import rasterio
from affine import Affine

shape = {"driver": "GTiff", "count": 1, "height": 2, "width": 2, "dtype": "int64", "crs": "EPSG:32650"}
seen = {}
for told in (-(2**63), 2**62, -(2**53)):
    with rasterio.open("codes.tif", "w", transform=Affine(10, 0, 5e5, 0, -10, 4e6), nodata=told, **shape) as raster:
        raster.write(np.full((1, 2, 2), told, "int64"))
    with rasterio.open("codes.tif") as raster:
        seen[told] = (raster.nodata, int(raster.read_masks(1).max()))
print(f"rasterio {rasterio.__version__}, GDAL {rasterio.__gdal_version__}")
for told, (found, mask) in seen.items():
    print(f"nodata given {told}, in the file {found}, mask of pixels with that value {mask} (255: valid)")
expected = {-(2**63): (-9.0, 255), 2**62: (4.0, 255), -(2**53): (-(2.0**53), 0)}
if seen != expected:
    raise SystemExit(f"changed: expected {expected}, got {seen}")
EOP
