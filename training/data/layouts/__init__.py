"""The known layouts of data folders: which one a folder has, and what its files are."""

from training.data.layouts.catalogue import Catalogue, Item
from training.data.layouts.known import LAYOUTS, NAMES
from training.data.layouts.recognise import recognise

__all__ = ["LAYOUTS", "NAMES", "Catalogue", "Item", "recognise"]
