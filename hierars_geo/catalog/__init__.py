"""The catalog: records of published data sets, and STAC collections of the files that one has."""

from .build import BuildOptions, BuildResult, build_catalog
from .problems import Problem
from .validation import validate_catalog, validate_dataset

__all__ = (
    "BuildOptions",
    "BuildResult",
    "Problem",
    "build_catalog",
    "validate_catalog",
    "validate_dataset",
)
