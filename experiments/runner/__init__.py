"""Train and score lists of configurations: each under several seeds, each once."""

from .efficiency import EfficiencyRow, draw_efficiency, efficiency, efficiency_markdown
from .jobs import Job, plan_jobs
from .plots import draw_scores
from .results import read_results, record_measured, write_result
from .table import VariantRow, leaves_markdown, summarise, to_csv, to_json, to_markdown
from .training import run_job

__all__ = (
    "EfficiencyRow",
    "Job",
    "VariantRow",
    "draw_efficiency",
    "draw_scores",
    "efficiency",
    "efficiency_markdown",
    "leaves_markdown",
    "plan_jobs",
    "read_results",
    "record_measured",
    "run_job",
    "summarise",
    "to_csv",
    "to_json",
    "to_markdown",
    "write_result",
)
