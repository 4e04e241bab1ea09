"""Records of published data sets, and folders compared with them."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from scene_files import write

from hierars_geo.catalog import validate_dataset
from hierars_geo.errors import DataError, MissingFileError
from hierars_geo.taxonomy import Taxonomy
from hierars_geo.taxonomy.dataset_records import read_record
from hierars_geo.taxonomy.yaml_reader import CATALOG_ROOT, catalog_names

REAL = Path(__file__).parents[2] / "../shared/data/gewata_landsat7"


@pytest.mark.parametrize("name", catalog_names("datasets"))
def test_every_record_is_valid_and_agrees_with_its_tree(name):
    record = read_record(name)
    assert record.name == name
    if record.taxonomy is not None:
        tree = Taxonomy.from_yaml(record.taxonomy)
        scheme = record.label_scheme
        targets = set(scheme.to_taxonomy.values()) if scheme else set()
        assert targets <= {*tree.class_values(tree.num_levels), tree.nodata_value}


def test_five_billion_pixels_becomes_the_eighteen_classes():
    scheme = read_record("five_billion_pixels").label_scheme
    tree = Taxonomy.from_yaml("mm5b")
    names = dict(zip(tree.class_values(3), tree.class_names(3), strict=True))
    became = {scheme.names[value]: names.get(scheme.to_taxonomy[value]) for value in range(25)}
    assert len(scheme.to_taxonomy) == 25
    assert set(scheme.to_taxonomy.values()) == set(range(19))
    assert became["snow"] is became["unlabelled"] is None
    assert became["irrigated field"] == became["dry cropland"] == "Dry cropland"
    assert became["park"] == became["square"] == "Park, square"
    assert became["industrial area"] == "Factory, storage, shopping mall"
    for same in ("river", "lake", "pond", "stadium", "road", "overpass", "airport", "natural meadow"):
        assert became[same].lower() == same


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"licens": "x"}, r"mine\.yaml .*licens: unknown key"),
        ({"citation": None}, r"mine\.yaml .*citation"),
        ({"time": ["2020-01-02", "2020-01-01"]}, r"\[first day, last day\]"),
        ({"checksums": {"a.tif": "12"}}, r"checksums\.a\.tif"),
    ],
)
def test_a_wrong_record_is_refused_in_one_line(tmp_path, change, message):
    content = yaml.safe_load((CATALOG_ROOT / "datasets" / "gewata.yaml").read_text())
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(content | change))
    with pytest.raises(DataError, match=message) as caught:
        read_record(path)
    assert "\n" not in str(caught.value)


def test_an_unknown_name_gets_near_ones():
    with pytest.raises(MissingFileError, match="Did you mean: mm5b"):
        read_record("mm5")


def test_a_folder_is_compared_with_its_record(tmp_path):
    image = np.arange(10 * 12, dtype=np.uint16).reshape(1, 10, 12).repeat(4, axis=0)
    labels = np.full((10, 12), 24, np.uint8)
    for name in ("one", "two", "three"):
        write(tmp_path / "Image_16bit_BGRNir" / f"{name}.tiff", image + len(name), res=4.0)
    for name in ("one", "two", "four"):
        labels[0, 0] = 25 if name == "two" else 1
        _png(tmp_path / "Annotation__index" / f"{name}_24label.png", labels)
    found = {
        (p.kind, Path(p.file).name): p.message
        for p in validate_dataset(read_record("five_billion_pixels"), tmp_path)
    }
    assert set(found) == {
        ("hole", "three.tiff"),
        ("hole", "four_24label.png"),
        ("values", "two_24label.png"),
        ("duplicate", "two.tiff"),
    }
    assert found["values", "two_24label.png"].endswith("but got 25 (1 px)")


def _png(path, array):
    from PIL import Image

    path.parent.mkdir(exist_ok=True)
    Image.fromarray(array).save(path)


@pytest.mark.skipif(not REAL.is_dir(), reason="the folder with real rasters is absent")
def test_the_real_gewata_is_as_recorded():
    assert validate_dataset(read_record("gewata"), REAL) == []
