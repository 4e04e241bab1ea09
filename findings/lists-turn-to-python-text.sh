#!/usr/bin/env bash
# geopandas: lists in a GeoPackage are Python text, or lists, by how they were written
# A column holds the crops of a field as a list. Written the usual way each row is the text of the Python
# list, single quotes and all, which no other program parses as JSON; written with use_arrow=True the same
# call gives lists back.
# Exits with 1 where the behaviour has changed. PYTHON=... chooses the interpreter.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check geopandas==1.2.0 pyogrio==0.13.0 pyarrow==26.0.1 shapely==2.2.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" -W ignore - <<'EOF'
import geopandas
import pyogrio
import shapely

fields = geopandas.GeoDataFrame(
    {"crops": [["maize", "soybean"], ["wheat"]]},
    geometry=[shapely.box(0, 0, 1, 1), shapely.box(1, 0, 2, 1)],
    crs="EPSG:32650",
)
fields.to_file("a.gpkg")
fields.to_file("b.gpkg", use_arrow=True)
seen = [geopandas.read_file(name)["crops"].iloc[0] for name in ("a.gpkg", "b.gpkg")]
print(f"geopandas {geopandas.__version__}, pyogrio {pyogrio.__version__}, GDAL {pyogrio.__gdal_version_string__}")
print(f"without Arrow {seen[0]!r}, with Arrow {seen[1]!r}")
if seen[0] != "['maize', 'soybean']" or list(seen[1]) != ["maize", "soybean"]:
    raise SystemExit("changed: expected the text of a list, and a list")
EOF
