#!/usr/bin/env bash
# geopandas: a layer that GDAL has written cannot be read for its CRS
# The wheels of pyogrio carry a newer PROJ database than those of pyproj. A GeoPackage in EPSG:11023 (UTM zone
# 33N of Norway) is written and described by pyogrio; geopandas.read_file ends in CRSError, since pyproj looks
# for a code that it does not have. pyproj reads the CRS where it gets the layer's WKT.
# Exits with 1 where the behaviour has changed. PYTHON=... chooses the interpreter.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check geopandas==1.2.0 pyogrio==0.13.0 pyproj==3.7.2 rasterio==1.4.4 shapely==2.2.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" -W ignore - <<'EOF'
import geopandas
import pyogrio
import pyproj
import rasterio.crs
import shapely
from pyproj.exceptions import CRSError

wkb = shapely.to_wkb([shapely.box(5e5, 6.6e6, 5.1e5, 6.61e6)])
pyogrio.raw.write("layer.gpkg", wkb, [], fields=[], geometry_type="Polygon", crs="EPSG:11023", driver="GPKG")
try:
    geopandas.read_file("layer.gpkg")
    seen = "read"
except CRSError as error:
    seen = f"CRSError: {error}"
wkt = rasterio.crs.CRS.from_epsg(11023).to_wkt()
print(f"geopandas {geopandas.__version__}, pyogrio {pyogrio.__version__} (GDAL {pyogrio.__gdal_version_string__})")
print(f"pyproj {pyproj.__version__} (PROJ {pyproj.proj_version_str})")
print(f"CRS of the layer by pyogrio: {pyogrio.read_info('layer.gpkg')['crs']}; geopandas.read_file: {seen}")
print(f"pyproj from WKT: {pyproj.CRS.from_wkt(wkt).name}")
if not seen.startswith("CRSError"):
    raise SystemExit("changed: expected a CRSError")
EOF
