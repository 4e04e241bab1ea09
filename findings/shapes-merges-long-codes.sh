#!/usr/bin/env bash
# rasterio 1.4: polygons of ten-digit class codes carry a code that is no class
# Crop codes (HCAT, WorldCereal) have ten digits, more than int32 holds, so a class raster of them is float64.
# rasterio.features.shapes accepts float64 and works on float32: two crops become one polygon with a third
# number. Exact in rasterio 1.5. Remedy: polygonise indices, not codes.
# Exits with 1 where the behaviour has changed. PYTHON=... chooses the interpreter.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check rasterio==1.4.4 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" -W ignore - <<'EOF'
import numpy as np
import rasterio
from rasterio.features import shapes

codes = np.array([[3301010101, 3301010199]], "float64")
indices = np.searchsorted(np.unique(codes), codes).astype("int32")
seen = [int(value) for _, value in shapes(codes)]
exact = sorted(int(np.unique(codes)[int(index)]) for _, index in shapes(indices))
print(f"rasterio {rasterio.__version__}, GDAL {rasterio.__gdal_version__}")
print(f"codes {codes.astype(int).tolist()[0]}: polygons of {seen}, by index {exact}")
if seen != [3301010176] or exact != [3301010101, 3301010199]:
    raise SystemExit("changed: expected one polygon of 3301010176, and both codes by index")
EOF
