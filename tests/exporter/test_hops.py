"""A run becomes a bundle on a short way: few files take part."""

import sys

import pytest
from hops import profiled

from exporter.__main__ import main

# It was 38 before layouts of folders were recognised (7 files), images had a reader of their own
# (4), and the bundle was read back and used once before it appears, which decodes records too (6).
# Since scores are chosen by defects that are drawn, the detectors (7 files), the drawing (10), the
# ranking and the fit (10), and the heat maps and candidates in the scorer (6) take part as well.
# p-values are of scores and of regions (1); the image of the warm-up may have regions (2).
# Each file has one task: what is left to merge would exceed the limit of lines, turn an arrow
# upward, or mix a small thing with something unrelated.
MAX_FILES = 92


@pytest.mark.slow
def test_an_export_crosses_at_most_92_files(run, data, tmp_path, record_property, monkeypatch):
    command = ["residuum-export", run, "--out", tmp_path / "bundle", "--calibrate", data]
    monkeypatch.setattr(sys, "argv", [str(part) for part in command])
    with profiled() as hops:
        hops.recording = True
        status = main()
        hops.recording = False
    assert status == 0
    record_property("summary", f"residuum-export: {hops.check(MAX_FILES)}")
