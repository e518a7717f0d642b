"""The memory of reading stays near that of the decoded image and the result."""

import subprocess
import sys
from pathlib import Path

import pytest
from image_samples import encoded
from PIL import Image

ROOT = Path(__file__).resolve().parents[3]
SIDE = 4096
MEASURE = """
import re, sys
from pathlib import Path
from codec.image_reader import read_image

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) << 10

small, large = (Path(name).read_bytes() for name in sys.argv[1:3])
read_image(small, 1)
before = peak()
read_image(large, int(sys.argv[3]))
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")
@pytest.mark.parametrize("channels", [1, 3])
def test_a_large_image_is_converted_in_bands(channels, tmp_path) -> None:
    for name, side in (("small", 8), ("large", SIDE)):
        image = Image.new("RGBA", (side, side), (10, 20, 30, 128))
        (tmp_path / name).write_bytes(encoded(image, "PNG", compress_level=1))
    arguments = [str(tmp_path / "small"), str(tmp_path / "large"), str(channels)]
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *arguments],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    decoded, result, bands = 4 * SIDE**2, channels * SIDE**2, 32 << 20
    assert int(done.stdout) < decoded + result + bands
