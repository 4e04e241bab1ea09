import pytest

from hierars_geo.errors import RasterError
from hierars_geo.scenes import canonical_band, match_bands
from hierars_geo.scenes.bands import is_placeholder


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("B2", "B02"),
        ("b02", "B02"),
        ("B12", "B12"),
        ("B8a", "B8A"),
        ("b08A", "B8A"),
        ("B4, central wavelength 665 nm", "B04"),
        ("B01 (coastal)", "B01"),
        ("Blue", "blue"),
        (" NIR ", "nir"),
        ("B", "B"),
        ("G", "G"),
        ("Band", "Band"),
        ("B123", "B123"),
        ("gewataB1 (blue)", "gewataB1 (blue)"),
    ],
)
def test_canonical_band(name, canonical):
    assert canonical_band(name) == canonical
    assert canonical_band(canonical) == canonical


@pytest.mark.parametrize("name", [None, "", " ", "Band 1", "layer_2", "3"])
def test_placeholders_name_nothing(name):
    assert is_placeholder(name)


@pytest.mark.parametrize("name", ["B02", "nir", "band_a", "VH"])
def test_names_are_no_placeholders(name):
    assert not is_placeholder(name)


def test_match_bands_follows_the_wanted_order():
    assert match_bands(["red", "B8a"], ["B08", None, "B8A", "Red"], "a.tif") == [4, 3]


def test_missing_band_names_file_wanted_and_found():
    with pytest.raises(
        RasterError, match=r"Expected bands B02, B11, but got B02, B03 \(in a\.tif\): B11 missing"
    ):
        match_bands(["B2", "B11"], ["B02", None, "B03"], "a.tif")


def test_ambiguous_band_is_refused_only_when_wanted():
    available = ["B2", "B02", "B03"]
    assert match_bands(["B03"], available, "a.tif") == [3]
    with pytest.raises(RasterError, match=r"one band named B02, but got bands 1, 2 \(in a\.tif\)"):
        match_bands(["B02"], available, "a.tif")
