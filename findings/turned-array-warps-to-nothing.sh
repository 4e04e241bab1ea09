#!/usr/bin/env bash
# rioxarray: a turned raster has bounds of another place and warps to an empty array
# A GeoTIFF may be turned by its transform. rioxarray keeps it, but rio.bounds() is a box beside the ground,
# here without any common ground, and rio.reproject, which asks for these bounds, gives an array without a
# single valid pixel, whatever the CRS; exactextract, which refuses the file by its path, takes the array and
# counts 0 pixels. No warning. Remedy: open it through rasterio's WarpedVRT, which lays the pixels north-up,
# and hand that to rioxarray.open_rasterio.
# Exits with 1 where the behaviour has changed. PYTHON=... chooses the interpreter.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check rioxarray==0.19.0 xarray==2026.9.0 rasterio==1.4.4 exactextract==0.3.0 geopandas==1.2.0 shapely==2.2.0 affine==2.4.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" -W ignore - <<'EOF'
import exactextract
import geopandas
import numpy as np
import rasterio
import rioxarray
import shapely
from affine import Affine
from rasterio.vrt import WarpedVRT

turned = Affine.translation(500000, 4000000) * Affine.rotation(-20) * Affine.scale(10, -10)
values = np.arange(1600, dtype="float32").reshape(40, 40)
shape = {"driver": "GTiff", "count": 1, "height": 40, "width": 40, "dtype": "float32", "nodata": -1}
with rasterio.open("turned.tif", "w", crs="EPSG:32650", transform=turned, **shape) as raster:
    raster.write(values, 1)

zone = shapely.Polygon([turned * corner for corner in ((15, 20), (25, 20), (25, 30), (15, 30))])
zones = geopandas.GeoDataFrame(geometry=[zone], crs="EPSG:32650")


def statistics(array):
    return exactextract.exact_extract(array, zones, ["mean", "count"])[0]["properties"]


array = rioxarray.open_rasterio("turned.tif", masked=True)
warped = {crs: int(array.rio.reproject(crs).count()) for crs in ("EPSG:32650", "EPSG:4326")}
claimed = shapely.box(*array.rio.bounds())
with rasterio.open("turned.tif") as raster, WarpedVRT(raster, crs="EPSG:32650") as upright:
    true = shapely.box(*raster.bounds)
    laid = statistics(rioxarray.open_rasterio(upright, masked=True))
print(f"rioxarray {rioxarray.__version__}, exactextract {exactextract.__version__}, rasterio {rasterio.__version__}")
print(f"bounds: rasterio {true.bounds}, rioxarray {claimed.bounds}: {true.intersection(claimed).area} m2 in common")
print(f"valid pixels of 1600 after rio.reproject: {warped}")
print(f"true mean {values[20:30, 15:25].mean()}; exactextract of the array {statistics(array)}, through WarpedVRT {laid}")
if true.intersection(claimed).area != 0 or set(warped.values()) != {0} or statistics(array)["count"] != 0:
    raise SystemExit("changed: expected bounds beside the ground, empty arrays and a count of 0")
if not abs(laid["mean"] - values[20:30, 15:25].mean()) < 5:
    raise SystemExit("changed: expected the way through WarpedVRT to be right")
EOF
