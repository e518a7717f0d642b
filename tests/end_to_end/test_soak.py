"""A short mixed load. Memory over three minutes or an hour is measured by `make bench-soak`."""

import pytest
from serving.server import residuum
from serving.soak import FILES, soak

MINUTES = 0.15


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_no_call_hangs_or_fails_and_open_files_stay_flat_under_a_mixed_load():
    with residuum("test-soak") as server:
        found = soak(server, MINUTES)
    assert found.unexpected == {}
    assert found.hung == 0
    assert found.more_files <= FILES.limit
