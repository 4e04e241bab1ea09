"""What the trainings of this folder have in common: they are tiny on purpose."""

from pathlib import Path

import pytest

_HERE = Path(__file__).parent

#: Lightning says how a training would be faster, and calls what is deprecated itself.
_ADVICE = (
    "ignore:The '.*dataloader' does not have many workers",
    "ignore:The number of training batches",
    "ignore:`isinstance\\(treespec, LeafSpec\\)` is deprecated",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave Lightning's advice out of the warnings that fail a test."""
    for item in items:
        if item.path.is_relative_to(_HERE):
            for advice in _ADVICE:
                item.add_marker(pytest.mark.filterwarnings(advice))
