"""A folder like the root of a checkout, in which the commands of a document are run."""

import gzip
import os
import re
import struct
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
from PIL import Image
from source_tree import CLIENT, ROOT, tracked

# What a server prints when it is ready.
READY = re.compile(r"port (\d+), admin (\d+), metrics (\d+)")
SERVER = "--host 127.0.0.1 --admin-port 0 --metrics-port 0"
# Makes a training short; the last value of an option counts.
SHORT = "--epochs 1 --epoch-steps 4 --batch-size 8 --threads 1 --device cpu --model.widths 4 8"
SECONDS = 300
HIDE = """
import sys
from importlib.machinery import PathFinder

HIDDEN = frozenset({modules})

class VisibleFinder(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in HIDDEN else super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = VisibleFinder
"""


class CommandFailed(Exception):
    """A command of a document did not end as it should."""


class Sandbox:
    """Runs commands one after another; servers go on until the next one or the end."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.generated = folder / "checkout", folder / "generated"
        self.ports = {"50051": "50051", "50052": "50052", "9464": "9464"}
        self.server: subprocess.Popen[str] | None = None
        for path in {Path(path.parts[0]) for path in tracked()}:
            self.folder.mkdir(exist_ok=True)
            (self.folder / path).symlink_to(ROOT / path)
        draw_mvtec(self.generated / "images")
        draw_mvtec(self.generated / "sets" / "deeppcb" / "pcb")
        for name in ("mnist", "fashion_mnist"):
            draw_idx(self.generated / "sets" / name)
        self.environment = {
            **{name: value for name, value in os.environ.items() if "RESIDUUM" not in name},
            "PATH": os.pathsep.join(
                [
                    str(write_scripts(folder / "bin")),
                    str(Path(sys.executable).parent),
                    os.environ["PATH"],
                ]
            ),
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(CLIENT)]),
            "OMP_NUM_THREADS": "1",
        }

    def hide(self, modules: set[str]) -> None:
        """Later commands find none of these top-level modules, as if they were not installed."""
        site = self.folder.parent / "site"
        site.mkdir(exist_ok=True)
        (site / "sitecustomize.py").write_text(HIDE.format(modules=sorted(modules)))
        self.environment["PYTHONPATH"] = os.pathsep.join([str(site), str(ROOT), str(CLIENT)])

    def use(self, folder: Path) -> None:
        """Later commands are those in a folder, of an environment with the packages installed."""
        self.environment["PATH"] = os.pathsep.join([str(folder), os.environ["PATH"]])
        del self.environment["PYTHONPATH"]

    def command(self, text: str) -> None:
        """Runs one line of a document."""
        text = self.adapt(text)
        if text.startswith("residuum-serve ") and "--help" not in text:
            self.serve(text)
        else:
            self.run(["bash", "-e", "-o", "pipefail", "-c", text])

    def adapt(self, text: str) -> str:
        """The line with its placeholders replaced, and a training made short."""
        text = re.sub(r"\bDIR\b", str(self.generated / "images"), text)
        text = re.sub(r"\bDATA\b(?!=)", str(self.generated / "sets"), text)
        text = re.sub(r"--port +\d+", "--port 0", text)
        text = self.with_ports(text)
        plain = re.sub(r"\s+#.*$", "", text)
        if plain.startswith("residuum-train detect "):
            return re.sub(r"--minutes +\S+", "--steps 4", plain)
        return f"{plain} {SHORT}" if plain.startswith("residuum-train ") else plain

    def python(self, code: str) -> None:
        """Runs a whole program."""
        self.run([sys.executable, "-c", self.with_ports(code)])

    def with_ports(self, text: str) -> str:
        for usual, port in self.ports.items():
            text = re.sub(rf"(?<=:){usual}\b", port, text)
        return text

    def run(self, command: list[str]) -> str:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        if done.returncode:
            raise CommandFailed(f"status {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def serve(self, text: str) -> None:
        """Starts a server on free ports, by which later commands find it."""
        self.close()
        text = text.rstrip("& ")
        text += f" {SERVER}" + ("" if "--port" in text else " --port 0")
        self.server = subprocess.Popen(
            ["bash", "-c", f"exec {text}"],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        lines = []
        for line in self.server.stdout:
            lines.append(line)
            if ready := READY.search(line):
                self.ports = dict(zip(self.ports, ready.groups(), strict=True))
                return
        raise CommandFailed(f"the server ended with {self.server.wait()}\n{''.join(lines)}")

    def close(self) -> None:
        if self.server:
            self.server.terminate()
            self.server.stdout.close()
            self.server.wait(SECONDS)
            self.server = None


def write_scripts(folder: Path) -> Path:
    """The commands that the packages install, as scripts."""
    folder.mkdir()
    for project in (ROOT / "pyproject.toml", CLIENT / "pyproject.toml"):
        for name, target in tomllib.loads(project.read_text())["project"]["scripts"].items():
            module, function = target.split(":")
            code = f"import sys\nfrom {module} import {function}\nsys.exit({function}())\n"
            (folder / name).write_text(f"#!{sys.executable}\n{code}")
            (folder / name).chmod(0o755)
    return folder


def disc(rng: np.random.Generator, size: int, scratched: bool) -> np.ndarray:
    """A bright disc, perhaps with a dark line in it, uint8 `[H, W]`."""
    y, x = np.mgrid[:size, :size]
    centre = rng.uniform(0.4 * size, 0.6 * size, 2)
    image = 40 + 120 * (np.hypot(y - centre[0], x - centre[1]) < 0.3 * size)
    if scratched:
        image[int(centre[0]) : int(centre[0]) + 2, int(centre[1]) - 4 : int(centre[1]) + 4] = 250
    return np.clip(image + rng.normal(0, 2, image.shape), 0, 255).astype(np.uint8)


def draw_mvtec(folder: Path) -> None:
    """A small data set in the layout of MVTec AD, gray 64x64."""
    rng = np.random.default_rng(0)
    for name, count in {"train/good": 120, "test/good": 6, "test/scratch": 6}.items():
        (folder / name).mkdir(parents=True)
        for index in range(count):
            image = disc(rng, 64, "scratch" in name)
            Image.fromarray(image).save(folder / name / f"{index:03d}.png")
    masks = folder / "ground_truth" / "scratch"
    masks.mkdir(parents=True)
    for index in range(6):
        mask = np.zeros((64, 64), np.uint8)
        mask[28:36, 28:36] = 255
        Image.fromarray(mask).save(masks / f"{index:03d}_mask.png")


def draw_idx(folder: Path) -> None:
    """A small data set as MNIST is distributed, gray 28x28 with labels."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for name, count in {"train": 120, "t10k": 20}.items():
        images = np.stack([disc(rng, 28, index % 2 == 1) for index in range(count)])
        labels = np.arange(count, dtype=np.uint8) % 2
        for kind, array in {"images-idx3": images, "labels-idx1": labels}.items():
            head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
            path = folder / f"{name}-{kind}-ubyte.gz"
            path.write_bytes(gzip.compress(head + array.tobytes()))
