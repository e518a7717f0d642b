"""Rules that say what the files of a folder are; `known.py` has those of all layouts.

A pattern is compared with the folders between the data folder and a file, and the first rule that
fits says what the file is. Upper-case names are the lists of WORDS; `~BAD` is a name with such a
word in it, and `=TEST` such a folder that is also captured. `*` is any one folder, `**` any number
of folders, everything else a regular expression. Names are compared in lower case and without
spaces, `_`, `-` and `.`. A name also counts as one of WORDS if the rest of it is a number or one
of NEUTRAL, such as good_images.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Role = Literal["normal", "defect", "judged", "mask", "other", "unclear"]
Part = Literal["train", "validation", "test", "undivided"]

WORDS = {
    "TRAIN": "train training trainset",
    "VALIDATION": "validation valid val validate",
    "TEST": "test testing tests testset testpublic",
    "GOOD": "good ok okay normal free fine pass passed perfect flawless intact healthy positive "
    "defectfree nodefect nodefects nondefect nondefective undamaged anomalyfree noanomaly "
    "nonanomalous notdefective withoutdefect withoutdefects gut 良品 正常",
    "BAD": "bad ko ng nok nio notok notgood def defect defects defective anomaly anomalies "
    "anomalous abnormal abnormality broken damage damaged fault faults faulty fail failed failure "
    "reject rejected schlecht 不良 不良品 异常 異常",
    "TRUTH": "groundtruth gt mask masks label labels annotation annotations segmentation",
    "IMAGES": "images image imgs img rgb",
    "NOPICTURES": "xyz depth depths depthmap pointcloud pcd normalmap normalmaps",
    "MASKS": "groundtruth gt masks segmentation segmentations",
    "JUNK": "macosx @eadir thumbs thumbnail thumbnails #recycle $recycle lost+found",
}
# What else the name of a folder may have in it.
NEUTRAL = (
    "images image imgs img pictures picture photos photo parts part pieces products product "
    "samples sample data dataset set folder front back side top bottom left right view cam camera"
)
# What may stand before or after the name of an image in that of its mask.
MASK_BEGINNING = r"(?:mask|gt|label|seg)[ _.-]"
MASK_ENDING = r"[ _.-](?:mask|gt|label|seg|segmentation|ground_?truth)s?(?:[ _.-]?\d+)?"


@dataclass(frozen=True, slots=True)
class Rule:
    """What the files of some folders are."""

    folders: str
    """pattern of the folders between the data folder and the file"""
    role: Role
    """judged: a defect if its mask marks one; other: left out; unclear: refused"""
    part: Part = "undivided"
    """undivided: a part of the normal images is held out for testing"""
    needed: bool = False
    """only a data set with such a file has the layout"""
    files: str = ""
    """regular expression of the whole file name; its group, if any, is the name of the image"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One known layout; several entries of one name are its variants."""

    name: str
    tree: str
    """the expected folders, for messages and documents"""
    rules: tuple[Rule, ...] = ()
    tables: tuple[str, ...] = ()
    """instead of rules: patterns of csv files, relative to the data folder; the first that fits"""
    also: tuple[str, ...] = ()
    """names of other data sets with this layout"""
    needs_masks: bool = False
    """only a data set with masks next to its images has the layout"""
    twins: bool = False
    """a PNG or BMP next to a JPEG of the same name is its mask"""


Folders = tuple[str, ...]


def fit(pattern: str, folders: Sequence[str]) -> Folders | None:
    """The folders that a pattern captures, or None if it does not fit.

    Captured is what images of one name differ in, and so leads from an image to its mask: `*`,
    `**`, BAD, `=TEST` and regular expressions, but not folders such as `rgb` in between.
    """
    captured = _fit(tuple(pattern.split("/")) if pattern else (), tuple(folders))
    if captured is None:
        return None
    return tuple(name for name in captured if plain(name) not in _words("IMAGES"))


def plain(name: str) -> str:
    """A name as it is compared with the words."""
    return re.sub(r"[ _.-]", "", name.casefold())


@functools.lru_cache(maxsize=65536)
def is_word(name: str, words: str) -> bool:
    """Whether a name is in one of the lists of WORDS, by itself or with NEUTRAL ones."""
    if plain(name) in _words(words):
        return True
    neutral = frozenset(NEUTRAL.split())
    rest = [part for part in parts_of(name) if not part.isdecimal() and part not in neutral]
    return "".join(rest) in _words(words)


@functools.lru_cache(maxsize=65536)
def mentions(name: str, words: str) -> bool:
    """Whether a name has a word of the list in it, but not within one such as no_defect."""
    good, listed = _words("GOOD") - _words(words), _words(words)
    parts = parts_of(name)
    spans = [(i, j) for i in range(len(parts)) for j in range(i + 1, len(parts) + 1)]
    within = [(i, j) for i, j in spans if "".join(parts[i:j]) in good]
    return any(
        "".join(parts[i:j]) in listed and not any(a <= i and j <= b for a, b in within)
        for i, j in spans
    )


def parts_of(name: str) -> list[str]:
    """The words and numbers that a name consists of, in lower case."""
    divided = re.sub(r"(?<=[a-z])(?=[A-Z\d])", " ", name)
    return [part for part in re.split(r"[ _.-]+", divided.casefold()) if part]


@functools.cache
def _words(name: str) -> frozenset[str]:
    return frozenset(WORDS[name].split())


def _fit(pattern: Folders, folders: Folders) -> Folders | None:
    if not pattern:
        return None if folders else ()
    first, rest = pattern[0], pattern[1:]
    if first == "**":
        for count in range(len(folders) + 1):
            if (captured := _fit(rest, folders[count:])) is not None:
                return folders[:count] + captured
        return None
    if not folders or not _is_named(folders[0], first):
        return None
    captured = _fit(rest, folders[1:])
    kept = first == "BAD" or first not in WORDS  # `=TEST` is not
    return captured if captured is None or not kept else folders[:1] + captured


def _is_named(name: str, expected: str) -> bool:
    if expected in WORDS:
        return is_word(name, expected)
    if expected[0] == "=":
        return is_word(name, expected[1:])
    if expected[0] == "~":
        return mentions(name, expected[1:])
    return expected == "*" or bool(re.fullmatch(expected, plain(name)))
