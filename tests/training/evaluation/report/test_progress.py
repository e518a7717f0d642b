import io

import pytest
from rich.console import Console

from training.evaluation.report.progress import Reporter


@pytest.mark.parametrize("terminal", [True, False])
def test_each_step_has_a_bar_on_a_terminal_and_nothing_is_printed_elsewhere(terminal):
    out = io.StringIO()
    with Reporter(Console(file=out, force_terminal=terminal, width=100)) as reporter:
        advance = reporter.start("compressing")
        advance(3, 8)
        with reporter.step("pictures"):
            pass
    shown = out.getvalue()
    assert ("compressing" in shown, "3/8" in shown) == (terminal, terminal)
    assert ("pictures" in shown, "1/1" in shown) == (terminal, terminal)
    assert bool(shown) == terminal
