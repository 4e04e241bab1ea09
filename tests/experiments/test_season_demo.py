"""The demonstration of crops from a season, small, from nothing to one class per field."""

import json

import geopandas
import pytest
from season_demo import demo

from hierars_geo import Maps


@pytest.mark.slow
def test_fields_get_one_class_each(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # put back afterwards, as the demonstration moves into its folder
    demo(tmp_path / "crops", size_m=1280, steps=2)
    fields = geopandas.read_file(tmp_path / "crops" / "fields.gpkg")
    assert len(fields) > 20
    assert fields.area.min() >= 2000
    whole, june = (len(_dates(tmp_path / "crops" / folder)) for folder in ("maps", "june"))
    assert whole > june > 1


def _dates(folder):
    item = json.loads(Maps.open(folder).item.read_text())
    return item["properties"]["hierars:dates"]
