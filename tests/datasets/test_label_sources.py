"""Labels of coarse levels, one raster per level, and pictures in the colours of a tree."""

import pickle

import numpy as np
import pytest
import rasterio
import torch
from scene_files import query, tree, write
from torchgeo.datasets import stack_samples

from hierars_geo.datasets import HierarchicalLabels, SceneRaster, open_labels
from hierars_geo.datasets.statistics import level_labels
from hierars_geo.errors import OptionError, RasterError, TaxonomyError
from hierars_geo.taxonomy import Crosswalk, Taxonomy


def three_leaves():
    """``a`` has leaves 1 and 2; ``b`` has the leaf 3 alone."""
    return Taxonomy.from_dict(
        {
            "name": "three",
            "levels": [
                {"name": "L1", "classes": [
                    {"name": "a", "value": 7, "color": [1, 1, 1]},
                    {"name": "b", "value": 8, "color": [2, 2, 2]},
                ]},
                {"name": "L2", "classes": [
                    {"name": "x", "value": 1, "color": [9, 0, 200], "parent": "a"},
                    {"name": "y", "value": 2, "color": [9, 200, 0], "parent": "a"},
                    {"name": "z", "value": 3, "color": [255, 9, 9], "parent": "b"},
                ]},
            ],
        }
    )  # fmt: skip


def levels(sample):
    """Classes (N, H, W) that the labels of a sample decide."""
    return torch.from_numpy(np.stack(level_labels(sample, three_leaves())))


def test_a_raster_of_a_coarse_level_leaves_the_finer_ones_open_unless_there_is_but_one_leaf(tmp_path):
    coarse = write(tmp_path / "c.tif", np.array([[7, 8], [0, 7]], dtype="uint8"))
    labels = HierarchicalLabels(coarse, three_leaves(), level=1)
    sample = labels[query(0, 0, 2, 3)]
    assert levels(sample).tolist() == [
        [[0, 1, -100], [-100, 0, -100]],
        [[-100, 2, -100], [-100, -100, -100]],
    ]
    assert torch.equal(sample["mask"], levels(sample)[-1])
    assert sample["valid"].tolist() == [[True, True, False], [False, True, False]]
    with pytest.raises(TaxonomyError, match=r"1\.\.2, but got 3"):
        HierarchicalLabels(coarse, three_leaves(), level=3)
    fine = write(tmp_path / "f.tif", np.full((2, 2), 3, dtype="uint8"))
    with pytest.raises(TaxonomyError, match=r"7, 8\) or nodata 0, but got 3 on \d+ pixels \(in .*f\.tif\)"):
        HierarchicalLabels(fine, three_leaves(), level=1)[query(0, 0, 2, 2)]


def test_of_one_raster_per_level_the_finest_label_counts(tmp_path):
    coarse = write(tmp_path / "c.tif", np.full((2, 4), 7, dtype="uint8"))
    fine = write(tmp_path / "f.tif", np.array([[2, 3, 0, 0]] * 2, dtype="uint8"))
    labels = open_labels({1: coarse, 2: fine}, three_leaves())
    image = SceneRaster(write(tmp_path / "i.tif", np.array([[1, 1, 1, 0]] * 2, dtype="uint8"), nodata=0))
    for both in (image & labels, labels & image, image & pickle.loads(pickle.dumps(labels))):
        sample = both[query(0, 0, 2, 4)]
        assert levels(sample)[:, 0].tolist() == [[0, 1, 0, -100], [1, 2, -100, -100]]
        assert sample["mask"][0].tolist() == [1, 2, -100, -100]
    batch = stack_samples([both[query(0, 0, 2, 2)], both[query(0, 2, 2, 2)]])
    assert batch["label_set"].shape == (2, 2, 2)
    by_list = open_labels([coarse, fine], three_leaves(), level=[1, 2])
    assert torch.equal(levels(by_list[query(0, 0, 2, 4)]), levels(labels[query(0, 0, 2, 4)]))
    other = Taxonomy.from_dict(
        {
            "name": "other",
            "levels": [{"name": "L1", "classes": [{"name": "p", "value": 5, "color": [0, 0, 5]}]}],
        }
    )
    foreign = write(tmp_path / "o.tif", np.full((2, 4), 5, dtype="uint8"))
    said = open_labels({1: foreign}, three_leaves(), crosswalk=Crosswalk(other, three_leaves(), {"p": "y"}))
    assert (said[query(0, 0, 2, 4)]["mask"] == 1).all()
    with pytest.raises(OptionError, match=r"one per path \(1\), but got \[1, 2\]"):
        open_labels(coarse, three_leaves(), level=[1, 2])
    with pytest.raises(OptionError, match="paths by level, or level"):
        open_labels({1: coarse}, three_leaves(), level=1)


