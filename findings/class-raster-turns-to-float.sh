#!/usr/bin/env bash
# rioxarray and xarray: a class raster comes back from netCDF as float64
# rioxarray.open_rasterio gives bytes with the attributes scale_factor 1.0 and add_offset 0.0, which GDAL
# states for every band. xarray takes them for packing: written and read again the classes are float64, which
# palettes, class tables and class rasters of other tools refuse. Remedy: drop both attributes.
# Exits with 1 where the behaviour has changed. PYTHON=... chooses the interpreter.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check rioxarray==0.19.0 xarray==2026.9.0 rasterio==1.4.4 h5netcdf==1.8.2 h5py==3.16.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" -W ignore - <<'EOF'
import numpy as np
import rasterio
import rioxarray
import xarray
from affine import Affine

shape = {"driver": "GTiff", "count": 1, "height": 4, "width": 4, "dtype": "uint8"}
with rasterio.open("classes.tif", "w", crs="EPSG:32650", transform=Affine(10, 0, 5e5, 0, -10, 4e6), **shape) as raster:
    raster.write(np.arange(16, dtype="uint8").reshape(1, 4, 4))

opened = rioxarray.open_rasterio("classes.tif").rename("classes")
clean = opened.drop_attrs()


def again(array, path):
    array.to_netcdf(path, engine="h5netcdf")
    with xarray.open_dataset(path, engine="h5netcdf") as stored:
        return str(stored["classes"].dtype)


seen = (str(opened.dtype), again(opened, "a.nc"), again(clean, "b.nc"))
print(f"rioxarray {rioxarray.__version__}, xarray {xarray.__version__}, rasterio {rasterio.__version__}")
print(f"attributes {opened.attrs}")
print(f"opened as {seen[0]}, from netCDF {seen[1]}, without the attributes {seen[2]}")
if seen != ("uint8", "float64", "uint8"):
    raise SystemExit("changed: expected uint8, float64 and uint8")
EOF
