"""DatasetRecord: what the catalog knows of a published data set, checked at the door by pydantic."""

from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from ..errors import DataError
from .yaml_reader import Strict, read_yaml, resolve_catalog_file, validated

#: Name of the record that a data set carries in its own folder.
RECORD_FILE = "dataset.yaml"
#: Longest list in a record: a checksum for every file of a large data set.
_MAX_ITEMS = 100_000


def _hexadecimal(text: str) -> str:
    bytes.fromhex(text)
    return text.lower()


_Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9_.-]+$")]
_Text = Annotated[str, Field(min_length=1, max_length=2000)]
_Value = Annotated[int, Field(ge=0, le=65_535, strict=True)]
_Sha256 = Annotated[str, Field(min_length=64, max_length=64), AfterValidator(_hexadecimal)]


class BandStats(Strict):
    """Published figures of the bands, in stored values and the order of ``bands``."""

    mean: tuple[float, ...]
    std: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)]


class SourceRecord(Strict):
    """Images of one sensor, and where they and their labels lie below the data set's folder.

    ``images`` and ``labels`` are patterns of :meth:`pathlib.Path.glob`. A label belongs to the image whose
    name without suffix equals its own without ``label_suffix``.
    """

    sensor: _Name
    bands: Annotated[tuple[_Text, ...], Field(min_length=1)]
    gsd_m: Annotated[float, Field(gt=0)]
    dtype: _Name
    crs: str | None = None
    georeferenced: bool = True
    nodata: float | None = None
    images: _Text
    labels: _Text | None = None
    label_suffix: str = ""
    statistics: BandStats | None = None
    note: _Text | None = None

    @model_validator(mode="after")
    def _one_figure_per_band(self) -> "SourceRecord":
        figures = self.statistics
        if figures and not len(figures.mean) == len(figures.std) == len(self.bands):
            raise ValueError(f"expected one mean and one std for each of the {len(self.bands)} bands")
        return self


class LabelScheme(Strict):
    """Label values that are not those of the taxonomy: their names, and what each becomes in it."""

    names: dict[_Value, _Text]
    to_taxonomy: dict[_Value, _Value]

    @model_validator(mode="after")
    def _every_class_goes_somewhere(self) -> "LabelScheme":
        missing = sorted(set(self.names) - set(self.to_taxonomy))
        if missing:
            raise ValueError(f"expected a value of the taxonomy for every class, but got none for {missing}")
        return self


class DatasetRecord(Strict):
    """The whole file ``data_catalog/datasets/NAME.yaml``."""

    name: _Name
    title: _Text
    citation: _Text
    licence: _Text
    url: _Text | None = None
    access: _Text
    area: _Text
    time: tuple[date, date] | None = None
    taxonomy: _Name | None = None
    label_scheme: LabelScheme | None = None
    sources: Annotated[dict[_Name, SourceRecord], Field(min_length=1)]
    checksums: dict[str, _Sha256] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _time_runs_forward(self) -> "DatasetRecord":
        if self.time and self.time[0] > self.time[1]:
            raise ValueError("expected time to be [first day, last day]")
        return self


@lru_cache(maxsize=64)
def read_record(name_or_path: str | Path) -> DatasetRecord:
    """Read a record by its name in the catalog, or the path of a YAML file.

    Raises:
        MissingFileError: There is none; near names are listed.
        DataError: It breaks the schema; file, key and reason are named.
    """
    path = resolve_catalog_file("datasets", name_or_path)
    content = read_yaml(path, _MAX_ITEMS, DataError)
    return validated(DatasetRecord, content, f"{path} to be the record of a data set", DataError)
