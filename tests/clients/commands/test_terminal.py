"""What may be printed."""

from hypothesis import given
from hypothesis import strategies as st

from residuum_client.commands.terminal import printable


@given(st.text())
def test_any_text_becomes_one_printable_line(text):
    line = printable(text)
    assert line.isprintable()
    line.encode()


def test_a_plain_sentence_is_unchanged():
    assert printable("images/ä.png: 7 bytes [x]") == "images/ä.png: 7 bytes [x]"
