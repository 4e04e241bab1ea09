#!/usr/bin/env bash
# rioxarray: clipping and padding fill with class 0
# In a class raster without nodata 0 is a class. rio.clip and rio.pad_box fill what lies outside with 0 and
# declare nothing, so the ground around a polygon counts as that class. Remedy: rio.write_nodata(255) before.
# Exits with 1 where the behaviour has changed. PYTHON=... chooses the interpreter.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check rioxarray==0.19.0 xarray==2026.9.0 rasterio==1.4.4 shapely==2.2.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" -W ignore - <<'EOF'
import numpy as np
import rasterio
import rioxarray
import shapely
from affine import Affine

shape = {"driver": "GTiff", "count": 1, "height": 4, "width": 4, "dtype": "uint8", "crs": "EPSG:32650"}
with rasterio.open("classes.tif", "w", transform=Affine(10, 0, 5e5, 0, -10, 4e6), **shape) as raster:
    raster.write(np.full((1, 4, 4), 3, "uint8"))

triangle = shapely.Polygon([(500_000, 4_000_000), (500_040, 4_000_000), (500_000, 3_999_960)])
classes = rioxarray.open_rasterio("classes.tif")
clipped = classes.rio.clip([triangle], drop=False)
padded = classes.rio.pad_box(499_990, 3_999_950, 500_050, 4_000_010)
told = classes.rio.write_nodata(255).rio.clip([triangle], drop=False)
seen = [sorted(np.unique(part).tolist()) for part in (classes, clipped, padded, told)]
print(f"rioxarray {rioxarray.__version__}, rasterio {rasterio.__version__}")
print(f"classes {seen[0]}, clipped {seen[1]} (nodata {clipped.rio.nodata}), padded {seen[2]}, with nodata {seen[3]}")
if seen != [[3], [0, 3], [0, 3], [3, 255]] or clipped.rio.nodata is not None:
    raise SystemExit("changed: expected [3], [0, 3], [0, 3], [3, 255] and no nodata")
EOF
