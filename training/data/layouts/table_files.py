"""The csv files of a data folder, and the images that they list."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from codec.image_folder import phrase
from training.data.layouts.catalogue import Catalogue, Item, assemble, listed
from training.data.layouts.places import Places
from training.data.layouts.rules import Layout, Part
from training.data.layouts.tables import (
    Row,
    Table,
    decode,
    has_columns,
    part_of,
    read_table,
    says_defect,
)
from training.data.masks import is_marked
from training.errors import TrainingError

_BEGINNING = 2**16


def from_tables(
    layout: Layout, folder: Path, skipped: Mapping[str, int], *, asked: bool
) -> Catalogue | None:
    """The images that the csv files of a folder list, or `folder` itself if it is such a file.

    None if the folder does not have the layout. Raises TrainingError if its lists have no normal
    image, are several, or contradict each other; if the layout is `asked` for, also if no image
    exists.
    """
    files = _files(layout, folder)
    rows: list[tuple[Path, Row]] = []
    unlabelled = 0
    for path, text in files.items():
        table = _read(path, text)
        chosen = _of_object(table, folder, path)
        named = part_of(path.stem)
        rows += [
            (path, replace(row, part=named) if named and row.part == "undivided" else row)
            for row in chosen
        ]
        unlabelled += table.unlabelled
    if not rows or not (asked or _is_of_defects(row for _, row in rows)):
        return None
    images, warnings = _items(rows, Places(folder))
    if not images:
        path, row = rows[0]
        raise TrainingError(
            f"none of the {len(rows)} images in {path.name} exists; {listed([row.path])} was "
            f"looked for in {path.parent}, in the folder above it, and by its name below {folder}"
        )
    if all(item.defect for item, _ in images):
        labels = listed(sorted({item.kind for item, _ in images}))
        raise TrainingError(
            f"{folder} lists no normal image, such as one labelled 'good' or 0; found: {labels}"
        )
    used = {path.suffix.lower() for path in files}
    others = {what: n for what, n in skipped.items() if what not in used}
    rest = f"{unlabelled} rows without path or label" if unlabelled else ""
    return assemble(layout, images, [phrase(others), rest], warnings)


def _files(layout: Layout, folder: Path) -> dict[Path, str]:
    """The csv files with known columns, and their texts. Raises TrainingError for several."""
    if folder.is_file():
        return {folder: decode(folder.read_bytes())} if _is_list(folder) else {}
    for pattern in layout.tables:
        paths = _matching(folder, pattern)
        texts = {path: decode(path.read_bytes()) for path in paths if _is_list(path)}
        if len({path.parent for path in texts}) > 1:
            sets = [path.parent.name for path in texts if not part_of(path.parent.name)]
            if len(sets) > 1:
                raise TrainingError(
                    f"{folder} holds several data sets; give one of: {listed(sets)}"
                )
            continue
        if len(texts) > 1 and not all(part_of(path.stem) for path in texts):
            names = listed([path.relative_to(folder).as_posix() for path in texts])
            raise TrainingError(f"{folder} holds several lists of images ({names}); give one")
        if texts and (pattern[:2] != ".." or _lists(texts, folder)):
            return texts
    return {}


def _matching(folder: Path, pattern: str) -> list[Path]:
    """The files of a pattern, also where its suffix is in capitals."""
    above, _, name = pattern.rpartition("/")
    return sorted(
        path
        for place in (folder.glob(above) if above == "*" else [folder / above])
        if place.is_dir() and not place.name.startswith(".")
        for path in place.iterdir()
        if fnmatch.fnmatchcase(path.name.lower(), name)
        if path.is_file() and not path.name.startswith(".")
    )


def _is_list(path: Path) -> bool:
    """Whether a csv file has known columns, from its beginning: others may be of any size."""
    with path.open("rb") as file:
        return has_columns(decode(file.read(_BEGINNING)))


def _lists(texts: Mapping[Path, str], folder: Path) -> bool:
    """Whether tables outside the folder describe it, as one of their objects."""
    return any(folder.resolve().name in _read(path, text).rows for path, text in texts.items())


def _read(path: Path, text: str) -> Table:
    try:
        return read_table(text)
    except TrainingError as error:
        raise TrainingError(f"{path.name}: {error}") from error


def _of_object(table: Table, folder: Path, path: Path) -> Sequence[Row]:
    """The rows of the data set in the folder. Raises TrainingError if there are several."""
    name = folder.resolve().name
    if len(table.rows) > 1 and name not in table.rows:
        raise TrainingError(
            f"{path} describes several data sets; give the folder of one of: "
            f"{listed(sorted(table.rows))}"
        )
    return table.rows.get(name) or next(iter(table.rows.values()), ())


def _items(
    rows: Sequence[tuple[Path, Row]], below: Places
) -> tuple[list[tuple[Item, Part]], list[str]]:
    """The images that exist, and sentences about what does not."""
    images, absent, no_mask = [], [], []
    paths = [_found(table, row.path) for table, row in rows]
    as_written = any(paths)
    if not as_written:
        paths = below.images([row.path for _, row in rows])
    for (table, row), path in zip(rows, paths, strict=True):
        if path is None:
            absent.append(row.path)
            continue
        places = [_found(table, mask) or below.mask(mask) for mask in row.masks]
        masks = tuple(place for place in places if place)
        if len(masks) < len(places):
            no_mask.append(row.path)
        defect = is_marked(masks) if row.defect is None else row.defect
        kind = row.kind if row.kind else "defect" if defect else "good"
        name = row.path if as_written else below.name(path)
        item = Item(path=path, name=name, kind=kind, defect=defect, masks=masks)
        images.append((item, row.part))
    if len({item.path for item, _ in images}) < len(images):
        return [], []  # names alone do not say which images are meant
    warnings = []
    if absent:
        warnings.append(f"{len(absent)} of {len(rows)} images do not exist: {listed(absent)}")
    if no_mask:
        warnings.append(f"{len(no_mask)} images have masks that do not exist: {listed(no_mask)}")
    return images, warnings


def _found(table: Path, path: str) -> Path | None:
    for base in (table.parent, table.parent / ".."):
        if _is_file(base / path):
            return base / path
    return None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a cell may be too long for a name
        return False


def _is_of_defects(rows: Iterable[Row]) -> bool:
    """Whether a label says good or bad; other labels may be about something else."""
    return any(not row.defect or says_defect(row.kind) for row in rows)
