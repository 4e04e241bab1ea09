#!/usr/bin/env bash
# rasterio and exactextract name other classes where two are equally frequent
# Two classes share a coarse pixel half and half. GDAL's mode takes the one that reaches the winning count
# first in reading order, so the same ground stored south-up gets the other class; exactextract takes the
# larger value. Majorities at half the resolution are full of such ties.
# Exits with 1 where the behaviour has changed. PYTHON=... chooses the interpreter.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check rasterio==1.4.4 exactextract==0.3.0 geopandas==1.2.0 shapely==2.2.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" -W ignore - <<'EOF'
import exactextract
import geopandas
import numpy as np
import rasterio
import shapely
from affine import Affine
from rasterio.warp import Resampling, reproject

ground = np.array([[1, 1], [2, 2]], "uint8")  # class 1 in the north, class 2 in the south
crs = "EPSG:32650"
north_up = Affine(10, 0, 500_000, 0, -10, 4_000_000)
south_up = Affine(10, 0, 500_000, 0, 10, 3_999_980)


def mode(pixels, transform):
    result = np.zeros((1, 1), "uint8")
    coarse = Affine(20, 0, 500_000, 0, -20, 4_000_000)
    reproject(pixels, result, src_crs=crs, dst_crs=crs, src_transform=transform, dst_transform=coarse,
              src_nodata=255, dst_nodata=255, resampling=Resampling.mode)
    return int(result[0, 0])


shape = {"driver": "GTiff", "count": 1, "height": 2, "width": 2, "dtype": "uint8", "crs": crs}
with rasterio.open("ground.tif", "w", transform=north_up, **shape) as raster:
    raster.write(ground, 1)
zone = geopandas.GeoDataFrame(geometry=[shapely.box(500_000, 3_999_980, 500_020, 4_000_000)], crs=crs)
zonal = exactextract.exact_extract("ground.tif", zone, ["mode"])[0]["properties"]["mode"]
seen = (mode(ground, north_up), mode(ground[::-1].copy(), south_up), zonal)
print(f"rasterio {rasterio.__version__}, GDAL {rasterio.__gdal_version__}, exactextract {exactextract.__version__}")
print(f"mode north-up {seen[0]}, the same ground south-up {seen[1]}, exactextract {seen[2]}")
if seen != (1, 2, 2):
    raise SystemExit("changed: expected 1, 2 and 2")
EOF
