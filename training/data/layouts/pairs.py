"""Which mask files belong to which image.

Images and masks have keys: the captured folders (see `rules.fit`) and the name without suffix, and
for masks also without `_mask`, `gt_` and the like. A mask belongs to the image of the same key, in
lower case; a folder of masks to the image with the key of the folder. A mask whose key has fewer
folders belongs to the image whose key ends so, if that is one image.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from training.data.layouts.rules import MASK_BEGINNING, MASK_ENDING, Folders

_ADDED = re.compile(rf"\A{MASK_BEGINNING}(?=.)|(?<=.){MASK_ENDING}\Z", re.IGNORECASE)
_LOSSY, _LOSSLESS = (".jpg", ".jpeg"), (".png", ".bmp")


class Name(NamedTuple):
    """The place of a file below the data folder; pathlib is too slow for 100,000 of them."""

    folders: Folders
    stem: str
    suffix: str

    @property
    def file(self) -> str:
        """The name in its folder."""
        return self.stem + self.suffix

    @property
    def folder(self) -> str:
        """The folders as a path, `.` for none."""
        return "/".join(self.folders) or "."

    def __str__(self) -> str:
        return "/".join((*self.folders, self.file))


def companions(names: Sequence[Name], *, twins: bool) -> set[Name]:
    """The files named like another one in their folder with `_mask`, `gt_` and the like added.

    With `twins` also the PNG and BMP files next to a JPEG file of the same name.
    """
    places = {(name.folders, name.stem.casefold()) for name in names}
    lossy = {
        (name.folders, name.stem.casefold()) for name in names if name.suffix.lower() in _LOSSY
    }
    found = set()
    for name in names:
        stem = name.stem.casefold()
        shorter = without_addition(stem)
        named = shorter != stem and (name.folders, shorter) in places
        twin = twins and name.suffix.lower() in _LOSSLESS and (name.folders, stem) in lossy
        if named or twin:
            found.add(name)
    return found


def with_mask_folders(place: Folders, places: Collection[Folders]) -> Folders:
    """Folders with `bad/masks` in place of a `bad_mask` that lies next to a folder `bad`."""
    for end, name in enumerate(place):
        shorter = without_addition(name)
        if shorter != name and any(other[: end + 1] == (*place[:end], shorter) for other in places):
            return (*place[:end], shorter, "masks", *place[end + 1 :])
    return place


def without_addition(stem: str) -> str:
    """The name of an image from that of its mask."""
    return _ADDED.sub("", stem, count=1)


def join(images: Sequence[Folders], masks: Mapping[Name, Folders]) -> list[tuple[Name, ...]]:
    """The masks of each image, from the keys of both."""
    files: defaultdict[Folders, list[Name]] = defaultdict(list)
    folders: defaultdict[Folders, list[Name]] = defaultdict(list)
    for name, key in masks.items():
        *above, stem = _lower(key)
        for variant in dict.fromkeys((stem, without_addition(stem))):
            files[(*above, variant)].append(name)
        if above:
            folders[tuple(above)].append(name)
    keys = [_lower(key) for key in images]
    endings = Counter(key[start:] for key in set(keys) for start in range(len(key)))
    joined = []
    for key in keys:
        candidates = [key, *(key[i:] for i in range(1, len(key)) if endings[key[i:]] == 1)]
        matches = (found.get(end) for end in candidates for found in (files, folders))
        joined.append(tuple(next((match for match in matches if match), ())))
    return joined


def _lower(key: Folders) -> Folders:
    return tuple(part.casefold() for part in key)
