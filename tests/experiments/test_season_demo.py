"""The demonstration of crops from a season, small, from nothing to one class per field."""

import geopandas
import pandas as pd
import pytest
from season_demo import EARLY_DAYS, demo


@pytest.mark.slow
def test_fields_get_one_class_each(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # put back afterwards, as the demonstration moves into its folder
    demo(tmp_path / "crops", size_m=1280, steps=2)
    fields = geopandas.read_file(tmp_path / "crops" / "fields.gpkg", layer="fields")
    assert len(fields) > 20
    assert fields.area.min() >= 2000
    scores = pd.read_csv(tmp_path / "crops" / "by_date.csv")
    assert scores["until"].unique().tolist() == list(EARLY_DAYS)
    assert (tmp_path / "crops" / "by_date.png").stat().st_size > 5000
