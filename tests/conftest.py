"""For every test: it cannot hang the suite, and its numeric libraries use one thread."""

import os

import hypothesis
import pytest
from xdist.scheduler import LoadFileScheduling

# Before numpy, torch and onnxruntime are imported, and for child processes: parallel workers share
# the cores, and sums come out in one order everywhere.
os.environ.setdefault("OMP_NUM_THREADS", "1")

pytest_plugins = ["hang_guard"]

# No property depends on how busy the machine is.
hypothesis.settings.register_profile(
    "residuum", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("residuum")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadFileScheduling:
    return Scheduling(config, log)


class Scheduling(LoadFileScheduling):
    """The tests of a file run in one process, and those of the exporter, which share networks."""

    def _split_scope(self, nodeid: str) -> str:
        shared = "tests/exporter/"
        return shared if nodeid.startswith(shared) else super()._split_scope(nodeid)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first: in the end no process waits for one that began late."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints what tests have recorded as `summary`, also when they ran in another process."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "summary":
                terminalreporter.write_line(value)
