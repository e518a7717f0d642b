import dataclasses
import json

import numpy as np
import pytest
import torch

from training.data.batches import make_batches
from training.distributed import ProcessGroup
from training.errors import TrainingError
from training.loop import loop
from training.run import checkpoint
from training.run.files import BEST, LAST, write_atomically
from training.run.start import new_state
from training.run.state import State

CPU = torch.device("cpu")
PICTURES = np.random.default_rng(0).integers(0, 255, (16, 1, 16, 16), np.uint8)


class Silent:
    def batch(self, state, loss, batches):
        pass

    def epoch(self, state, record, improved):
        pass


def train(run, state: State, stop_at: int = -1) -> State:
    run.mkdir(exist_ok=True)
    loop.train(
        state,
        make_batches(state.config, PICTURES),
        PICTURES[:4],
        log=Silent(),
        save=lambda state, best: checkpoint.save(run, state, {"command": "test"}, best=best),
        should_stop=lambda: state.step == stop_at,
    )
    return state


def resume(run, config) -> State:
    return checkpoint.resume(checkpoint.read(run / LAST), config, CPU)


COMPARED_AS_TENSORS = {"model", "ema_model", "encoder_optimizer", "decoder_optimizer", "noise"}


def assert_same(a: State, b: State) -> None:
    for name in {field.name for field in dataclasses.fields(State)} - COMPARED_AS_TENSORS:
        assert getattr(a, name) == getattr(b, name), name
    assert torch.equal(a.noise.get_state(), b.noise.get_state())
    for x, y in ((a.model, b.model), (a.ema_model, b.ema_model)):
        other = y.state_dict()
        assert all(torch.equal(t, other[name]) for name, t in x.state_dict().items())
    for part, optimizer in a.optimizers().items():
        theirs = b.optimizers()[part].state_dict()["state"]
        for i, entry in optimizer.state_dict()["state"].items():
            assert all(torch.equal(t, theirs[i][key]) for key, t in entry.items())


@pytest.mark.slow
@pytest.mark.parametrize("stop_at", [1, 3, 4, 5, 7])
@pytest.mark.parametrize("family", ["reslag", "sigma_vae_map", "vq_vae"])
def test_an_interrupted_run_ends_bit_for_bit_like_an_uninterrupted_one(
    family, stop_at, tiny, tmp_path
):
    config = tiny[family]
    whole = train(tmp_path / "whole", new_state(config, CPU))
    train(tmp_path / "cut", new_state(config, CPU), stop_at)
    state = resume(tmp_path / "cut", config)
    assert state.step == stop_at
    assert_same(train(tmp_path / "cut", state), whole)
    files = [(tmp_path / name / BEST).read_bytes() for name in ("whole", "cut")]
    assert files[0] == files[1]


@pytest.mark.slow
def test_a_run_interrupted_at_every_step_ends_like_an_uninterrupted_one(tiny, tmp_path):
    config = tiny["reslag"]
    whole = train(tmp_path / "whole", new_state(config, CPU))
    train(tmp_path / "cut", new_state(config, CPU), 1)
    for stop_at in range(2, 9):
        state = train(tmp_path / "cut", resume(tmp_path / "cut", config), stop_at)
    assert_same(train(tmp_path / "cut", state), whole)


def test_a_killed_run_resumes_from_its_last_epoch(tiny, tmp_path):
    """What is lost when nothing could be saved is done again, alike."""
    config = tiny["sigma_vae_map"]
    whole = train(tmp_path / "whole", new_state(config, CPU))
    killed = tmp_path / "killed"

    class Killed(Exception):
        """Takes the place of the end of the process: nothing is saved after it."""

    state = new_state(config, CPU)

    def kill_in_the_second_epoch() -> bool:
        if state.step == 6:
            raise Killed
        return False

    killed.mkdir()
    with pytest.raises(Killed):
        loop.train(
            state,
            make_batches(config, PICTURES),
            PICTURES[:4],
            log=Silent(),
            save=lambda state, best: checkpoint.save(killed, state, {}, best=best),
            should_stop=kill_in_the_second_epoch,
        )
    resumed = resume(killed, config)
    assert (resumed.epoch, resumed.batch) == (1, 0)
    assert_same(train(killed, resumed), whole)


