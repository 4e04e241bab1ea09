"""Any image, map, layer, tree, checkpoint and option is taken for what it is, or refused in one line."""

import pytest
from fault_checkpoints import CASES as CHECKPOINTS
from fault_checkpoints import harmless
from fault_maps import CASES as MAPS
from fault_options import CASES as OPTIONS
from fault_rasters import CASES as RASTERS
from fault_taxonomies import CASES as TAXONOMIES
from fault_vectors import CASES as VECTORS

pytestmark = pytest.mark.timeout(60)  # none of them may hang


@pytest.mark.parametrize("case", RASTERS, ids=lambda case: case.name)
def test_an_image_is_predicted_or_refused(run_case, case):
    run_case(case)


@pytest.mark.parametrize("case", MAPS, ids=lambda case: case.name)
def test_a_map_becomes_polygons_and_scores_or_is_refused(run_case, case):
    run_case(case)


@pytest.mark.parametrize("case", VECTORS, ids=lambda case: case.name)
def test_a_layer_is_measured_or_refused(run_case, case):
    run_case(case)


@pytest.mark.parametrize("case", TAXONOMIES, ids=lambda case: case.name)
def test_a_tree_is_valid_or_refused(run_case, case):
    run_case(case)


@pytest.mark.parametrize("case", CHECKPOINTS, ids=lambda case: case.name)
def test_a_bad_checkpoint_is_refused(run_case, case, tmp_path, bench):
    """Nothing of it is run."""
    run_case(case)
    harmless(tmp_path, bench)


@pytest.mark.parametrize("case", OPTIONS, ids=lambda case: case.name)
def test_a_command_is_done_or_refused(run_case, case, tmp_path):
    run_case(case)
    assert not (tmp_path / "owned").exists()
