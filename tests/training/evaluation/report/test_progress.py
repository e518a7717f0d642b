import io

import pytest
from rich.console import Console

from training.evaluation.report.progress import Reporter


@pytest.mark.parametrize("terminal", [True, False])
def test_each_step_has_a_bar_on_a_terminal_and_nothing_is_printed_elsewhere(terminal):
    out, notes = io.StringIO(), io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=100)
    with Reporter(console, Console(file=notes)) as reporter:
        advance = reporter.start("compressing")
        advance(3, 8)
        with reporter.step("pictures"):
            reporter.note("[3] images")
    shown = out.getvalue()
    assert ("compressing" in shown, "3/8" in shown) == (terminal, terminal)
    assert ("pictures" in shown, "1/1" in shown) == (terminal, terminal)
    assert bool(shown) == terminal
    assert notes.getvalue() == "[3] images\n"
