"""Each extra, installed by itself, has all that its commands import."""

from pathlib import Path

import pytest
from extras import COMMANDS, EXTRAS, SERVE, absent_modules
from sandbox import CommandFailed, Sandbox


@pytest.mark.slow
@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_alone_runs_its_commands(extra: str, tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    try:
        if extra == "client":
            sandbox.hide(absent_modules(EXTRAS["service"]))
            sandbox.command(SERVE)
        sandbox.hide(absent_modules(EXTRAS[extra]))
        for command in COMMANDS[extra]:
            sandbox.command(command)
    finally:
        sandbox.close()


def test_what_an_extra_does_not_bring_is_absent() -> None:
    absent = {extra: absent_modules(requirement) for extra, requirement in EXTRAS.items()}
    assert {"torch", "rich", "residuum_client"} <= absent["service"]
    assert {"onnxruntime", "onnx", "grpc"} <= absent["train"]
    assert "grpc" in absent["export"]
    assert "onnxruntime" not in absent["export"]
    assert {"codec", "onnxruntime", "torch"} <= absent["client"]
    assert not {"codec", "onnxruntime"} & absent["offline"]


def test_a_command_fails_without_a_module_that_it_needs(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    sandbox.hide({"tyro"})
    with pytest.raises(CommandFailed, match="tyro"):
        sandbox.command("residuum --help")
