"""The page of metrics and settings is complete and up to date."""

import re

from service.reference import PAGE, page


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "service/METRICS.md is out of date: run `make reference`"
    )


def test_every_metric_and_setting_has_a_meaning():
    rows = [line for line in page().splitlines() if line.startswith(("| `residuum", "| `--"))]
    assert rows
    assert [row for row in rows if re.search(r"\| *\|$", row)] == []
