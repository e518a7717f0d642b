"""What is printed, and what may be."""

from hypothesis import given
from hypothesis import strategies as st

from residuum_client.commands.terminal import TABLE_ROWS, printable


@given(st.text())
def test_any_text_becomes_one_printable_line(text):
    line = printable(text)
    assert line.isprintable()
    line.encode()


@given(st.text(), st.sampled_from(["ascii", "cp1252", "utf-8"]))
def test_any_text_can_be_printed_in_any_encoding(text, encoding):
    assert printable(text, encoding).encode(encoding).decode(encoding).isprintable()


def test_a_plain_sentence_is_unchanged():
    sentence = "images/two  spaces/ä.png: 7 bytes [x]"
    assert printable(sentence) == sentence


def test_many_rows_are_printed_in_several_tables_with_one_total(terminal, capsys):
    count = 2 * TABLE_ROWS + 1
    with terminal.report(("file", "bytes"), as_json=False) as report:
        for i in range(count):
            report.add((f"{i}.png", "7"), {})
        report.total = ("total", f"{7 * count}")
    lines = capsys.readouterr().out.splitlines()
    assert sum(".png" in line for line in lines) == count
    assert sum("file" in line for line in lines) == 3
    assert [line.split("│")[2].strip() for line in lines if "total" in line] == [f"{7 * count}"]


def test_a_report_without_rows_prints_nothing(terminal, capsys):
    with terminal.report(("file", "bytes"), as_json=False):
        pass
    assert capsys.readouterr().out == ""
