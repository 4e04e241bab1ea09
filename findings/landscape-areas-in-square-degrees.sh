#!/usr/bin/env bash
# PyLandStats: areas of a map in degrees are square degrees, called hectares
# Class maps are often in longitude and latitude (WorldCover, CORINE exports). PyLandStats multiplies the
# sides of a pixel in the units of the CRS and divides by 10 000, so that 800 pixels of 80 m2 to 7 m by 11 m
# come out as 8e-10 ha; shares are of pixels, not of ground. No warning. Remedy: warp to an equal-area CRS
# first.
# Exits with 1 where the behaviour has changed. PYTHON=... chooses the interpreter.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check pylandstats==3.1.0 rasterio==1.4.4 pyproj==3.7.2 numpy==2.4.6 affine==2.4.0
cd "$work"
"$work/venv/bin/python" -W ignore - <<'EOF'
import numpy as np
import pylandstats
import rasterio
from affine import Affine
from pyproj import Geod

classes = np.ones((40, 40), dtype="uint8")
classes[:, 20:] = 2
transform = Affine(1e-4, 0, 10, 0, -1e-4, 50)
with rasterio.open(
    "map.tif", "w", driver="GTiff", count=1, height=40, width=40, dtype="uint8", nodata=0, crs="EPSG:4326", transform=transform
) as raster:
    raster.write(classes, 1)

left, bottom, right, top = 10, 50 - 40e-4, 10 + 20e-4, 50
area, _ = Geod(ellps="WGS84").polygon_area_perimeter([left, right, right, left], [bottom, bottom, top, top])
table = pylandstats.Landscape("map.tif").compute_class_metrics_df(metrics=["total_area"])
found = float(table["total_area"].loc[1])
print(f"pylandstats {pylandstats.__version__}, rasterio {rasterio.__version__}")
print(f"class 1: {area / 1e4:.3f} ha on the ellipsoid, {found:.1e} 'ha' by PyLandStats")
if not np.isclose(found, 800 * 1e-4 * 1e-4 / 1e4):
    raise SystemExit("changed: expected 8e-10")
EOF
