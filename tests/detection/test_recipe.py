"""Our recipe is run by its commands, and what was done is not done again."""

import json
import stat
from pathlib import Path

import pytest

from detection import detect, ours, tasks
from detection.ours import CommandFailed, Recipe

REPORT = {
    "detection": {
        "image_auroc": {"fused": 0.9},
        "pixel_auroc": 0.8,
        "normal_images": 10,
        "defect_images": 20,
        "fused": ["peak"],
        "verdicts": [{"false_alarm_rate": 0.05, "false_alarms": 1, "detections": 9}],
    }
}
# Makes the folder after --out and notes the call; `fail` in its name ends it with status 3.
COMMAND = """#!/bin/sh
echo "$0" | sed 's|.*/||' >> "{calls}"
[ -e "{calls}.$(basename $0).fail" ] && echo "no such luck" && exit 3
while [ "$1" != --out ]; do shift; done
mkdir "$2" && cp "{report}" "$2/report.json"
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which commands that stand in for ours note their names."""
    found, report = tmp_path / "calls", tmp_path / "report.json"
    report.write_text(json.dumps(REPORT))
    for name in ("residuum-train", "residuum-export", "residuum-evaluate"):
        command = tmp_path / "bin" / name
        command.parent.mkdir(exist_ok=True)
        command.write_text(COMMAND.format(calls=found, report=report))
        command.chmod(command.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(ours, "BIN", tmp_path / "bin")
    return found


def recipe(folder: Path) -> Recipe:
    return Recipe(data=folder, out=folder / "out", minutes=0.5, seed=7, threads=1)


def test_the_commands_are_those_of_a_user(tmp_path: Path) -> None:
    train, export, evaluate = ours.commands(recipe(tmp_path)).values()
    assert train[:2] == ["residuum-train", "detect"]
    assert train[train.index("--minutes") + 1] == "0.5"
    assert train[train.index("--seed") + 1] == "7"
    assert export[:2] == ["residuum-export", train[train.index("--out") + 1]]
    assert export[export.index("--calibrate") + 1] == str(tmp_path)
    assert evaluate[:2] == ["residuum-evaluate", export[export.index("--out") + 1]]


def test_a_second_run_measures_nothing_again(tmp_path: Path, calls: Path) -> None:
    first = ours.measure(recipe(tmp_path))
    assert first["image"] == 0.9
    assert calls.read_text().split() == ["residuum-train", "residuum-export", "residuum-evaluate"]
    assert ours.measure(recipe(tmp_path)) == first
    assert len(calls.read_text().split()) == 3


def test_a_command_that_failed_is_run_again_without_those_before(
    tmp_path: Path, calls: Path
) -> None:
    failing = Path(f"{calls}.residuum-export.fail")
    failing.touch()
    with pytest.raises(CommandFailed, match="residuum-export ended with status 3: no such luck"):
        ours.measure(recipe(tmp_path))
    failing.unlink()
    (tmp_path / "out/bundle").mkdir()  # as an interrupted export may leave it
    ours.measure(recipe(tmp_path))
    assert calls.read_text().split().count("residuum-train") == 1


def test_seeds_and_sets_make_a_row_each(tmp_path: Path, calls: Path) -> None:
    options = detect._options(["--data", ".", "--out", str(tmp_path / "o"), "--seeds", "0", "1"])
    work = detect.plan(options, {"a": tmp_path, "b": tmp_path})
    assert len(work) == len({task.place for task in work}) == 12
    for task in work:
        if task.kind == "ours":
            assert tasks.run(task) == ""
    results, _ = detect.collect(work)
    assert {name: len(methods["ours"]) for name, methods in results.items()} == {"a": 2, "b": 2}


def test_a_word_for_ten_sets_means_each_of_them(tmp_path: Path) -> None:
    assert detect.GROUPS["mnist"] == [f"mnist-{number}" for number in range(10)]
    words = ["--data", str(tmp_path), "--out", str(tmp_path), "--sets", "mnist", "--seeds", "0"]
    options = detect._options([*words, "--methods", "baselines"])
    assert detect._folders(options) == {}  # the data is not there
    work = detect.plan(options, dict.fromkeys(detect.GROUPS["mnist"], tmp_path))
    assert [(task.kind, task.name) for task in work] == [
        ("baselines", f"mnist-{number}") for number in range(10)
    ]


def test_figures_of_minutes_with_a_point_have_files_of_their_own(tmp_path: Path) -> None:
    options = detect._options(["--data", ".", "--out", str(tmp_path), "--minutes", "0.5"])
    files = {tasks._file(task) for task in detect.plan(options, {"a.b": tmp_path})}
    assert len(files) == 9
    assert all(file.suffix == ".json" for file in files)
