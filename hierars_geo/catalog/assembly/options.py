"""AssembleOptions: how a multi-source data set is put together, checked before any file is opened."""

from dataclasses import dataclass
from typing import Literal

from ...errors import OptionError

LabelScheme = Literal["five_billion_pixels", "mm5b"]


@dataclass(frozen=True)
class AssembleOptions:
    """How.

    Attributes:
        label_scheme: ``mm5b`` where label values are those of its leaves, ``five_billion_pixels`` for its 24.
        chip_m: Side of a chip in metres; None leaves the common ground of every place whole.
        days: Most days between the reference source and another; None for any.
        min_cover: Least share of the reference scene that another source must cover.
        min_valid: Least share of a chip that must hold data in every source and a label.
        correct_shift: Whether sources are moved by the shift measured against the reference.
        fractions: Shares of the places for train, val and test.
        seed: Which places go where.
        overwrite: Whether a data set that exists is replaced.
    """

    label_scheme: LabelScheme = "mm5b"
    chip_m: float | None = 2560.0
    days: float | None = None
    min_cover: float = 0.3
    min_valid: float = 0.5
    correct_shift: bool = False
    fractions: tuple[float, float, float] = (0.6, 0.2, 0.2)
    seed: int = 0
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.chip_m is not None and self.chip_m <= 0:
            raise OptionError(f"Expected chip-m to be > 0, but got {self.chip_m:g}.")
        if self.days is not None and self.days < 0:
            raise OptionError(f"Expected days to be >= 0, but got {self.days:g}.")
        for name in ("min_cover", "min_valid"):
            if not 0 <= getattr(self, name) <= 1:
                raise OptionError(f"Expected {name} to be a share 0..1, but got {getattr(self, name):g}.")
        if min(self.fractions) < 0 or abs(sum(self.fractions) - 1) > 1e-6 or self.fractions[0] == 0:
            raise OptionError(
                f"Expected shares of train, val and test with sum 1 and train > 0, but got {self.fractions}."
            )
        if self.seed < 0:
            raise OptionError(f"Expected seed to be >= 0, but got {self.seed}.")
