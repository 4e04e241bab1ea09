"""Lightning modules: what is trained, how, and what is scored on the way."""

from .averaging import AveragedWeights
from .base import SegmentationTask
from .baseline import learn_gaussian
from .class_weights import class_weights
from .draw_chips import DrawChips
from .drawing import draw_levels
from .labelled import RequireLabels
from .progress_lines import ProgressLines
from .recipe import Recipe, parameter_groups, warmup_polynomial
from .segmentation import BHCCMTask
from .transfer import TransLUTask
from .whole_checkpoints import WholeCheckpoints, write_checkpoint

__all__ = (
    "AveragedWeights",
    "BHCCMTask",
    "DrawChips",
    "ProgressLines",
    "Recipe",
    "RequireLabels",
    "SegmentationTask",
    "TransLUTask",
    "WholeCheckpoints",
    "class_weights",
    "draw_levels",
    "learn_gaussian",
    "parameter_groups",
    "warmup_polynomial",
    "write_checkpoint",
)
