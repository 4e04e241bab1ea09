#!/usr/bin/env bash
# pystac: the name of a model read from a STAC item is always 'mlm'
# An item of the machine learning model extension says mlm:name = 'fields of Iowa'. item.ext.mlm.name answers
# 'mlm', the name of the extension, for every item; the model's name is mlm_name.
# Exits with 1 where the behaviour has changed. PYTHON=... chooses the interpreter.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check pystac==1.15.2
cd "$work"
"$work/venv/bin/python" -W ignore - <<'EOF'
import datetime

import pystac

moment = datetime.datetime(2026, 7, 1, tzinfo=datetime.timezone.utc)
item = pystac.Item("model", None, None, moment, {"mlm:name": "fields of Iowa"})
item.ext.add("mlm")
seen = (item.ext.mlm.name, item.ext.mlm.mlm_name, item.properties["mlm:name"])
print(f"pystac {pystac.__version__}")
print(f"name {seen[0]!r}, mlm_name {seen[1]!r}, in the item {seen[2]!r}")
if seen != ("mlm", "fields of Iowa", "fields of Iowa"):
    raise SystemExit("changed: expected 'mlm' and twice 'fields of Iowa'")
EOF
