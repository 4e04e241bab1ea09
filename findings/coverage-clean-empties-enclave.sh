#!/usr/bin/env bash
# shapely 2.2: coverage_clean gives a field that lies on another to the other and leaves it empty
# A pond of 10 m x 10 m is drawn on top of a forest that has no hole for it: the overlap that coverage_clean
# is for. Its default strategy gives the overlap to the longest border, so the pond keeps its row and loses
# all of its area. merge_strategy='min_area' keeps it.
# Exits with 1 where the behaviour has changed. PYTHON=... chooses the interpreter.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check shapely==2.2.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" -W ignore - <<'EOF'
import shapely

forest, pond = shapely.box(0, 0, 1000, 1000), shapely.box(500, 500, 510, 510)
seen = shapely.area(shapely.coverage_clean([forest, pond])).tolist()
kept = shapely.area(shapely.coverage_clean([forest, pond], merge_strategy="min_area")).tolist()
print(f"shapely {shapely.__version__}, GEOS {shapely.geos_version_string}")
print(f"areas of forest and pond by default {seen}, with min_area {kept}")
if seen != [1_000_000, 0] or kept != [999_900, 100]:
    raise SystemExit("changed: expected [1000000, 0] and [999900, 100]")
EOF
