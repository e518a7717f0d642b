"""What became of the calls of a bench, in figures."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How a call ended: answered in time, refused, not answered in time, or with another error."""

    ANSWERED = "answered"
    REFUSED = "refused"
    LATE = "late"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Call:
    """A call that ended `seconds` after it was due, and was sent `delay` seconds after it was due.

    `reason` says why it failed, `retry_delay` after how many seconds to try again.
    """

    outcome: Outcome
    seconds: float
    delay: float
    reason: str = ""
    retry_delay: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The calls at one rate. Times are in milliseconds; None if there was no such call.

    - `load`: the rate as a multiple of the capacity; None if the rate was given.
    - `rate`, `goodput`: calls due, and calls answered in time, per second.
    - `p50`, `p95`, `p99`: of the calls answered in time, from when they were due.
    - `refused_p99`: of refusals. `delay_p99`: how late the generator itself sent calls.
    - `reason`: why the first call failed.
    """

    load: float | None
    rate: float
    offered: int
    answered: int
    refused: int
    late: int
    failed: int
    p50: float | None
    p95: float | None
    p99: float | None
    refused_p99: float | None
    delay_p99: float | None
    goodput: float
    reason: str


def summarise(calls: Sequence[Call], load: float | None, rate: float, seconds: float) -> Step:
    """The figures of calls that were due within these seconds."""
    counts = Counter(call.outcome for call in calls)
    answered = [call.seconds for call in calls if call.outcome is Outcome.ANSWERED]
    refused = [call.seconds for call in calls if call.outcome is Outcome.REFUSED]
    return Step(
        load=load,
        rate=rate,
        offered=len(calls),
        answered=counts[Outcome.ANSWERED],
        refused=counts[Outcome.REFUSED],
        late=counts[Outcome.LATE],
        failed=counts[Outcome.FAILED],
        p50=percentile(answered, 50),
        p95=percentile(answered, 95),
        p99=percentile(answered, 99),
        refused_p99=percentile(refused, 99),
        delay_p99=percentile([call.delay for call in calls], 99),
        goodput=len(answered) / seconds,
        reason=next((call.reason for call in calls if call.outcome is Outcome.FAILED), ""),
    )


def percentile(seconds: Sequence[float], percent: float) -> float | None:
    """The time that this share of the times does not exceed, in milliseconds."""
    if not seconds:
        return None
    place = max(1, math.ceil(len(seconds) * percent / 100))
    return 1000 * sorted(seconds)[place - 1]
