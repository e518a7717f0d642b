"""What a report is built from: sections of text, a table and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A PNG file and its caption."""

    png: bytes
    caption: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading, a sentence or two, a table and pictures."""

    title: str
    text: str
    head: tuple[str, ...] = ()
    """column names"""
    rows: Sequence[tuple[str, ...]] = ()
    pictures: Sequence[Picture] = ()
