#!/usr/bin/env bash
# rasterio: merge fills every band with the nodata value of the first
# In a raster whose bands have nodata values of their own (a VRT over band files), rasterio.merge leaves empty ground of
# every band at the first band's value. Of band 2 empty ground comes out as 0, which is a class or a reflectance there.
# Remedy: merge each band by itself, with its own nodata value.
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
from rasterio.merge import merge

shape = {"driver": "GTiff", "count": 1, "height": 2, "width": 2, "dtype": "uint8", "crs": "EPSG:32650"}
bands = []
for number, nodata in ((1, 0), (2, 255)):
    with rasterio.open(f"b{number}.tif", "w", transform=Affine(10, 0, 5e5, 0, -10, 4e6), nodata=nodata, **shape) as band:
        band.write(np.array([[[7, nodata], [7, nodata]]], "uint8"))
    bands.append(
        f'<VRTRasterBand dataType="Byte" band="{number}"><NoDataValue>{nodata}</NoDataValue><SimpleSource>'
        f'<SourceFilename relativeToVRT="1">b{number}.tif</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand>'
    )
with open("scene.vrt", "w") as vrt:
    vrt.write(
        '<VRTDataset rasterXSize="2" rasterYSize="2"><SRS>EPSG:32650</SRS>'
        f"<GeoTransform>500000,10,0,4000000,0,-10</GeoTransform>{''.join(bands)}</VRTDataset>"
    )
with rasterio.open("scene.vrt") as scene:
    stored, nodata = scene.read(), scene.nodatavals
    merged, _ = merge([scene])
    alone, _ = merge([scene], indexes=[2], nodata=255)
print(f"rasterio {rasterio.__version__}; nodata per band {nodata}")
seen = [sorted(np.unique(part).tolist()) for part in (stored[1], merged[1], alone[0])]
print(f"values of band 2: stored {seen[0]}, merged {seen[1]}, merged by itself {seen[2]}")
if nodata != (0.0, 255.0) or seen != [[7, 255], [0, 7], [7, 255]]:
    raise SystemExit("changed: expected [7, 255], [0, 7], [7, 255]")
EOP
