#!/usr/bin/env bash
# jsonargparse: null for an option inside a dataclass of a class's arguments becomes the text None
# Training configurations put groups of options into dataclasses of a class that is chosen by name. Setting
# an option of such a group to null on the command line gives the four letters None, which a path or a name
# takes for real; the same null in a file, or for an argument outside the group, is nothing, as it should be.
# Exits with 1 where the behaviour has changed. PYTHON=... chooses the interpreter.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check jsonargparse==4.53.0 pyyaml==6.0.3
cd "$work"
cat > said.py <<'EOF'
from dataclasses import dataclass

import jsonargparse


@dataclass(frozen=True)
class Ground:
    mask: str | None = "water.tif"


class Data:
    """Base of data modules."""


class Scenes(Data):
    def __init__(self, ground: Ground = Ground(), labels: str | None = "a.tif") -> None: ...


parser = jsonargparse.ArgumentParser()
parser.add_subclass_arguments(Data, "data")


def parsed(*words: str) -> object:
    return parser.parse_args(["--data", "Scenes", *words]).data.init_args


inside = parsed("--data.init_args.ground.mask", "null").ground.mask
whole = parsed("--data.init_args.ground", "{mask: null}").ground.mask
beside = parsed("--data.init_args.labels", "null").labels
print("jsonargparse 4.53.0")
print(f"inside the group {inside!r}, the group as a whole {whole!r}, beside it {beside!r}")
if (inside, whole, beside) != ("None", None, None):
    raise SystemExit("changed: expected 'None', None, None")
EOF
"$work/venv/bin/python" said.py
