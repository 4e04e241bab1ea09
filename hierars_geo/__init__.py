"""Hierarchical land-cover and crop segmentation of georeferenced scenes (HieraRS) on TorchGeo.

Nothing is imported before it is used:

.. code-block:: python

    import hierars_geo as hg
    maps = hg.predict("model.ckpt", "scene.tif", "maps", confidence=True)
    maps.plot(level=2)
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any, Final

__version__ = "0.2.0"

#: Name -> room that holds it.
_HOMES: Final = {
    "HieraRSError": "errors",
    "HieraRSWarning": "errors",
    "Maps": "results",
    "Model": "models",
    "PredictOptions": "predict",
    "Predictor": "predict",
    "ReadRecipe": "types",
    "Scene": "scenes",
    "Taxonomy": "taxonomy",
    "calibrate": "tasks",
    "load": "models",
}
_ROOMS: Final = frozenset(
    {
        *("accuracy", "catalog", "datamodules", "datasets", "export", "losses", "metrics", "models"),
        *("predict", "report", "samplers", "synthetic", "tasks", "transforms", "vector"),
    }
)


class _PredictRoom(ModuleType):
    """The room ``hierars_geo.predict``, which may be called, too."""

    def __call__(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401
        """Predict a scene into a folder; see :func:`hierars_geo.results.predict`."""
        return import_module(".results", __package__).predict(*args, **options)


class _Face(ModuleType):
    """This package: the room that it gets under the name of a verb becomes that verb as well."""

    def __setattr__(self, name: str, value: Any) -> None:  # noqa: ANN401
        if name == "predict" and isinstance(value, ModuleType):
            value.__class__ = _PredictRoom
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Face


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name in _ROOMS:
        return import_module(f".{name}", __name__)
    if name in _HOMES:
        value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'hierars_geo' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


__all__ = (
    "HieraRSError",
    "HieraRSWarning",
    "Maps",
    "Model",
    "PredictOptions",
    "Predictor",
    "ReadRecipe",
    "Scene",
    "Taxonomy",
    "accuracy",
    "calibrate",
    "catalog",
    "datamodules",
    "datasets",
    "export",
    "load",
    "losses",
    "metrics",
    "models",
    "predict",
    "report",
    "samplers",
    "synthetic",
    "tasks",
    "transforms",
    "vector",
)
