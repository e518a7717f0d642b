"""One image goes a short way: few files lie between the command and the record."""

from pathlib import Path

from hops import profiled

from residuum_client.__main__ import main

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
# It was 24 when a command sent files without looking at them and gave up with the first failure.
# Since then the header is read on both sides (4 files each), messages are sized and sent again in
# parts (4), items have outcomes and calls a share of the memory. Of one image they all take part.
# One more looks whether the model has detectors and a segmenter.
MAX_FILES = 50


def test_one_image_crosses_at_most_50_files(running, tmp_path, record_property, capsys):
    (tmp_path / "bundles").mkdir()
    (tmp_path / "bundles" / "fashion").symlink_to(DEPLOY / "bundles" / "fashion")
    photo = DEPLOY / "samples" / "fashion" / "bag.png"
    with profiled() as hops, running(tmp_path / "bundles") as connection:
        target = f"127.0.0.1:{connection.server.port}"
        for name in ("warm-up", "counted"):
            hops.recording = name == "counted"
            command = ["compress", str(photo), "--out", str(tmp_path / name)]
            assert main([*command, "--server", target, "--model", "fashion"]) == 0
        hops.recording = False
    record_property("summary", f"one image through compress --server: {hops.check(MAX_FILES)}")
