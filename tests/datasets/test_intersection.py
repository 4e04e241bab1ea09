"""Images and labels of one ground: same pixels, no invented classes, no dependence on the order."""

import numpy as np
import pytest
import torch
import torchgeo.samplers
from pyproj import CRS
from scene_files import UTM, X0, Y0, coordinates, query, tree, write
from torchgeo.datasets import IntersectionDataset, RasterDataset, UnionDataset, stack_samples
from torchgeo.samplers import GridGeoSampler, RandomGeoSampler

from hierars_geo.datasets import HierarchicalLabels, SceneIntersection, SceneRaster, SceneUnion
from hierars_geo.errors import DataError, RasterError, TaxonomyError


def label_values(height, width, row=0, col=0):
    """Values 1..4 that tell where a pixel lies."""
    rows, cols = np.mgrid[row : row + height, col : col + width]
    return ((rows * 7 + cols * 3) % 4 + 1).astype(np.uint8)


def same(a, b):
    assert a.keys() == b.keys()
    for key in ("image", "mask", "valid"):
        assert torch.equal(a[key], b[key])
    assert a["bounds"] == b["bounds"]
    assert a["crs"] == b["crs"]


@pytest.fixture
def image(tmp_path):
    holes = coordinates(60, 60)
    holes[:, 10:12, 20:25] = 9999
    return SceneRaster(write(tmp_path / "images/i.tif", holes, nodata=9999))


@pytest.fixture
def labels(tmp_path):
    """Covers rows 0..49, columns 5..64 of the image's pixels; row 3 is unlabelled."""
    values = label_values(50, 60, col=5)
    values[3] = 0
    return HierarchicalLabels(write(tmp_path / "labels/l.tif", values, left=X0 + 50), tree())


def test_mask_is_the_leaf_index_and_ignored_where_label_or_image_is_missing(image, labels):
    both = image & labels
    assert isinstance(both, SceneIntersection)
    assert isinstance(both, IntersectionDataset)
    sample = both[query(-2, 0, 64, 70)]
    rows, cols = np.mgrid[-2:62, 0:70]
    holds = (
        (rows >= 0) & (rows < 60) & (cols < 60) & ~((rows >= 10) & (rows < 12) & (cols >= 20) & (cols < 25))
    )
    labelled = holds & (rows < 50) & (cols >= 5) & (rows != 3)
    np.testing.assert_array_equal(sample["valid"], holds)
    wanted = np.where(labelled, (rows * 7 + cols * 3) % 4, -100)
    assert sample["mask"].dtype == torch.int64
    np.testing.assert_array_equal(sample["mask"], wanted)
    np.testing.assert_array_equal(sample["image"], np.where(holds, np.stack([rows, cols]), 0))


def test_labels_alone_say_where_there_is_a_label(labels):
    sample = labels[query(0, 0, 10, 10)]
    assert set(sample) == {"mask", "valid", "bounds", "crs", "files"}
    np.testing.assert_array_equal(sample["valid"], sample["mask"] != -100)
    assert (sample["mask"][:, :5] == -100).all()
    assert (sample["mask"][3] == -100).all()
    assert labels.num_classes == (2, 4)


def test_the_order_does_not_matter_and_operands_stay_what_they_are(tmp_path, image):
    """Labels on another grid and in another zone; the image gives the pixels either way."""
    coarse = write(tmp_path / "coarse.tif", label_values(20, 20), res=30, left=X0 + 4, top=Y0 - 4)
    zone = HierarchicalLabels(coarse, tree(), crs="EPSG:32649", res=25)
    before = (zone.crs, zone.res, len(zone.index))
    for labels in (HierarchicalLabels(coarse, tree()), zone):
        a, b = image & labels, labels & image
        assert a.crs == image.crs
        assert a.res == b.res == (10, 10)
        assert a.index.geometry.iloc[0].equals(b.index.geometry.iloc[0])
        for window in (query(0, 0, 60, 60), query(13, 7, 20, 31)):
            same(a[window], b[window])
    assert (zone.crs, zone.res, len(zone.index)) == before
    mask = (image & HierarchicalLabels(coarse, tree()))[query(0, 0, 60, 60)]["mask"].numpy()
    at = ((np.arange(60) + 0.5) * 10 - 4) / 30
    nearest = label_values(20, 20)[at.astype(int)][:, at.astype(int)].astype(int) - 1
    missing = mask == -100
    np.testing.assert_array_equal(mask[~missing], nearest[~missing])
    assert missing.sum() == 10  # the hole of the image


