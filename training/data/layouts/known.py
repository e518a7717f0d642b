"""The known layouts of data sets: one table, in the order in which they are tried.

`training/data/layouts/rules.py` explains the patterns. A new layout is an entry of `public_sets.py`
or `plain_folders.py`, and its name one of `LayoutName` in `training/config/run.py`.
"""

from training.data.layouts.plain_folders import PLAIN_FOLDERS
from training.data.layouts.public_sets import PUBLIC_SETS

LAYOUTS = (*PUBLIC_SETS, *PLAIN_FOLDERS)
NAMES = tuple(dict.fromkeys(name for entry in LAYOUTS for name in (entry.name, *entry.also)))
