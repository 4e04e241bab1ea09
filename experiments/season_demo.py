"""Crops from a season, the whole way on generated scenes: ``make demo CROPS=1``.

Two seasons under clouds, of two places and years; one trains a model of series, the other is mapped date by
date; each field gets one class. Parcels are drawn from the labels, as nobody surveyed a generated place.
"""

import argparse
import os
import shlex
import shutil
import sys
from pathlib import Path

import rasterio
import shapely.geometry
from geopandas.geodataframe import GeoDataFrame
from geopandas.geoseries import GeoSeries
from rasterio.features import shapes

from hierars_geo.cli import main
from hierars_geo.taxonomy import Taxonomy

BASE = Path(__file__).resolve().parent / "base" / "crop_season.yaml"
#: Days that maps are made at, before the season's end and at it.
EARLY_DAYS = ("2020-05-31", "2020-07-15", "2020-08-31", "2020-10-31")
#: Smallest parcel, square metres; what is less are crumbs between fields.
_SMALLEST_M2 = 2_000.0


def _run(command: str) -> None:
    """Run a command as it is typed.

    Raises:
        SystemExit: It failed.
    """
    print(f"$ hierars-geo {command}", flush=True)
    status = main(shlex.split(command))
    if status:
        sys.exit(status)


def _write_parcels(labels: Path, target: Path) -> None:
    """Write the fields of a label raster as polygons."""
    crops = [value for value in Taxonomy.from_yaml("crop10m").class_values(3) if value]
    with rasterio.open(labels) as raster:
        values = raster.read(1)
        drawn = shapes(values, mask=sum(values == crop for crop in crops) > 0, transform=raster.transform)
        fields = GeoSeries([shapely.geometry.shape(ring) for ring, _ in drawn], crs=raster.crs)
    kept = fields[fields.area >= _SMALLEST_M2].reset_index(drop=True)
    GeoDataFrame({"parcel": kept.index + 1}, geometry=kept).to_file(target, layer="parcels")


def demo(out: Path, size_m: int, steps: int) -> None:
    """Go from nothing to one class per field."""
    out.mkdir(parents=True, exist_ok=True)
    os.chdir(out)  # the configuration names the scenes from there
    season, labels = "scenes/crop_test/season", "scenes/crop_test/crop_test_labels.tif"
    model = "model/last.ckpt"
    crops = "--crops --dates 12 --clouds 0.3"
    _run(f"synth scenes {crops} --scenes 1 --size-m {size_m} --sensors sentinel2 --overwrite")
    shutil.rmtree("model", ignore_errors=True)
    _run(f"fit --config {BASE} --trainer.max_steps {steps} --checkpoint.dirpath model")
    _run(f"predict {model} {season} -o maps --probabilities --confidence --overwrite")
    _run(f"evaluate maps {labels} -o maps/metrics.json --overwrite")
    for day in EARLY_DAYS:
        _run(f"predict {model} {season} -o early/{day} --until {day} --overwrite")
    _run(f"evaluate early {labels} -o by_date.csv --by-date --overwrite")
    _write_parcels(Path(labels), Path("parcels.gpkg"))
    _run("fields maps --by parcels.gpkg -o fields.gpkg --overwrite")
    _run(f"report maps --labels {labels} --metrics maps/metrics.json --overwrite")
    print(f"one class per field: {out}/fields.gpkg; maps: {out}/maps; how early is early enough: by_date.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--size-m", type=int, default=2560)
    parser.add_argument("--steps", type=int, default=400)
    given = parser.parse_args()
    demo(given.out, given.size_m, given.steps)
