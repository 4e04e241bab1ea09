"""Calibration: how far a model's confidence can be believed, as measured on ground kept apart; its curves."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, TypeAlias

from pydantic import TypeAdapter

from ..errors import CheckpointError, OptionError
from ..taxonomy.yaml_reader import validated
from .namespace import Array, namespace_of

#: (Confidence that is said, share that is right): the first rises from 0 to 1, the second never falls.
Curve: TypeAlias = tuple[tuple[float, float], ...]


def curved(confidence: Array, curve: Curve) -> Array:
    """Read a curve at confidences (...), on a straight line between its knots.

    It is a sum of ramps, which arrays, tensors and exported graphs know; none falls where confidence rises.
    """
    xp = namespace_of(confidence)
    found: Any = confidence * 0 + curve[0][1]
    for (start, low), (stop, high) in pairwise(curve):
        found = found + (high - low) / (stop - start) * (xp.clip(confidence, start, stop) - start)
    return found  # type: ignore[no-any-return]


def curved_steps(steps: Sequence[Array], curves: Sequence[Curve]) -> tuple[Array, ...]:
    """Read the curves of every level at its steps (...), several to a level; what was never rising stays so.

    Args:
        steps: As many for each level, coarsest first.
        curves: By level; none leaves the steps as they are.
    """
    if not curves:
        return tuple(steps)
    found: list[Array] = []
    for place, step in enumerate(steps):
        here = curved(step, curves[place * len(curves) // len(steps)])
        found.append(namespace_of(here).minimum(here, found[-1]) if found else here)
    return tuple(found)


#: Of one level: see :class:`Calibration`.
Diagram: TypeAlias = tuple[tuple[float, float, float], ...]


@dataclass(frozen=True)
class Promise:
    """Of all pixels shown at their depth, at most a share is wrong.

    Attributes:
        risk: The share, 0..1.
        threshold: Least confidence of what is shown, 0..1; None where no threshold keeps the promise.
        set_threshold: The same where sets of sibling classes are shown, too.
    """

    risk: float
    threshold: float | None
    set_threshold: float | None = None


@dataclass(frozen=True)
class Calibration:
    """What a checkpoint knows of its own confidence.

    Attributes:
        temperature: Path logits are divided by it, > 0; above 1 where training left the model too sure.
        promises: By rising risk.
        delta: Probability with which a promise may fail for the draw of the blocks, 0..1.
        blocks: Blocks of ground that all of it was measured on.
        block_m: Side of a block in metres.
        split: Part of the data that the ground belongs to: ``val`` or ``test``.
        error_before: Expected calibration error per level at temperature 1, 0..1.
        error_after: The same at the temperature and by the curves.
        diagrams: Reliability ``before`` and ``after``: per level and bin of confidence (share of the pixels,
            mean confidence, share right).
        curves: By level, what turns confidence at the temperature into the share that is right; none in
            checkpoints of an earlier release.
    """

    temperature: float
    promises: tuple[Promise, ...]
    delta: float
    blocks: int
    block_m: float
    split: str
    error_before: tuple[float, ...]
    error_after: tuple[float, ...]
    diagrams: Mapping[str, tuple[Diagram, ...]] = field(default_factory=dict)
    curves: tuple[Curve, ...] = ()

    def threshold_of(self, risk: float, sets: bool = False) -> float:
        """Return the least confidence at which a promise is kept, by classes alone or with sets of siblings.

        Raises:
            OptionError: No such promise was asked for, or none can be kept.
        """
        for promise in self.promises:
            if math.isclose(promise.risk, risk, abs_tol=1e-9):
                threshold = promise.set_threshold if sets else promise.threshold
                if threshold is None:
                    raise OptionError(
                        f"Expected a risk that the model can keep{' with sets' * sets}, but of {risk:g} "
                        "nothing would be shown. Promise less, or calibrate on more ground."
                    )
                return threshold
        known = ", ".join(f"{promise.risk:g}" for promise in self.promises) or "none"
        raise OptionError(
            f"Expected risk to be one that the checkpoint was calibrated for ({known}), but got {risk:g}. "
            f"Run hierars-geo calibrate with --risk {risk:g}."
        )

    def describe(self, risk: float, sets: bool = False) -> str:
        """Say a promise in a sentence for people who know nothing of statistics."""
        ground = self.split.replace("val", "validation")
        shown, wrong = ("a class or a set", "none that is right") if sets else ("a class", "a wrong one")
        return (
            f"Of the pixels that show {shown}, at most {100 * risk:g} % show {wrong}; about "
            f"{100 * (1 - self.delta):g} of 100 maps keep such a promise. It was found on {self.blocks} "
            f"blocks of {self.block_m:g} m of {ground} ground, which the training had not seen, and holds "
            "for ground like that, not for other ground."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        plain: dict[str, Any] = TypeAdapter(Calibration).dump_python(self, mode="json")
        return plain

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], origin: str) -> "Calibration":
        """Read what :meth:`to_dict` wrote.

        Raises:
            CheckpointError: A value is missing or out of range.
        """
        calibration = validated(cls, content, f"a complete calibration (in {origin})", CheckpointError)
        shares = [calibration.delta, *(promise.risk for promise in calibration.promises)]
        thresholds = [(each.threshold, each.set_threshold) for each in calibration.promises]
        shares += [share for pair in thresholds for share in pair if share is not None]
        known = calibration.curves
        curves = len(known) in (0, len(calibration.error_after)) and all(map(_rises, known))
        if not (
            0 < calibration.temperature < math.inf and all(0 <= share <= 1 for share in shares) and curves
        ):
            raise CheckpointError(
                "Expected a calibration with a temperature > 0, shares of 0..1 and a rising curve per level, "
                f"but got others (in {origin}). Calibrate again."
            )
        return calibration


def _rises(curve: Curve) -> bool:
    """Tell whether a curve is one: from confidence 0 to 1, its shares within 0..1 and never falling."""
    said, right = [knot[0] for knot in curve], [knot[1] for knot in curve]
    steps = all(a < b for a, b in pairwise(said)) and all(a <= b for a, b in pairwise(right))
    return len(curve) > 1 and steps and (said[0], said[-1]) == (0, 1) and right[0] >= 0 and right[-1] <= 1


def threshold_of(calibration: Calibration | None, risk: float, origin: str, sets: bool = False) -> float:
    """Return the least confidence at which a checkpoint keeps a promise.

    Raises:
        OptionError: It was not calibrated, not for this risk, or cannot keep it.
    """
    if calibration is None:
        raise OptionError(
            f"Expected a calibrated checkpoint for a risk of {risk:g}, but got another (in {origin}). "
            f"Run hierars-geo calibrate with --risk {risk:g} first."
        )
    return calibration.threshold_of(risk, sets)