def test_channels_of_several_images_are_stacked_on_the_first(tmp_path, image, labels):
    other = SceneRaster(write(tmp_path / "other.tif", coordinates(30, 30) * 2, res=20))
    three = image & other & labels
    same(three[query(0, 0, 20, 20)], (image & labels & other)[query(0, 0, 20, 20)])
    sample = three[query(8, 8, 20, 20)]
    assert three.bands == ("generic:band_1", "generic:band_2", "generic_2:band_1", "generic_2:band_2")
    assert (image & labels).bands == ("band_1", "band_2")
    # a ramp is its own bilinear interpolation: coarse row 2 r at fine row (r + 0.5) / 2 - 0.5
    rows = np.broadcast_to(((np.arange(8, 28) + 0.5) / 2 - 0.5)[:, None] * 2, (20, 20))
    valid = sample["valid"].numpy()
    np.testing.assert_allclose(sample["image"][2].numpy()[valid], rows[valid], atol=1e-4)
    assert not valid[2:4, 12:17].any()
    for swapped in (other & image & labels, labels & (other & image), labels & other & image):
        assert swapped.names == ("generic", "generic_2")
        same(swapped[query(8, 8, 20, 20)], sample)


def test_without_common_ground_extents_and_crs_are_said(tmp_path, image):
    far = write(tmp_path / "far.tif", label_values(9, 9), left=X0 + 5000)
    match = (
        r"but got SceneRaster \(.*i\.tif\) x 500000\.\.500600, .* in EPSG:32650; "
        r"HierarchicalLabels \(.*far\.tif\) x 505000"
    )
    with pytest.raises(DataError, match=match):
        image & HierarchicalLabels(far, tree())
    touching = write(tmp_path / "touching.tif", label_values(9, 9), left=X0 + 600)
    with pytest.raises(DataError, match="common ground"):
        image & HierarchicalLabels(touching, tree())


def test_dates_are_ignored_unless_asked_for(tmp_path):
    scenes = SceneRaster(write(tmp_path / "s_20200101.tif", coordinates(9, 9)))
    other = SceneRaster(write(tmp_path / "s_20210101.tif", coordinates(9, 9)))
    assert (scenes & other)[query(0, 0, 9, 9)]["image"].shape[0] == 4
    with pytest.raises(DataError, match=r"dates within 0 days, but got .*2020-01-01.*2021-01-01.*more days"):
        SceneIntersection(scenes, other, time="within", days=0)
    undated = HierarchicalLabels(write(tmp_path / "l.tif", label_values(9, 9)), tree())
    assert len(SceneIntersection(scenes, undated, time="within", days=0).index) == 1


def test_what_does_not_fit_together_is_refused(image, labels):
    with pytest.raises(DataError, match="at most one source of labels, but got 0 of images and 2 of labels"):
        labels & labels
    with pytest.raises(DataError, match="sources of one kind to unite"):
        image | labels


def test_union_reads_both_on_one_grid(tmp_path, image, labels):
    east = SceneRaster(write(tmp_path / "east.tif", coordinates(60, 30, col=50), left=X0 + 500))
    both = image | east
    assert isinstance(both, SceneUnion)
    assert isinstance(both, UnionDataset)
    sample = both[query(20, 40, 20, 50)]
    rows, cols = np.mgrid[20:40, 40:90]
    np.testing.assert_array_equal(sample["valid"], cols < 80)
    np.testing.assert_array_equal(sample["image"][1], np.where(cols < 80, cols, 0))
    mask = (both & labels)[query(20, 40, 20, 50)]["mask"].numpy()
    np.testing.assert_array_equal(mask, np.where(cols < 65, (rows * 7 + cols * 3) % 4, -100))


def test_label_values_are_those_of_the_tree(tmp_path, image):
    values = label_values(10, 10)
    values[4, 4] = 9
    labels = HierarchicalLabels(write(tmp_path / "bad.tif", values), tree())
    with pytest.raises(TaxonomyError, match=r"got 9 on 1 pixel \(in .*bad\.tif\)"):
        labels[query(0, 0, 10, 10)]
    assert labels[query(0, 0, 4, 4)]["mask"].min() == 0
    hidden = HierarchicalLabels(write(tmp_path / "ok.tif", values, nodata=9), tree())
    assert hidden[query(0, 0, 10, 10)]["mask"][4, 4] == -100
    wide = HierarchicalLabels(write(tmp_path / "wide.tif", values.astype("int32")), tree())
    with pytest.raises(TaxonomyError, match=r"wide\.tif"):
        wide[query(0, 0, 10, 10)]
    with pytest.raises(TaxonomyError, match=r"no class .*, but got 2, which is 'leaf 2' \(in .*class\.tif\)"):
        HierarchicalLabels(write(tmp_path / "class.tif", values, nodata=2), tree())
    two = write(tmp_path / "two.tif", coordinates(5, 5))
    three = write(tmp_path / "three.tif", np.ones((3, 5, 5), dtype=np.uint8))
    with pytest.raises(RasterError, match=r"2 are not: .*three\.tif.*two\.tif"):
        HierarchicalLabels([two, three], tree())