@pytest.mark.parametrize("family", ["reslag", "sigma_vae_map", "vq_vae"])
def test_a_loaded_run_computes_the_same_as_the_averaged_weights(family, tiny, tmp_path):
    config = dataclasses.replace(tiny[family], lr=1e-4)
    state = train(tmp_path, new_state(config, CPU))
    loaded, model, info = checkpoint.load_run(tmp_path, "last")
    assert loaded == config
    assert not model.training
    x = torch.from_numpy(PICTURES[:3]).float() / 255
    with torch.no_grad():
        expected = state.ema_model.eval().encode(x)[0]
        torch.testing.assert_close(model.encode(x)[0], expected)
    assert info["provenance"] == {"command": "test"}
    assert info["metrics"] == json.loads(json.dumps(state.history[-1]))


def test_the_best_weights_are_kept_when_later_ones_are_worse(tiny, tmp_path):
    state = train(tmp_path, new_state(tiny["reslag"], CPU))
    _, _, info = checkpoint.load_run(tmp_path)
    assert info["metrics"]["loss"] == state.best
    assert info["state"]["best"] == state.best


def test_the_records_are_one_line_of_json_for_each_epoch(tiny, tmp_path):
    state = train(tmp_path, new_state(tiny["reslag"], CPU))
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == state.history
    assert [record["epoch"] for record in state.history] == [1, 2]


def test_only_finished_files_lie_in_a_run(tiny, tmp_path):
    train(tmp_path, new_state(tiny["reslag"], CPU))
    assert {path.name for path in tmp_path.iterdir()} == {
        "best.safetensors",
        "last.safetensors",
        "metrics.jsonl",
    }


def test_a_checkpoint_is_due_when_its_interval_has_passed(tiny, tmp_path):
    now = 100.0
    save = checkpoint.Saver(tmp_path, {}, 60.0, clock=lambda: now)
    now = 159.0
    assert not save.due()
    now = 160.0
    assert save.due()
    save(new_state(tiny["reslag"], CPU), False)
    assert not save.due()
    assert checkpoint.Saver(tmp_path, {}, 0.0).due()


def test_checkpoints_are_written_within_an_epoch_when_due(tiny, tmp_path):
    seen, save = [], checkpoint.Saver(tmp_path, {}, 0.0)

    class StepRecorder(Silent):
        def batch(self, state, loss, batches):
            if (tmp_path / LAST).exists():
                kept = checkpoint.read(tmp_path / LAST).info["state"]
                seen.append(state.step - kept["step"])

    config = tiny["sigma_vae_map"]
    loop.train(
        new_state(config, CPU),
        make_batches(config, PICTURES),
        PICTURES[:4],
        log=StepRecorder(),
        save=save,
        save_due=save.due,
    )
    assert seen == [1] * 7  # the checkpoint of a step is written after the log has heard of it


def test_only_the_first_of_several_processes_writes(tiny, tmp_path):
    state = new_state(tiny["reslag"], CPU)
    state.group = ProcessGroup(rank=1, size=2)
    checkpoint.Saver(tmp_path, {}, 0.0)(state, True)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_only_the_old_file(tmp_path, files_of_at_most):
    path = tmp_path / "a.json"
    write_atomically(path, b"old")
    sentence = r"a.json \(5,000 bytes\) cannot be written: .*; the old file is kept"
    with files_of_at_most(4096), pytest.raises(TrainingError, match=sentence):
        write_atomically(path, b"n" * 5000)
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("damage", [b"", b"junk" * 10], ids=["empty", "noise"])
def test_a_damaged_checkpoint_is_refused(damage, tmp_path):
    (tmp_path / BEST).write_bytes(damage)
    with pytest.raises(TrainingError, match="not a readable checkpoint"):
        checkpoint.load_run(tmp_path)


def test_a_truncated_checkpoint_is_refused(tiny, tmp_path):
    train(tmp_path, new_state(tiny["reslag"], CPU))
    data = (tmp_path / BEST).read_bytes()
    (tmp_path / BEST).write_bytes(data[:-1])
    with pytest.raises(TrainingError, match="not a readable checkpoint"):
        checkpoint.load_run(tmp_path)


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(TrainingError, match=r"best.safetensors does not exist; is .* a finished"):
        checkpoint.load_run(tmp_path)
