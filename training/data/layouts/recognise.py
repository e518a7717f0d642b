"""Which layout a data folder has, and what its files are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from codec.image_folder import phrase, walk
from codec.image_reader import SUFFIXES
from training.data.layouts.catalogue import Catalogue, Item, assemble, listed
from training.data.layouts.known import LAYOUTS
from training.data.layouts.pairs import Name, companions, join, with_mask_folders
from training.data.layouts.rules import Folders, Layout, Part, Role, Rule, fit, is_word
from training.data.layouts.table_files import from_tables
from training.data.masks import is_marked
from training.errors import TrainingError

AUTO = "auto"
_FLAT = "flat"
# Files by which the folders that Residuum writes are known.
_SIGNS = ("last.safetensors", "best.safetensors", "calibration.npz", "report.json")


@dataclass(frozen=True, slots=True)
class File:
    """A file and what a layout says of it."""

    name: Name
    role: Role
    part: Part = "undivided"
    key: Folders = ()


def recognise(folder: Path, layout: str = AUTO) -> Catalogue:
    """The images of a data folder, or of a csv file, by the named layout or the first that fits.

    Raises TrainingError with what was found and what is expected.
    """
    if folder.is_file():
        return _first(folder, [], layout, {})
    found = walk(folder, SUFFIXES)
    above = len(folder.parts)
    names = [Name(path.parts[above:-1], path.stem, path.suffix) for path in found.files]
    made = _made_folders(folder, names)
    reasons = [_reason_to_skip(name.folders, made) for name in names]
    kept = [name for name, reason in zip(names, reasons, strict=True) if not reason]
    return _first(folder, kept, layout, Counter(found.skipped) + Counter(filter(None, reasons)))


def _made_folders(folder: Path, names: Sequence[Name]) -> set[Folders]:
    """The folders of runs, bundles and reports below a data folder."""
    places = {name.folders[:end] for name in names for end in range(1, len(name.folders) + 1)}
    return {place for place in places if any(folder.joinpath(*place, n).exists() for n in _SIGNS)}


def _reason_to_skip(folders: Folders, made: set[Folders]) -> str:
    """Why an image in these folders is not part of the data; empty if it is."""
    if any(is_word(place, "JUNK") for place in folders):
        return "in folders of systems or thumbnails"
    if any(folders[:end] in made for end in range(1, len(folders) + 1)):
        return "in folders of runs, bundles or reports"
    return ""


def _first(
    folder: Path, names: Sequence[Name], asked: str, skipped: Mapping[str, int]
) -> Catalogue:
    """The catalogue of the first layout that fits."""
    entries = [entry for entry in LAYOUTS if asked in (AUTO, entry.name, *entry.also)]
    for layout in entries:
        if layout.tables:
            if found := from_tables(layout, folder, skipped, asked=asked != AUTO):
                return found
            continue
        if not names:
            continue
        if asked == AUTO and layout.name == _FLAT and (sets := _sets_below(names)):
            raise TrainingError(_of_sets(folder, sets))
        if (files := sort_files(layout, names)) is not None:
            return _catalogue(layout, folder, files, skipped)
    if names:
        trees = ", or ".join(entry.tree for entry in entries)
        raise TrainingError(
            f"{folder} does not have the layout {asked}: found {_summary(names)}; expected {trees}"
        )
    if folder.is_file():
        raise TrainingError(f"{folder} has no columns such as path and label, or no rows")
    also = f"; skipped {phrase(skipped)}" if skipped else ""
    raise TrainingError(
        f"{folder} holds no image files; their names end in {' '.join(sorted(SUFFIXES))}{also}"
    )


def sort_files(layout: Layout, names: Sequence[Name]) -> list[File] | None:
    """What a layout says of the files of a data folder; None if it does not fit."""
    fitting: dict[Folders, list[tuple[Rule, Folders]]] = {}
    places = {name.folders for name in names}
    for place in places:
        read_as = with_mask_folders(place, places)
        captured = [(rule, fit(rule.folders, read_as)) for rule in layout.rules]
        fitting[place] = [(rule, key) for rule, key in captured if key is not None]
    needed = {rule for rule in layout.rules if rule.needed}
    if not needed <= {rule for rules in fitting.values() for rule, _ in rules}:
        return None
    named_alike = companions(names, twins=layout.twins)
    if layout.needs_masks and not named_alike:
        return None
    files = []
    for name in names:
        rules = fitting[name.folders]
        if name in named_alike:
            key = rules[0][1] if rules else ()
            files.append(File(name, "mask", key=(*key, name.stem)))
            continue
        for rule, key in rules:
            stem = _stem(rule, name)
            if stem is not None:
                files.append(File(name, rule.role, rule.part, (*key, stem)))
                needed.discard(rule)
                break
        else:
            files.append(File(name, "other"))
    return None if needed else files


def _stem(rule: Rule, name: Name) -> str | None:
    """The name of the image that a file shows or marks; None if the rule is about other files."""
    if not rule.files:
        return name.stem
    match = re.fullmatch(rule.files, name.file, re.IGNORECASE)
    return match and (match[1] if match.re.groups else name.stem)


def _of_sets(folder: Path, sets: Sequence[str]) -> str:
    if len(sets) == 1:
        return (
            f"{folder} is not a data set, but one of its folders is; give {folder / listed(sets)}"
        )
    return f"{folder} holds several data sets; give one of: {listed(sets)}"


def _sets_below(names: Sequence[Name]) -> list[str]:
    """The subfolders, at any depth, that are data sets themselves."""
    below: dict[str, list[Name]] = {}
    for name in names:
        if name.folders:
            inside = name._replace(folders=name.folders[1:])
            below.setdefault(name.folders[0], []).append(inside)
    found = []
    for folder, files in below.items():
        if any(_has_training(layout, files) for layout in LAYOUTS if layout.name != _FLAT):
            found.append(folder)
        else:
            found += [f"{folder}/{deeper}" for deeper in _sets_below(files)]
    return found


def _has_training(layout: Layout, names: Sequence[Name]) -> bool:
    return any(
        file.role in ("normal", "judged") and file.part in ("train", "undivided")
        for file in sort_files(layout, names) or ()
    )


def _catalogue(
    layout: Layout, folder: Path, files: Sequence[File], skipped: Mapping[str, int]
) -> Catalogue:
    by_role: dict[Role, list[File]] = {}
    for file in files:
        by_role.setdefault(file.role, []).append(file)
    if unclear := by_role.get("unclear"):
        raise TrainingError(
            f"{folder} is nearest to the layout {layout.name} ({layout.tree}), which does not have "
            f"the images in {_places(unclear)}; if they are not for training move them away, "
            "else give normal images a folder train/good or good"
        )
    masked = [*by_role.get("defect", ()), *by_role.get("judged", ())]
    masks = {file.name: file.key for file in by_role.get("mask", ())}
    joined = join([file.key for file in masked], masks)
    pairs = dict(zip((file.name for file in masked), joined, strict=True))
    images = [
        (_item(folder, file, pairs.get(file.name, ())), file.part)
        for file in files
        if file.role in ("normal", "defect", "judged")
    ]
    others = by_role.get("other")
    elsewhere = [f"{len(others)} elsewhere ({_places(others)})"] if others else []
    return assemble(layout, images, [phrase(skipped), *elsewhere], _unused_masks(files, joined))


def _item(folder: Path, file: File, masks: Sequence[Name]) -> Item:
    paths = tuple(folder / str(mask) for mask in masks)
    defect = is_marked(paths) if file.role == "judged" else file.role == "defect"
    return Item(
        path=folder / str(file.name),
        name=str(file.name),
        kind=_kind(folder, file, defect=defect),
        defect=defect,
        masks=paths,
    )


def _kind(folder: Path, file: File, *, defect: bool) -> str:
    """What the layout calls an image, such as good or scratch."""
    if file.role == "judged" or not file.name.folders:
        return "defect" if defect else "good"
    good = next((place for place in file.name.folders if is_word(place, "GOOD")), None)
    if good:
        return good
    return file.key[0] if len(file.key) > 1 else folder.joinpath(*file.name.folders).name


def _unused_masks(files: Sequence[File], joined: Sequence[Sequence[Name]]) -> list[str]:
    """A sentence about mask files without an image, but for those next to normal images."""
    used = {name for names in joined for name in names}
    normal = {file.name.folders for file in files if file.role == "normal"}
    unused = [
        str(file.name)
        for file in files
        if file.role == "mask" and file.name not in used and file.name.folders not in normal
    ]
    return [f"{len(unused)} mask files belong to no image: {listed(unused)}"] if unused else []


def _places(files: Sequence[File]) -> str:
    places = sorted({file.name.folder for file in files})
    return listed(["the folder itself" if place == "." else place for place in places])


def _summary(names: Sequence[Name]) -> str:
    """Where a folder has how many images, in words."""
    counts = Counter("/".join(name.folders[:2]) for name in names)
    return listed([f"{n} in {place or 'the folder itself'}" for place, n in counts.items()])
