"""Searching for names, in any order."""

import pytest

from codec.archive import names as lookup
from codec.archive.index import Layout, name_range
from codec.archive.names import Names

Blocks = list[list[bytes]]
CASES = {
    "ascending": [[b"a", b"b"], [b"c"], [b"", b""], [b"d", b"", b"f"]],
    "overlapping": [[b"a", b"b"], [b"e", b"h", b"g"], [b"f", b"z"]],
    "descending": [[b"y", b"z"], [b"c", b"b"], [b"a"]],
    "one inside another": [[b"a", b"z"], [b"c", b"d"]],
    "without names": [[b"", b""]],
}


def lookup_of(blocks: Blocks, *, known: bool = True) -> tuple[Names, list[int]]:
    """Names over blocks, and a list of the blocks that it reads."""
    layout, asked = Layout(50), list[int]()
    layout.ranges = [name_range(block) for block in blocks] if known else None
    for block in blocks:
        layout.offsets.append(layout.end + 100)
        layout.firsts.append(layout.records + len(block))

    def names_of(block: int) -> list[bytes]:
        asked.append(block)
        return blocks[block]

    return Names(layout, names_of), asked


@pytest.mark.parametrize("recent", [0, 2, 2**15])
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_every_name_is_found_and_no_other(case: str, known: bool, recent: int, monkeypatch):
    monkeypatch.setattr(lookup, "_RECENT", recent)
    whole = [name for block in CASES[case] for name in block]
    names, _ = lookup_of(CASES[case], known=known)
    for name in (b"a", b"b", b"c", b"d", b"e", b"f", b"g", b"h", b"y", b"z", b"aa", b"0", b"zz"):
        assert names.find(name) == (whole.index(name) if name in whole else None)


def test_one_block_is_read_where_names_ascend():
    names, asked = lookup_of(CASES["ascending"])
    assert (names.find(b"c"), names.find(b"bb"), names.find(b"zz"), names.find(b"e")) == (
        2,
        None,
        None,
        None,
    )
    assert asked == [1, 3]


def test_of_two_records_of_one_name_the_first_is_found():
    names, _ = lookup_of([[b"a", b"b"], [b"b", b"c"]])
    assert names.find(b"b") == 1


@pytest.mark.parametrize("case", CASES)
def test_blocks_that_are_added_are_found_too(case: str, monkeypatch):
    monkeypatch.setattr(lookup, "_RECENT", 1)
    blocks: Blocks = []
    layout = Layout(50)
    names = Names(layout, lambda block: blocks[block])
    whole: list[bytes] = []
    for number, block in enumerate(CASES[case]):
        assert names.find(b"b") == (whole.index(b"b") if b"b" in whole else None)
        blocks.append(block)
        layout.offsets.append(layout.end + 100)
        layout.firsts.append(layout.records + len(block))
        names.add(number, block)
        whole += block
        assert [names.find(name) for name in whole if name] == [
            whole.index(name) for name in whole if name
        ]
