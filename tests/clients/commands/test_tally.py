"""What is said of the files of a command."""

from collections import Counter

import pytest

from residuum_client.commands.tally import Tally


@pytest.mark.parametrize(
    ("tally", "summary"),
    [
        (Tally(done=7), ""),
        (Tally(done=1), ""),
        (Tally(failed=1), ""),
        (Tally(existing=1), ""),
        (Tally(done=19800, failed=200), "residuum: 19,800 done, 200 failed"),
        (Tally(failed=2), "residuum: 0 done, 2 failed"),
        (Tally(done=2, existing=40), "residuum: 2 done, 40 done before"),
        (
            Tally(done=2, skipped=Counter({"broken link": 1, ".heic": 3})),
            "residuum: 2 done; skipped 3 .heic, 1 broken link",
        ),
    ],
)
def test_a_summary_says_what_was_not_done_of_several_files(tally: Tally, summary: str):
    assert tally.summary() == summary


@pytest.mark.parametrize(
    ("tally", "said"),
    [
        (Tally(total=9), ""),
        (Tally(total=9000, done=1200), "; 1,200 of 9,000 done"),
        (Tally(total=9, done=2, resumable=True), "; 2 of 9 done; continue with --resume"),
    ],
)
def test_a_command_that_ends_early_says_how_far_it_came(tally: Tally, said: str):
    assert tally.unfinished() == said