@pytest.mark.parametrize("nodata", [None, 255])
def test_a_tree_whose_first_class_is_0_keeps_it(tmp_path, nodata):
    values = np.zeros((6, 6), dtype=np.uint8)
    values[2:] = 255
    image = SceneRaster(write(tmp_path / "i.tif", coordinates(6, 12)))
    labels = HierarchicalLabels(
        write(tmp_path / "l.tif", values, nodata=nodata), tree(values=(0, 1, 2), nodata=255)
    )
    mask = (image & labels)[query(0, 0, 6, 12)]["mask"]
    assert (mask[:2, :6] == 0).all()
    assert (mask[2:] == -100).all()
    assert (mask[:, 6:] == -100).all()


def torchgeo_samplers(dataset):
    yield RandomGeoSampler(dataset, 16, length=3)
    yield GridGeoSampler(dataset, 16)
    if hasattr(torchgeo.samplers, "GriddedPatchSampler"):  # TorchGeo 0.10, which lets the others go
        dates = torchgeo.samplers.SequentialTimestampSampler(dataset)
        yield torchgeo.samplers.GriddedPatchSampler(dataset, size=16) @ dates


@pytest.mark.filterwarnings("ignore:Use (torchgeo|geopandas):DeprecationWarning")
def test_torchgeo_samplers_and_collation_work(image, labels):
    for dataset in (image, labels, image & labels, (image | image) & labels):
        for sampler in torchgeo_samplers(dataset):
            batch = stack_samples([dataset[place] for place in list(sampler)[:3]])
            assert batch["valid"].shape == (3, 16, 16)
            assert len(batch["bounds"]) == len(batch["crs"]) == 3


# rasterio's own multiplications; TorchGeo 0.10 beside pandas 3.1
@pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")
@pytest.mark.filterwarnings("ignore:The inplace keyword:DeprecationWarning")
def test_ours_combine_with_torchgeo_classes_quietly(tmp_path, image, labels, capsys):
    class Plain(RasterDataset):
        filename_glob = "plain*"

    plain = Plain(write(tmp_path / "plain.tif", coordinates(60, 60, dtype="float32")))
    sample = (image & plain)[query(20, 20, 8, 8)]
    assert sample["image"].shape == (4, 8, 8)
    assert torch.equal(sample["image"][:2], sample["image"][2:])
    united = (image | plain)[query(20, 20, 8, 8)]
    assert torch.equal(united["image"], sample["image"][:2])
    assert sample["bounds"] == (X0 + 200, Y0 - 280, X0 + 280, Y0 - 200)
    for one in (sample, united):
        assert one["crs"] == CRS(UTM)
        assert isinstance(one["files"], str)
    sample = (plain & HierarchicalLabels(labels.files, tree(), crs="EPSG:3857"))[query(20, 20, 8, 8)]
    assert sample["mask"].shape == (8, 8)
    assert "Hierarchical" not in capsys.readouterr().out


def test_within_a_region_nothing_outside_is_seen(image, labels):
    import shapely

    x, y = query(20, 20, 10, 10)
    region = shapely.box(x.start, y.start, x.stop, y.stop)
    part = (image & labels).within(region)
    assert part.bounds[0].start == x.start
    sample = part[query(15, 15, 20, 20)]
    inside = np.zeros((20, 20), dtype=bool)
    inside[5:15, 5:15] = True
    np.testing.assert_array_equal(sample["valid"], inside)
    np.testing.assert_array_equal(sample["mask"] != -100, inside)
    assert (sample["image"].numpy()[:, ~inside] == 0).all()
    assert part[x, y]["valid"].all()
    with pytest.raises(DataError, match="the region"):
        part.within(shapely.box(0, 0, 1, 1))


def test_a_sample_can_be_drawn(image, labels, tmp_path):
    both = image & labels
    figure = both.plot(both[query(0, 0, 30, 30)], suptitle="a chip")
    assert len(figure.axes) == 2
    assert {text.get_text() for text in figure.legends[0].get_texts()} == {f"leaf {v}" for v in (1, 2, 3, 4)}
    figure.savefig(tmp_path / "chip.png")
    assert len(image.plot(image[query(0, 0, 5, 5)]).axes) == 1
    assert len(labels.plot(labels[query(0, 10, 5, 5)]).axes) == 1
