"""The legend of adaptive classes stays readable where sets of siblings make it long."""

import numpy as np
import pytest

from hierars_geo.report.panels import adaptive_panel
from hierars_geo.report.survey import ValueSurvey
from hierars_geo.taxonomy import Taxonomy


@pytest.mark.parametrize(("classes", "shown"), [(24, 24), (30, 20)])
def test_a_long_legend_leaves_rare_entries_to_one_line(classes, shown):
    nodes = [{"name": f"c{value}", "value": value, "color": "#102030"} for value in range(1, classes + 1)]
    tree = Taxonomy.from_dict({"name": "sets", "levels": [{"name": "any", "classes": nodes}]})
    histogram = np.zeros(65536, dtype=np.int64)
    histogram[1:21], histogram[21 : classes + 1] = 5000, 50
    panel = adaptive_panel(ValueSurvey(np.ones((2, 2), dtype=np.int64), histogram), tree)
    assert [entry.name for entry in panel.legend] == [f"c{value}" for value in range(1, shown + 1)]
    assert panel.note == ("And 10 rarer ones on 0.5\N{NO-BREAK SPACE}% in all." if classes > 24 else None)
