"""Any class raster, layer of polygons or points, and class tree is taken for what it is, or refused."""

import pytest
from fault_maps import CASES as MAPS
from fault_taxonomies import CASES as TAXONOMIES
from fault_vectors import CASES as VECTORS

pytestmark = pytest.mark.timeout(60)  # none of them may hang


@pytest.mark.parametrize("case", MAPS, ids=lambda case: case.name)
def test_a_map_becomes_polygons_and_scores_or_is_refused(run_case, case):
    run_case(case)


@pytest.mark.parametrize("case", VECTORS, ids=lambda case: case.name)
def test_a_layer_is_measured_or_refused(run_case, case):
    run_case(case)


@pytest.mark.parametrize("case", TAXONOMIES, ids=lambda case: case.name)
def test_a_tree_is_valid_or_refused(run_case, case):
    run_case(case)
