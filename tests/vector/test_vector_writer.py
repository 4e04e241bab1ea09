"""What ends the writing of polygons is what the caller sees, and nothing ends it without a word."""

import resource
import signal
import sqlite3
from contextlib import closing, contextmanager

import numpy as np
import pytest
from raster_factory import write_raster
from vector_factory import UTM_TRANSFORM

from hierars_geo.errors import OutputError
from hierars_geo.vector import vectorize
from hierars_geo.vector.geopackage import unindexed_layers
from hierars_geo.vector.writer import _Batches


def test_an_interrupt_before_the_first_batch_is_remembered():
    source = _Batches([1, 2])
    batches = iter(source)
    with pytest.raises(KeyboardInterrupt):
        batches.throw(KeyboardInterrupt())  # where a signal strikes when the library asks for the first batch
    assert isinstance(source.error, KeyboardInterrupt)


def test_all_batches_come_and_no_other():
    assert list(_Batches([1, 2])) == [1, 2]


@pytest.fixture
def class_map(tmp_path):
    """Polygons enough for several blocks of every format."""
    values = np.random.default_rng(0).integers(1, 19, (60, 60), dtype=np.uint8)
    place = {"crs": "EPSG:32633", "transform": UTM_TRANSFORM}
    return write_raster(tmp_path / "leaves.tif", values, nodata=0, **place)


@contextmanager
def files_up_to(size):
    """What a full disk does to writes, a limit on the size of files does, too."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("suffix", [".gpkg", ".parquet", ".fgb", ".geojson"])
def test_a_full_disk_is_said_and_leaves_nothing(class_map, tmp_path, suffix):
    whole = vectorize(class_map, tmp_path / f"whole{suffix}", taxonomy="mm5b")
    largest = max(path.stat().st_size for path in whole.files)
    folder = tmp_path / "small"
    for share in (0.3, 0.6, 0.8, 0.9, 0.95, 0.99):
        with (
            files_up_to(int(largest * share)),
            pytest.raises(OutputError, match=rf"^Expected \S+maps{suffix} to be writable, but (?!got: Exp)"),
        ):
            vectorize(class_map, folder / f"maps{suffix}", taxonomy="mm5b")
        assert list(folder.iterdir()) == []


def test_a_spatial_index_that_is_missing_or_short_is_seen(class_map, tmp_path):
    """GDAL closes a GeoPackage without a word where the disk is full by then."""
    path = tmp_path / "maps.gpkg"
    vectorize(class_map, path, taxonomy="mm5b")
    assert unindexed_layers(path, (1, 2, 3)) == []
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DROP TABLE rtree_L2_geom")
        database.execute("DELETE FROM rtree_L3_geom WHERE id = 1")
    assert unindexed_layers(path, (1, 2, 3)) == ["L2", "L3"]
