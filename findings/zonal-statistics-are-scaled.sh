#!/usr/bin/env bash
# exactextract scales pixels that rasterio and rioxarray give as stored
# A band stores reflectance times 10000 and says so (scale 0.0001, offset -0.1), as Landsat Collection 2 does.
# rasterio and rioxarray read 2500; exactextract, which opens the same file through GDAL, answers 0.15 for the
# same pixels. Sums, thresholds and statistics of the two do not meet.
# Exits with 1 where the behaviour has changed. PYTHON=... chooses the interpreter.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check exactextract==0.3.0 rasterio==1.4.4 rioxarray==0.19.0 geopandas==1.2.0 shapely==2.2.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" -W ignore - <<'EOF'
import exactextract
import geopandas
import numpy as np
import rasterio
import rioxarray
import shapely
from affine import Affine

shape = {"driver": "GTiff", "count": 1, "height": 4, "width": 4, "dtype": "uint16", "crs": "EPSG:32650"}
with rasterio.open("band.tif", "w", transform=Affine(10, 0, 5e5, 0, -10, 4e6), **shape) as band:
    band.write(np.full((1, 4, 4), 2500, "uint16"))
    band.scales, band.offsets = (0.0001,), (-0.1,)

zone = geopandas.GeoDataFrame(geometry=[shapely.box(500_000, 3_999_960, 500_040, 4_000_000)], crs="EPSG:32650")
with rasterio.open("band.tif") as band:
    pixels = float(band.read(1).mean())
seen = (
    pixels,
    float(rioxarray.open_rasterio("band.tif").mean()),
    round(exactextract.exact_extract("band.tif", zone, ["mean"])[0]["properties"]["mean"], 6),
)
print(f"exactextract {exactextract.__version__}, rasterio {rasterio.__version__}, rioxarray {rioxarray.__version__}")
print(f"mean by rasterio {seen[0]}, by rioxarray {seen[1]}, by exactextract {seen[2]}")
if seen != (2500.0, 2500.0, 0.15):
    raise SystemExit("changed: expected 2500, 2500 and 0.15")
EOF
