#!/usr/bin/env bash
# FlatGeobuf: rows come back in another order
# Written with its spatial index, as GDAL does unless told otherwise, a FlatGeobuf file holds its features
# along a Hilbert curve: row i of what is read is not row i of what was written, so that columns, predictions
# or probabilities kept beside it in arrays fall on other fields. GeoPackage and GeoParquet keep the order.
# Remedy: join by an identifier, or write with SPATIAL_INDEX="NO".
# Exits with 1 where the behaviour has changed. PYTHON=... chooses the interpreter.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check geopandas==1.2.0 pyogrio==0.13.0 pyarrow==25.0.1 shapely==2.2.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" -W ignore - <<'EOF'
import geopandas
import numpy as np
import pyogrio

rng = np.random.default_rng(0)
points = geopandas.points_from_xy(rng.random(50) * 100, rng.random(50) * 100)
fields = geopandas.GeoDataFrame({"number": np.arange(50)}, geometry=points, crs="EPSG:32650")
fields.to_file("indexed.fgb")
fields.to_file("plain.fgb", SPATIAL_INDEX="NO")
fields.to_file("fields.gpkg")
fields.to_parquet("fields.parquet")
read = {name: geopandas.read_file(name).number.tolist() for name in ("indexed.fgb", "plain.fgb", "fields.gpkg")}
read["fields.parquet"] = geopandas.read_parquet("fields.parquet").number.tolist()
print(f"geopandas {geopandas.__version__}, pyogrio {pyogrio.__version__}, GDAL {pyogrio.__gdal_version_string__}")
for name, numbers in read.items():
    print(f"{name}: {numbers[:6]} ...")
kept = {name: numbers == list(range(50)) for name, numbers in read.items()}
if kept != {"indexed.fgb": False, "plain.fgb": True, "fields.gpkg": True, "fields.parquet": True}:
    raise SystemExit(f"changed: order kept {kept}")
EOF
