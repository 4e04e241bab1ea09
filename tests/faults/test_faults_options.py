"""Any option, item, folder and configuration is worked with, or refused in one line."""

import pytest
from fault_options import CASES

pytestmark = pytest.mark.timeout(60)  # none of them may hang


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_command_is_done_or_refused(run_case, case, tmp_path):
    run_case(case)
    assert not (tmp_path / "owned").exists()
