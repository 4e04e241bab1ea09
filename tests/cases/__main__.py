"""Run every case and print a table: ``python -m tests.cases [ID ...]``."""

import sys
from collections import defaultdict
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from .table import read_cases

TESTS = Path(__file__).parents[1]


class Outcomes:
    """Remember how each test of a node ended; a test of several parameters has several ends."""

    def __init__(self) -> None:
        self.of = defaultdict(list)

    def pytest_runtest_logreport(self, report):
        if report.when == "call" or (report.when == "setup" and report.outcome != "passed"):
            self.of[report.nodeid].append(report.outcome)

    def outcome(self, node):
        """Say how the tests of a node ended."""
        found = [end for name, ends in self.of.items() for end in ends if _is_of(name, f"tests/{node}")]
        for worst in ("failed", "skipped", "passed"):
            if worst in found:
                return worst
        return "not found"


def _is_of(name, node):
    return name == node or name.startswith(f"{node}[")


def main(wanted):
    """Run the cases; 1 where one is wrong."""
    chosen = [case for case in read_cases() if not wanted or case.id in wanted]
    nodes = sorted({f"{TESTS / node.split('[')[0]}" for case in chosen for node in case.nodes})
    outcomes = Outcomes()
    options = ["-q", "-m", "", "-p", "no:cacheprovider", f"--rootdir={TESTS.parent}"]
    pytest.main([*options, *nodes], plugins=[outcomes])
    table = Table("case", "what is tried", "outcome", "tests")
    wrong = 0
    for case in chosen:
        ends = [outcomes.outcome(node) for node in case.nodes]
        outcome = next((end for end in ("not found", "failed", "skipped") if end in ends), "right")
        if case.left:
            outcome = f"left: {case.left}"
        wrong += outcome in ("failed", "not found")
        table.add_row(case.id, case.words, outcome, str(len(ends)))
    Console().print(table)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
