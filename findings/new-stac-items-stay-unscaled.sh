#!/usr/bin/env bash
# stackstac: reflectances of STAC 1.1 items are not scaled
# stackstac applies scale and offset of an item's raster:bands while it reads. STAC 1.1 holds the same numbers as
# raster:scale and raster:offset of bands; they are passed over without a word. A series of old and new items of one
# collection therefore mixes reflectances (0.2) and stored values (3000).
# Exits with 1 where the behaviour has changed. PYTHON=... chooses the interpreter.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check stackstac==0.5.1 xarray==2026.9.0 rasterio==1.4.4 pyproj==3.7.2 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" -W ignore - <<'EOP'
from pathlib import Path

import numpy as np
import rasterio
import stackstac
from affine import Affine
from rasterio.warp import transform_bounds

grid = Affine(10, 0, 5e5, 0, -10, 4e6)
shape = {"driver": "GTiff", "count": 1, "height": 4, "width": 4, "dtype": "uint16", "crs": "EPSG:32650", "nodata": 0}
with rasterio.open("b04.tif", "w", transform=grid, **shape) as raster:
    raster.write(np.full((1, 4, 4), 3000, "uint16"))
west, south, east, north = transform_bounds("EPSG:32650", "EPSG:4326", 500_000, 3_999_960, 500_040, 4_000_000)
outline = [[west, south], [east, south], [east, north], [west, north], [west, south]]


def item(version: str, code: dict, band: dict) -> dict:
    """An item of one asset in the form of a version."""
    asset = {"href": str(Path("b04.tif").resolve()), "type": "image/tiff", "proj:transform": list(grid)[:6], **band}
    return {
        "type": "Feature",
        "stac_version": version,
        "id": "scene",
        "bbox": [west, south, east, north],
        "geometry": {"type": "Polygon", "coordinates": [outline]},
        "properties": {"datetime": "2020-01-01T00:00:00Z", **code},
        "links": [],
        "assets": {"B04": asset},
    }


old = item("1.0.0", {"proj:epsg": 32650}, {"raster:bands": [{"scale": 1e-4, "offset": -0.1, "nodata": 0}]})
new = item(
    "1.1.0",
    {"proj:code": "EPSG:32650"},
    {"bands": [{"name": "B04", "raster:scale": 1e-4, "raster:offset": -0.1, "nodata": 0}]},
)
seen = [round(float(stackstac.stack([one], epsg=32650, resolution=10).max()), 6) for one in (old, new)]
print(f"stackstac {stackstac.__version__}: the same pixels through an item of 1.0 {seen[0]}, of 1.1 {seen[1]}")
if seen != [0.2, 3000.0]:
    raise SystemExit("changed: expected 0.2 and 3000.0")
EOP