def test_leaves_alone_bring_no_sets(tmp_path):
    fine = write(tmp_path / "f.tif", np.array([[2, 3]], dtype="uint8"))
    labels = open_labels(fine, three_leaves(), level=2)
    assert labels.label_sets is None
    assert set(labels[query(0, 0, 1, 2)]) == {"mask", "valid", "bounds", "crs", "files"}


COLOURS = np.array([(0, 0, 0), (9, 0, 200), (9, 200, 0), (255, 9, 9)], dtype="uint8")


def test_pictures_in_the_colours_of_the_tree(tmp_path):
    index = np.random.default_rng(0).integers(0, 4, (8, 8))
    picture = COLOURS[index].transpose(2, 0, 1)
    path = write(tmp_path / "p.tif", picture, nodata=9)  # 9 is a channel of every class: says nothing alone
    labels = open_labels(path, three_leaves(), rgb=True)
    sample = labels[query(-2, 0, 10, 8)]
    assert np.array_equal(sample["mask"][2:].numpy(), np.where(index == 0, -100, index - 1))
    assert (sample["mask"][:2] == -100).all()
    with pytest.raises(RasterError, match=r"one band, but got 3 .*set rgb"):
        open_labels(path, three_leaves())
    assert (labels[query(0, 0, 4, 4, res=20)]["mask"] >= -100).all()  # voted on as classes, not as colours

    palette = write(tmp_path / "palette.tif", index[None].astype("uint8"), photometric="palette")
    with rasterio.open(palette, "r+") as dataset:
        dataset.write_colormap(1, {i: (*map(int, colour), 255) for i, colour in enumerate(COLOURS)})
    again = open_labels([palette], three_leaves(), rgb=True)[query(0, 0, 8, 8)]
    assert torch.equal(again["mask"], sample["mask"][2:])


def test_a_colour_of_no_class_is_named(tmp_path):
    picture = COLOURS[np.ones((4, 4), dtype=int)].transpose(2, 0, 1).copy()
    picture[:, 0, :3] = 77
    picture[:, 2, 2] = 78
    labels = open_labels(write(tmp_path / "bad.tif", picture), three_leaves(), rgb=True)
    with pytest.raises(TaxonomyError, match=r"\(77, 77, 77\) on 3 pixels and 1 other colours \(in .*bad"):
        labels[query(0, 0, 4, 4)]
    with pytest.raises(RasterError, match="to have a palette, but got none"):
        open_labels(write(tmp_path / "gray.tif", picture[:1]), three_leaves(), rgb=True)
    with pytest.raises(RasterError, match="but got 2 of uint8"):
        open_labels(write(tmp_path / "two.tif", picture[:2]), three_leaves(), rgb=True)
    same = three_leaves().to_dict()
    same["levels"][1]["classes"][0]["color"] = [255, 9, 9]
    with pytest.raises(TaxonomyError, match="'x' shares its colour"):
        open_labels(tmp_path / "bad.tif", Taxonomy.from_dict(same), rgb=True)


def test_options_of_polygons_are_refused_for_rasters(tmp_path):
    raster = write(tmp_path / "f.tif", np.ones((2, 2), dtype="uint8"))
    with pytest.raises(OptionError, match=r"Expected polygons for attribute .*f\.tif"):
        open_labels(raster, tree(), attribute="class")
