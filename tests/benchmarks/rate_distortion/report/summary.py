"""The first screen: one table per set that answers what an image costs."""

from collections.abc import Sequence

from rate_distortion.accounts import ACCOUNTS, PHOTOGRAPH_RATES, REPORTED_RATES, AtPsnr, codecs
from rate_distortion.curves import Difference
from rate_distortion.report.chapter import Chapter
from rate_distortion.report.grid import Grid, Row
from rate_distortion.tasks import MANY, PCA

NONE = "-"
# Per cent of BD-rate that one model may lose against models for one rate each.
LARGEST_LOSS = 2.0


def summary(chapter: Chapter) -> Grid:
    """Bytes at the set's PSNRs in all accountings, or, for photographs, differences of rates."""
    return _photographs(chapter) if chapter.images.spec.photographs else _small(chapter)


def _small(chapter: Chapter) -> Grid:
    spec = chapter.images.spec
    columns = [(account.name, target) for account in ACCOUNTS for target in spec.targets]
    by_codec: dict[str, dict[float, AtPsnr]] = {}
    for row in chapter.at_targets:
        if row.kind != "many":
            by_codec.setdefault(row.codec, {})[row.target] = row
    best = {column: _fewest(by_codec, column) for column in columns}
    rows = [
        Row(
            (codec, *(_bytes(found[target], account) for account, target in columns)),
            kind=next(iter(found.values())).kind,
            best=frozenset(i + 1 for i, column in enumerate(columns) if best[column] == codec),
        )
        for codec, found in by_codec.items()
    ]
    return Grid(
        title=f"{spec.title}: bytes per image at a PSNR",
        groups=tuple((f"{a.name}: {a.meaning}", len(spec.targets)) for a in ACCOUNTS),
        head=("", *(f"{target:g} dB" for _, target in columns)),
        rows=[*rows, *_goal(chapter, by_codec, len(columns))],
    )


def _fewest(by_codec: dict[str, dict[float, AtPsnr]], column: tuple[str, float]) -> str:
    account, target = column
    costs = {codec: found[target].found.get(account) for codec, found in by_codec.items()}
    there = {codec: cost for codec, cost in costs.items() if cost is not None}
    return min(there, key=lambda codec: there[codec], default="")


def _bytes(row: AtPsnr, account: str) -> str:
    cost = row.found.get(account)
    return NONE if cost is None else size(cost) + "†" * (account in row.over)


def size(cost: float) -> str:
    """Bytes to three or four digits."""
    return f"{cost:,.0f}" if cost >= 1000 else f"{cost:.1f}"


def _goal(chapter: Chapter, by_codec: dict[str, dict[float, AtPsnr]], columns: int) -> list[Row]:
    """The row of the bytes that ours should stay within, in A."""
    spec = chapter.images.spec
    goals: Sequence[float | None] = spec.goals
    if spec.below_pca and PCA in by_codec:
        pca = [by_codec[PCA][target].found.get("A") for target in spec.targets]
        goals = [None if cost is None else (1 - spec.below_pca) * cost for cost in pca]
    if not goals:
        return []
    cells = [NONE if goal is None else f"≤ {goal:.1f}" for goal in goals]
    return [Row(("goal for ours", *cells, *[""] * (columns - len(cells))), kind="goal")]


def _photographs(chapter: Chapter) -> Grid:
    kinds = codecs(chapter.curves)
    anchors = [codec for codec, kind in kinds.items() if kind == "classical"]
    first, others = anchors[0], anchors[1:]
    head = [(first, account.name) for account in ACCOUNTS] + [(other, "A") for other in others]
    rows = [
        Row(
            (
                codec,
                *(_percent(chapter, codec, *column) for column in head),
                *(NONE if p is None else f"{p:.2f}" for p in chapter.at_rates.get(codec, ())),
            ),
            kind=kind,
        )
        for codec, kind in kinds.items()
        if kind != "many"
    ]
    goals = ("< 0 %" if column in ((first, "A"), ("WebP", "A")) else "" for column in head)
    rows.append(Row(("goal for ours", *goals, *[""] * len(REPORTED_RATES)), kind="goal"))
    low, high = PHOTOGRAPH_RATES
    return Grid(
        title=f"{chapter.images.spec.title}: BD-rate over {low:g} to {high:g} bits per pixel",
        groups=(
            (f"{first}: BD-rate against it", len(ACCOUNTS)),
            *((f"{other}: against it", 1) for other in others),
            ("dB: PSNR at bits per pixel (A)", len(REPORTED_RATES)),
        ),
        head=("", *(account for _, account in head), *(f"{rate:g}" for rate in REPORTED_RATES)),
        rows=rows,
    )


def _percent(chapter: Chapter, codec: str, anchor: str, account: str) -> str:
    if codec == anchor:
        return "0 %"
    found = chapter.difference(codec, anchor, account)
    return NONE if found is None else f"{found.percent:+.1f} %"


def difference(found: Difference | None) -> str:
    """A BD-rate and its interval of PSNR."""
    return NONE if found is None else f"{found.percent:+.1f} % ({found.low:.1f}..{found.high:.1f})"


def one_model(chapter: Chapter) -> str:
    """What the one model loses against models for one rate each, in a sentence, if measured."""
    kinds = codecs(chapter.curves)
    if MANY not in kinds:
        return ""
    losses = [
        f"{codec} against the hull of {MANY.partition(', ')[2]}: "
        + ", ".join(
            f"{account.name} {difference(chapter.difference(codec, MANY, account.name))}"
            for account in ACCOUNTS[:3]
        )
        for codec, kind in kinds.items()
        if kind == "ours"
    ]
    return f"BD-rate of {'; '.join(losses)} (goal: at most +{LARGEST_LOSS:g} %)." if losses else ""
