"""Label rasters with a share of their blocks: nested, every class early, nothing else changed."""

import numpy as np
import pytest
import rasterio
from label_shares import ranked_blocks, write_label_shares
from raster_factory import placed, write_raster

from hierars_geo.errors import DataError, OptionError, OutputError

BLOCK_PX = 8


@pytest.fixture
def labels(tmp_path):
    """100 blocks: mostly 1, columns of 2, one block of 3, the last row of blocks without label."""
    values = np.ones((80, 80), np.uint8)
    values[:, 40:48] = 2
    values[16:24, 72:80] = 3
    values[72:] = 255
    palette = {1: (1, 2, 3, 255)}
    return write_raster(tmp_path / "labels.tif", values, nodata=255, palette=palette), values


def _read(path):
    with rasterio.open(path) as source:
        return source.read(1), source.profile, source.colormap(1)


def test_smaller_shares_are_part_of_larger_ones_and_keep_values_and_grid(labels, tmp_path):
    path, values = labels
    written = write_label_shares(path, tmp_path / "out", [0.03, 0.1, 1.0], block_m=80, seed=5)
    assert [share.blocks for share in written] == [3, 9, 90]
    assert {share.blocks_in_all for share in written} == {90}
    assert [share.path.name for share in written] == ["labels_003.tif", "labels_010.tif", "labels_100.tif"]
    (few, profile, palette), (more, _, _), (every, _, _) = (_read(share.path) for share in written)
    assert (every == values).all()
    assert (profile["transform"], profile["crs"], profile["nodata"]) == (
        placed(),
        rasterio.CRS.from_epsg(32650),
        255,
    )
    assert palette[1] == (1, 2, 3, 255)
    for part, whole in ((few, more), (more, every)):
        assert (part[part != 255] == whole[part != 255]).all()
    # whole blocks, and every class even in three of them
    kept = (few != 255).reshape(10, BLOCK_PX, 10, BLOCK_PX).transpose(0, 2, 1, 3).reshape(100, -1)
    assert sorted(set(kept.sum(axis=1).tolist())) == [0, BLOCK_PX**2]
    assert written[0].pixels == {1: 64, 2: 64, 3: 64}


def test_another_seed_is_another_order_of_the_same_blocks(labels):
    values = labels[1]
    first, same, other = (ranked_blocks(values, 255, BLOCK_PX, seed) for seed in (0, 0, 1))
    assert (first == same).all()
    assert not (first == other).all()
    assert {tuple(b) for b in first.tolist()} == {tuple(b) for b in other.tolist()}
    assert first[0].tolist() == [2, 9]  # the rarest class leads


def test_what_cannot_be_done_is_refused(labels, tmp_path):
    path, values = labels
    for wrong in (0.0, 0.015, 1.2):
        with pytest.raises(OptionError, match="whole per cent"):
            write_label_shares(path, tmp_path, [wrong], 80)
    with pytest.raises(OptionError, match="at least a pixel"):
        write_label_shares(path, tmp_path, [0.1], 2)
    with pytest.raises(DataError, match="every pixel is without"):
        ranked_blocks(np.full_like(values, 255), 255, BLOCK_PX, 0)
    write_label_shares(path, tmp_path / "out", [0.1], 80)
    with pytest.raises(OutputError, match=r"labels_010\.tif"):
        write_label_shares(path, tmp_path / "out", [0.1], 80)
