"""A histogram for many values at a time."""

import bisect
from collections import Counter as Tally
from collections.abc import Iterable
from typing import final

from prometheus_client import Histogram

# Bounds of histograms of times.
SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


@final
class EachHistogram(Histogram):
    """A histogram that takes many values at the cost of a few."""

    def observe_each(self, values: Iterable[float]) -> None:
        """Like `observe` for each value, with one update per bucket."""
        observed = list(values)
        if len(observed) == 1:
            self.observe(observed[0])
        elif observed:
            self._sum.inc(sum(observed))
            bounds = self._upper_bounds
            tally = Tally(bisect.bisect_left(bounds, value) for value in observed)
            for bucket, count in tally.items():
                self._buckets[bucket].inc(count)
