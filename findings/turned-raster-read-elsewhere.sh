#!/usr/bin/env bash
# rasterstats: zones and points of a turned raster are read at other pixels
# A GeoTIFF may be turned by its transform (many airborne scenes are). rasterstats looks at the size of its
# pixels and at its corner alone, so that a zone of whole pixels gets the mean of other ones, with a count too
# small and without a word. rasterio.mask reads the right ones; exactextract refuses such a file. Remedy: warp
# to a north-up grid first, or mask with rasterio.
# Exits with 1 where the behaviour has changed. PYTHON=... chooses the interpreter.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check rasterstats==0.21.0 rasterio==1.4.4 shapely==2.2.0 affine==2.4.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" -W ignore - <<'EOF'
import numpy as np
import rasterio
import rasterstats
import shapely
from affine import Affine
from rasterio.mask import mask

turned = Affine.translation(500000, 4000000) * Affine.rotation(-5) * Affine.scale(10, -10)
values = np.arange(1600, dtype="float32").reshape(40, 40)
with rasterio.open(
    "turned.tif", "w", driver="GTiff", count=1, height=40, width=40, dtype="float32", crs="EPSG:32650", transform=turned
) as raster:
    raster.write(values, 1)

# ten by ten pixels, and the centre of one
zone = shapely.Polygon([turned * corner for corner in ((15, 20), (25, 20), (25, 30), (15, 30))])
point = shapely.Point(turned * (20.5, 25.5))
true = values[20:30, 15:25].mean(), 100, values[25, 20]
with rasterio.open("turned.tif") as raster:
    inside = mask(raster, [zone], filled=False)[0]
(found,) = rasterstats.zonal_stats([zone], "turned.tif", stats=["mean", "count"])
(at_point,) = rasterstats.point_query([point], "turned.tif", interpolate="nearest")
print(f"rasterstats {rasterstats.__version__}, rasterio {rasterio.__version__}")
print(f"true mean {true[0]} of {true[1]} pixels; rasterio.mask {inside.mean()} of {inside.count()}; rasterstats {found}")
print(f"true value at the point {true[2]}; rasterstats {at_point}")
if (inside.mean(), inside.count()) != true[:2]:
    raise SystemExit("changed: expected rasterio.mask to be right")
if found != {"mean": 1037.5, "count": 64} or at_point != 1098.0:
    raise SystemExit("changed: expected a mean of 1037.5 of 64 pixels, and 1098")
EOF
