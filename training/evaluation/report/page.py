"""The HTML page of a report, from a Jinja2 template."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined

from training.evaluation.report.section import Section


def to_html(title: str, sections: Sequence[Section]) -> str:
    """One self-contained page: pictures are embedded, nothing is loaded."""
    environment = Environment(
        loader=PackageLoader("training.evaluation.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["base64"] = lambda data: base64.b64encode(data).decode("ascii")
    return environment.get_template("report.html.jinja").render(title=title, sections=sections)
