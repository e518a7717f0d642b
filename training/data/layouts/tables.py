"""Data sets that a csv file describes: one row an image.

The columns are found by their usual names in COLUMNS, those of paths and labels also by what is in
them; without a row of names they are path, label and mask. Paths are relative to the file or to the
folder above it. Rows of one image are joined: it is a defect if one of them says so, and their
masks count together.
"""

from __future__ import annotations

import csv
import io
import itertools
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from codec.image_reader import SUFFIXES
from training.data.layouts.rules import Part, is_word, mentions, parts_of, plain
from training.errors import TrainingError

# Names of columns in lower case, without spaces and punctuation.
COLUMNS = {
    "path": "path image file filename filepath imagepath imagefile imagename imageid img imgpath",
    "label": "label class target anomaly isanomaly anomalous isanomalous defect isdefect kind "
    "abnormal isabnormal type labelindex status quality verdict result grade category",
    "normal": "normal isnormal good isgood ok isok",
    "mask": "mask maskpath maskfile groundtruth groundtruthpath gt gtpath segmentation",
    "split": "split set subset part partition phase",
    "object": "object clsname",
}
# Answers to "is it a defect", next to words such as good and scratch.
_FALSE, _TRUE = {"0", "0.0", "false", "no", "none"}, {"1", "1.0", "true", "yes"}
# Rows that are looked at to find out what a column is.
_SAMPLE = 50
# What programs write into cells without a value.
_NOTHING = {"", "nan", "null", "n/a", "-"}
_NO_MASK = _NOTHING | {"none", "no", "0"}
_EITHER = {"positive", "negative", "pos", "neg"}
_PARTS: tuple[tuple[str, Part], ...] = (
    ("TRAIN", "train"),
    ("VALIDATION", "validation"),
    ("TEST", "test"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What a table says of one image."""

    path: str
    defect: bool | None
    """None where only the mask says it"""
    kind: str
    masks: tuple[str, ...] = ()
    part: Part = "undivided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The images of a csv file."""

    rows: Mapping[str, Sequence[Row]]
    """by object; its name is empty where the file describes one data set"""
    unlabelled: int
    """rows without path or label, left out"""


def has_columns(text: str) -> bool:
    """Whether a csv file has a column of paths, and one of labels or masks."""
    columns, _ = _cells(text)
    return "path" in columns and not columns.keys().isdisjoint({"label", "normal", "mask"})


def read_table(text: str) -> Table:
    """The rows of a csv file with the columns of `has_columns`.

    Raises TrainingError for a label or a split that can mean more than one thing.
    """
    columns, lines = _cells(text)
    rows: dict[str, dict[str, Row]] = {}
    unlabelled = 0
    for cells in lines:
        values = {name: cells[i].strip() for name, i in columns.items() if i < len(cells)}
        row = _row(values, judged=columns.keys().isdisjoint({"label", "normal"}))
        if row is None:
            unlabelled += 1
        else:
            known = rows.setdefault(values.get("object", ""), {})
            known[row.path] = _joined(known.get(row.path), row)
    return Table(
        rows={name: list(found.values()) for name, found in rows.items()}, unlabelled=unlabelled
    )


def says_defect(label: str) -> bool:
    """Whether a label means a defect by itself, as bad and 1 do but scratch does not."""
    return label.casefold() in _TRUE or is_word(label, "BAD")


def part_of(name: str) -> Part | None:
    """The part of a data set that has this name."""
    return next((part for words, part in _PARTS if is_word(name, words)), None)


def decode(data: bytes) -> str:
    """The text of a csv file: UTF-8, UTF-16 if it begins with a mark, otherwise Latin-1."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _cells(text: str) -> tuple[dict[str, int], list[list[str]]]:
    """The position of each known column, and the cells of all rows but that of the names."""
    lines = text.replace("\0", "").splitlines(keepends=True)
    start = next((i for i, line in enumerate(lines) if not _is_remark(line)), len(lines))
    delimiter = max(",;\t|", key="".join(lines[start : start + 1]).count)
    source = io.StringIO("".join(lines[start:]), newline="")
    try:
        rows = [cells for cells in csv.reader(source, delimiter=delimiter) if any(cells)]
    except csv.Error as error:
        raise TrainingError(f"the csv file is damaged: {error}") from error
    names = rows[0] if rows else []
    if names and PurePosixPath(names[0].strip()).suffix.lower() in SUFFIXES:
        return {name: i for i, name in enumerate(("path", "label", "mask")[: len(names)])}, rows
    where = {plain(name.strip()): i for i, name in reversed(list(enumerate(names)))}
    named = {
        column: [where[word] for word in words.split() if word in where]
        for column, words in COLUMNS.items()
    }
    cells = list(itertools.zip_longest(*rows[1:_SAMPLE], fillvalue=""))[: len(names)]
    free = set(range(len(cells))) - {i for places in named.values() for i in places}
    likely = [i for i in [*named["path"], *sorted(free)] if i < len(cells) and _are_files(cells[i])]
    named["path"] = [*likely, *named["path"]]
    # Of several columns the one that says good or bad is meant, such as status next to type.
    named["label"] += [i for i in sorted(free) if _is_about_labels(names[i], cells[i])]
    telling = [i for i in named["label"] if i < len(cells) and any(map(_judges, cells[i]))]
    if not telling and not named["normal"]:
        telling = [i for i in sorted(free) if _are_words(cells[i])]
    named["label"] = [*telling, *named["label"]]
    columns = {column: places[0] for column, places in named.items() if places}
    return columns, _without_defect(rows[1:], columns.get("label"), names)


def _without_defect(
    rows: list[list[str]], label: int | None, names: Sequence[str]
) -> list[list[str]]:
    """The rows with `none` in the empty cells of a column of defects, such as defect_type."""
    if label is None or not mentions(names[label], "BAD"):
        return rows
    return [
        [*row[:label], "none", *row[label + 1 :]]
        if label < len(row) and row[label].strip().casefold() in _NOTHING
        else row
        for row in rows
    ]


def _is_remark(line: str) -> bool:
    """Whether a line is not a row yet: empty, a comment, or what Excel reads the delimiter from."""
    return not line.strip() or line.startswith("#") or line.casefold().startswith("sep=")


def _is_about_labels(name: str, cells: Sequence[str]) -> bool:
    """Whether the name of a column has a word for labels in it, such as defect_type."""
    words = frozenset(COLUMNS["label"].split())
    said = any(part in words for part in parts_of(name)) or mentions(name, "BAD")
    return said and not _are_files(cells)


def _are_files(cells: Sequence[str]) -> bool:
    """Whether the cells of a column are names of image files."""
    return bool(cells) and all(
        PurePosixPath(cell.strip()).suffix.lower() in SUFFIXES for cell in cells
    )


def _are_words(cells: Sequence[str]) -> bool:
    """Whether the cells of a column are words for good and bad."""
    values = {cell.strip() for cell in cells} - {""}
    return bool(values) and all(is_word(value, "GOOD") or is_word(value, "BAD") for value in values)


def _judges(cell: str) -> bool:
    label = cell.strip().casefold()
    return label in _FALSE | _TRUE | _EITHER or is_word(label, "GOOD") or is_word(label, "BAD")


def _row(values: Mapping[str, str], *, judged: bool) -> Row | None:
    """One row; None without path or label. Raises TrainingError."""
    path, mask = _path(values.get("path", "")), values.get("mask", "")
    label, normal = (_value(values.get(column, "")) for column in ("label", "normal"))
    if not path or not (judged or label or normal):
        return None
    defect = None if judged else _is_defect(label) if label else not _is_defect(normal)
    return Row(
        path=path,
        defect=defect,
        kind=label or normal,
        masks=() if mask.casefold() in _NO_MASK else (_path(mask),),
        part=_part(_value(values.get("split", ""))),
    )


def _path(cell: str) -> str:
    return posixpath.normpath(cell.replace("\\", "/")) if cell else ""


def _value(cell: str) -> str:
    return "" if cell.casefold() in _NOTHING else cell


def _is_defect(label: str) -> bool:
    if label.casefold() in _EITHER:
        raise TrainingError(f"the label '{label}' can mean good or bad; use 'good' and 'bad'")
    return says_defect(label) or not (label.casefold() in _FALSE or is_word(label, "GOOD"))


def _part(split: str) -> Part:
    part = part_of(split) if split else "undivided"
    if part is None:
        raise TrainingError(f"the split is '{split}'; expected train, validation or test")
    return part


def _joined(known: Row | None, row: Row) -> Row:
    if known is None:
        return row
    worse = row if row.defect and not known.defect else known
    return replace(worse, masks=tuple(dict.fromkeys((*known.masks, *row.masks))))
