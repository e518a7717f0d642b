"""The table of layouts in the document is that of the code."""

from pathlib import Path

from training.data.layouts import LAYOUTS

README = Path(__file__).parents[2] / "training" / "README.md"


def test_each_layout_is_a_row_of_the_document_in_the_order_of_the_code():
    rows, names = [], {}
    for entry in LAYOUTS:
        names.setdefault(entry.name, []).append(entry)
    for name, variants in names.items():
        also = [other for entry in variants for other in entry.also]
        first = "| " + ", ".join(f"`{word}`" for word in (name, *also))
        rows += [f"{'|' if i else first} | {entry.tree} |" for i, entry in enumerate(variants)]
    assert "\n".join(rows) in README.read_text()
