"""Any image is predicted onto its own grid, or refused in one line."""

import pytest
from fault_rasters import CASES

pytestmark = pytest.mark.timeout(60)  # none of them may hang


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_image_is_predicted_or_refused(run_case, case):
    run_case(case)
