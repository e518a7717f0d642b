"""One table of all sets and methods: figures of several seeds as mean and deviation."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

OURS = "ours"
# Ours counts as behind the best baseline by more than this.
MARGIN = 0.01
BEHIND = "▼"
HEAD = (
    "set",
    "method",
    "image AUROC",
    "pixel AUROC",
    "minutes",
    "false alarms, default rate",
    "found, default rate",
    "false alarms, 0.05",
    "found, 0.05",
)

Results = Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]
"""set -> method -> the figures of each seed"""


def summary(results: Results) -> dict[str, Any]:
    """What the table says, for a program: means, deviations, and where ours is behind."""
    return {name: _set_summary(methods) for name, methods in results.items()}


def _set_summary(methods: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    rows = {
        method: {
            "seeds": len(seeds),
            **{measure: _mean(seeds, measure) for measure in ("image", "pixel", "minutes")},
            "verdicts": [{k: s.get(k) for k in ("default", "at 0.05")} for s in seeds],
        }
        for method, seeds in methods.items()
    }
    best = {measure: best_baseline(methods, measure) for measure in ("image", "pixel")}
    return {"methods": rows, "best_baseline": best, "behind": behind(methods)}


def _mean(seeds: Sequence[Mapping[str, Any]], measure: str) -> dict[str, float] | None:
    values = [seed[measure] for seed in seeds if seed.get(measure) is not None]
    if not values:
        return None
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return {"mean": float(np.mean(values)), "deviation": deviation}


def best_baseline(
    methods: Mapping[str, Sequence[Mapping[str, Any]]], measure: str
) -> tuple[str, float] | None:
    """The baseline with the highest mean over seeds, and that mean; None without any."""
    means = {
        name: found["mean"]
        for name, seeds in methods.items()
        if name != OURS and (found := _mean(seeds, measure))
    }
    return max(means.items(), key=lambda item: item[1]) if means else None


def behind(methods: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """The measures of "image" and "pixel" in which ours is behind the best baseline."""
    found = []
    for measure in ("image", "pixel"):
        best, own = best_baseline(methods, measure), _mean(methods.get(OURS, ()), measure)
        if best and own and own["mean"] < best[1] - MARGIN:
            found.append(measure)
    return found


def markdown(results: Results, notes: Sequence[str] = ()) -> str:
    """The table and what is to be said below it. The best baseline of each set is in bold type."""
    lines = [f"| {' | '.join(HEAD)} |", f"|{'---|' * len(HEAD)}"]
    for name, methods in results.items():
        lines += [f"| {' | '.join(row)} |" for row in _rows(name, methods)]
    lines += ["", f"{BEHIND}: more than {MARGIN} below the best baseline of the set, in bold type."]
    return "\n".join([*lines, *(f"\n{note}" for note in notes)]) + "\n"


def _rows(name: str, methods: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[tuple[str, ...]]:
    late = behind(methods)
    best = {measure: best_baseline(methods, measure) for measure in ("image", "pixel")}
    rows = []
    for method, seeds in methods.items():
        cells = []
        for measure in ("image", "pixel"):
            cell = _cell(_mean(seeds, measure), 3)
            if method == OURS and measure in late:
                cell = f"{cell} {BEHIND}"
            elif (first := best[measure]) and first[0] == method:
                cell = f"**{cell}**"
            cells.append(cell)
        verdicts = [_verdict(seeds, at, kind) for at in ("default", "at 0.05") for kind in _TOTALS]
        rows.append((name, method, *cells, _cell(_mean(seeds, "minutes"), 2), *verdicts))
    return rows


def _cell(figure: Mapping[str, float] | None, digits: int) -> str:
    if figure is None:
        return "-"
    mean, deviation = figure["mean"], figure["deviation"]
    return f"{mean:.{digits}f} ± {deviation:.{digits}f}" if deviation else f"{mean:.{digits}f}"


# What is counted of a verdict, and of how many images.
_TOTALS = {"alarms": "normal", "found": "defects"}


def _verdict(seeds: Sequence[Mapping[str, Any]], at: str, kind: str) -> str:
    """Counts of flagged images, mean and deviation over the seeds that have that rate."""
    known = [seed for seed in seeds if seed.get(at)]
    if not known:
        return "-"
    counts = _cell(_mean([seed[at] for seed in known], kind), 1)
    rates = sorted({f"{seed[at]['rate']:.3g}" for seed in known})
    asked = f" at {', '.join(rates)}" if at == "default" and kind == "alarms" else ""
    return f"{counts} of {known[0][_TOTALS[kind]]}{asked}"
