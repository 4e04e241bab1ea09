#!/usr/bin/env bash
# Spectral Python: the same ENVI file is scaled by two of its calls and not by the third
# An ENVI header of a hyperspectral product often states a reflectance scale factor. read_band, load and
# indexing divide by it, open_memmap, which is advised for large files, gives the numbers as stored, and so
# does GDAL, which does not hand the factor on. Statistics of one therefore do not fit the data of another.
# Remedy: divide what open_memmap gives by img.scale_factor, or load(scale=False) everywhere.
# Exits with 1 where the behaviour has changed. PYTHON=... chooses the interpreter.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check spectral==0.25 rasterio==1.4.4 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" -W ignore - <<'EOF'
import numpy as np
import rasterio
import spectral
from spectral import envi

stored = (np.arange(60, dtype="int16") * 100).reshape(3, 4, 5)
with rasterio.open("scene.img", "w", driver="ENVI", count=3, height=4, width=5, dtype="int16") as raster:
    raster.write(stored)
with open("scene.hdr", "a", encoding="utf-8") as header:
    header.write("reflectance scale factor = 10000\n")

image = envi.open("scene.hdr", "scene.img")
band, mapped, loaded = image.read_band(2), image.open_memmap()[:, :, 2], np.asarray(image.load())[:, :, 2]
with rasterio.open("scene.img") as raster:
    by_gdal, scales = raster.read(3), raster.scales
print(f"spectral {spectral.__version__}, rasterio {rasterio.__version__}, GDAL {rasterio.__gdal_version__}")
print(f"first pixel of band 3: stored {stored[2, 0, 0]}, read_band {band[0, 0]}, load {loaded[0, 0]}, "
      f"open_memmap {mapped[0, 0]}, rasterio {by_gdal[0, 0]} with scales {scales}")
scaled = np.allclose(band, stored[2] / 1e4) and np.allclose(loaded, stored[2] / 1e4)
raw = (mapped == stored[2]).all() and (by_gdal == stored[2]).all() and scales == (1.0, 1.0, 1.0)
if not (scaled and raw):
    raise SystemExit("changed: expected read_band and load scaled, open_memmap and rasterio as stored")
EOF
