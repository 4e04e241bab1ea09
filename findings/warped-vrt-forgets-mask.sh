#!/usr/bin/env bash
# rasterio: a plain WarpedVRT takes masked pixels for data
# A GeoTIFF with an internal mask and no nodata value is half masked. Read as it is, half of it is masked;
# through a WarpedVRT every pixel of the scene is valid, so an empty half is classified as if it had been
# photographed. With add_alpha=True the mask is kept.
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
from affine import Affine
from rasterio.vrt import WarpedVRT

place = {"crs": "EPSG:32650", "transform": Affine(10, 0, 500_000, 0, -10, 4_000_000)}
shape = {"driver": "GTiff", "count": 1, "height": 60, "width": 60, "dtype": "uint8"}
mask = np.zeros((60, 60), bool)
mask[:, :30] = True
with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open("scene.tif", "w", **place, **shape) as scene:
    scene.write(np.full((1, 60, 60), 7, "uint8"))
    scene.write_mask(mask)

with rasterio.open("scene.tif") as scene:
    stored = (scene.dataset_mask() > 0).mean()
    with WarpedVRT(scene, crs="EPSG:32650") as warped:
        plain = (warped.dataset_mask() > 0).mean()
    with WarpedVRT(scene, crs="EPSG:32650", add_alpha=True) as warped:
        alpha = (warped.dataset_mask() > 0).mean()
print(f"rasterio {rasterio.__version__}, GDAL {rasterio.__gdal_version__}")
print(f"valid share as stored {stored:.2f}, through WarpedVRT {plain:.2f}, with add_alpha=True {alpha:.2f}")
if (stored, plain, alpha) != (0.5, 1.0, 0.5):
    raise SystemExit("changed: expected 0.50, 1.00 and 0.50")
EOF
