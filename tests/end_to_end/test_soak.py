"""A minute of a mixed load; an hour of it is `make bench-soak`."""

import pytest
from serving.server import residuum
from serving.soak import FILES, soak

MINUTES = 1
# In the first minutes the caches of the process still fill.
MOST_GROWTH = 1.25


@pytest.mark.slow
@pytest.mark.timeout(MINUTES * 60 + 240)
def test_memory_and_open_files_stay_flat_and_no_call_hangs_under_a_mixed_load():
    with residuum("test-soak") as server:
        found = soak(server, MINUTES)
    assert found.unexpected == {}
    assert found.hung == 0
    assert found.growth <= MOST_GROWTH
    assert found.more_files <= FILES.limit
