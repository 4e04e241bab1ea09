#!/usr/bin/env bash
# rasterio and shapely: the footprint of a scene on 180 degrees becomes a band around the Earth
# transform_bounds answers left 179.8, right -179.1 for a scene that crosses 180 degrees (left > right, as its
# documentation says). shapely.box takes these and gives a valid polygon without the scene in it: everything
# else at that latitude, 359 degrees wide. Remedy: two boxes, or add 360 to right.
# Exits with 1 where the behaviour has changed. PYTHON=... chooses the interpreter.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check rasterio==1.4.4 shapely==2.2.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" -W ignore - <<'EOF'
import rasterio
import shapely
from rasterio.warp import transform, transform_bounds

scene = (799_980, 1_900_000, 909_780, 2_009_760)  # UTM zone 60: the easternmost, over 180 degrees
left, bottom, right, top = transform_bounds("EPSG:32660", "EPSG:4326", *scene)
footprint = shapely.box(left, bottom, right, top)
(x,), (y,) = transform("EPSG:32660", "EPSG:4326", [850_000], [1_950_000])
width = footprint.bounds[2] - footprint.bounds[0]
inside = footprint.contains(shapely.Point(x, y))
print(f"rasterio {rasterio.__version__}, PROJ {rasterio.__proj_version__}, shapely {shapely.__version__}")
print(f"left {left:.2f}, right {right:.2f}; box valid {footprint.is_valid}, {width:.1f} degrees wide")
print(f"a point of the scene, at {x:.2f}, lies inside: {inside}")
if not (left > right and footprint.is_valid and width > 358 and not inside):
    raise SystemExit("changed: expected left > right and a valid box of 359 degrees without the scene")
EOF
