"""The parts of a Markdown file that tests look at: code blocks, hidden set-up, links, headings."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from source_tree import ROOT, tracked

FENCE = re.compile(r"^( *)(```+)(.*)$")
SETUP = re.compile(r"^<!-- setup (sh|python)$")
NOT_RUN = re.compile(r"^<!-- not run: .+ -->$")
LINK = re.compile(r"\]\(([^()\s]+(?:\([^()]*\))?)\)")
HEADING = re.compile(r"^#+ +(.*?) *#*$")
# Made by commands: their links count, their code is none.
CARDS = ("card.md",)


@dataclass(frozen=True)
class Block:
    """A block of code; `hidden` if it is a comment for the tests."""

    path: Path
    line: int  # of its first line of code
    language: str
    code: str
    hidden: bool = False
    runs: bool = True

    def commands(self) -> Iterator[tuple[int, str]]:
        """Line number and text of each command; a backslash continues it on the next line."""
        number, parts = self.line, []
        for offset, line in enumerate(self.code.splitlines()):
            if not parts:
                number = self.line + offset
            parts.append(line.removesuffix("\\").strip())
            if not line.endswith("\\"):
                command = " ".join(parts)
                if command and not command.startswith("#"):
                    yield number, command
                parts = []


def pages() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".md"]


def documents() -> list[Path]:
    """The pages that people write."""
    return [path for path in pages() if path.name not in (*CARDS, "CHANGELOG.md")]


def blocks(path: Path) -> list[Block]:
    """The code blocks and set-up comments of a page, in order."""
    found = []
    lines = (ROOT / path).read_text().splitlines()
    index = 0
    while index < len(lines):
        fence, setup = FENCE.match(lines[index]), SETUP.match(lines[index])
        end = f"{fence[1]}{fence[2]}" if fence else "-->"
        start = index + 1
        if fence or setup:
            index = next(i for i in range(start, len(lines)) if lines[i].rstrip() == end)
            code = "\n".join(
                line.removeprefix(fence[1] if fence else "") for line in lines[start:index]
            )
            language = fence[3].strip() if fence else setup[1]
            runs = not NOT_RUN.match(lines[start - 2])
            found.append(Block(path, start + 1, language, code, bool(setup), runs))
        index += 1
    return found


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """Number and text of the lines outside of code blocks and set-up comments."""
    inside: set[int] = set()
    for block in blocks(path):
        inside |= set(range(block.line - 1, block.line + len(block.code.splitlines()) + 1))
    for number, line in enumerate((ROOT / path).read_text().splitlines(), 1):
        if number not in inside:
            yield number, line


def links(path: Path) -> Iterator[tuple[int, str]]:
    """Line number and target of each link and picture that leads to a file or a heading."""
    for number, line in prose(path):
        for target in LINK.findall(line):
            if not re.match(r"[a-z]+:", target):
                yield number, target


def anchors(path: Path) -> set[str]:
    """What GitHub calls the headings of a page."""
    seen: Counter[str] = Counter()
    found = set()
    for _, line in prose(path):
        if heading := HEADING.match(line):
            text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1]).lower()
            name = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
            found.add(f"{name}-{seen[name]}" if seen[name] else name)
            seen[name] += 1
    return found
