"""Two predictions of one place and their image, painted once."""

import pytest
from viewer_factory import add_adaptive, paint, write_image


@pytest.fixture(scope="session")
def painted(tmp_path_factory):
    """A prediction with confidences, its image beside it."""
    scene = paint(tmp_path_factory.mktemp("viewer") / "first")
    write_image(scene)
    return scene


@pytest.fixture(scope="session")
def moved(tmp_path_factory):
    """Another prediction of the same place, without confidences, with sets of siblings."""
    scene = paint(tmp_path_factory.mktemp("viewer") / "second", shift=5, confidence=False)
    add_adaptive(scene)
    return scene
