"""The commands that need PyTorch, while it is missing or being imported."""

import subprocess
import sys

import pytest
from source_tree import ROOT

COMMANDS = {
    "train": "residuum-train",
    "evaluate": "residuum-evaluate",
    "export": "residuum-export",
}
WITHOUT_TORCH = "import sys; sys.modules.update(torch=None, rich=None, tyro=None)"
# Ctrl-C as soon as something asks for PyTorch.
INTERRUPTED = """
import os, signal, sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupt())
"""


def run(before: str, function: str, *arguments: str) -> tuple[int, str]:
    """Exit status and stderr of an entry point, after other code in the same process."""
    code = f"{before}\nfrom residuum_launch import {function}\nsys.exit({function}())"
    words = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


@pytest.mark.parametrize("function", COMMANDS)
def test_without_pytorch_a_command_says_how_to_install_it(function: str) -> None:
    sentence = f"{COMMANDS[function]} needs PyTorch: pip install -c constraints.txt '.[export]'\n"
    assert run(WITHOUT_TORCH, function, "--help") == (1, sentence)


def test_a_missing_library_is_named_where_pytorch_is_installed() -> None:
    status, said = run("import sys; sys.modules['tyro'] = None", "train", "--help")
    assert (status, said.partition(":")[0]) == (1, "residuum-train needs tyro")


@pytest.mark.parametrize("function", COMMANDS)
def test_ctrl_c_while_pytorch_is_imported_is_one_sentence(function: str) -> None:
    assert run(INTERRUPTED, function, "--help") == (130, f"{COMMANDS[function]}: interrupted\n")
