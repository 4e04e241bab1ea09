"""The catalog: records of published data sets, and STAC collections of the files that one has."""

from ..taxonomy.dataset_records import DatasetRecord, LabelScheme, SourceRecord, read_record
from .build import BuildOptions, BuildResult, build_catalog
from .problems import Problem
from .validation import validate_catalog, validate_dataset

__all__ = (
    "BuildOptions",
    "BuildResult",
    "DatasetRecord",
    "LabelScheme",
    "Problem",
    "SourceRecord",
    "build_catalog",
    "read_record",
    "validate_catalog",
    "validate_dataset",
)
