"""A checkpoint is data: what is not a model of this package is refused, and nothing of it is run."""

import pytest
from fault_checkpoints import CASES, harmless

pytestmark = pytest.mark.timeout(60)  # none of them may hang


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_bad_checkpoint_is_refused(run_case, case, tmp_path, bench):
    run_case(case)
    harmless(tmp_path, bench)
