"""Batches that are prepared before they are asked for."""

import dataclasses
import itertools
import os
import select
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch

from training.config.model import ModelConfig
from training.config.run import TrainConfig
from training.data.ahead import computed_ahead, resources
from training.data.batches import assembled_ahead, make_batches

IMAGES = np.random.default_rng(0).integers(0, 255, (12, 1, 32, 32), np.uint8)
MAP = ModelConfig(family="sigma_vae_map", widths=(8, 8), stride=8)
CONFIG = TrainConfig(model=MAP, crop=16, defects=0.5, batch_size=4, epochs=2, flip=True)


def after(key: int) -> int | None:
    return key + 1 if key < 5 else None


def square(key: int) -> int:
    if key == 3:
        raise ValueError("three")
    return key * key


@pytest.mark.parametrize("workers", [0, 2])
def test_values_are_those_of_the_function_in_any_order(workers):
    with computed_ahead(square, after, workers) as get:
        assert [get(key) for key in (0, 1, 2, 5, 4, 4, 0, 5)] == [0, 1, 4, 25, 16, 16, 0, 25]


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_is_raised_for_its_key_alone(workers):
    with computed_ahead(square, after, workers) as get:
        assert get(2) == 4
        with pytest.raises(ValueError, match="three"):
            get(3)
        assert get(4) == 16


def test_the_following_values_are_computed_while_one_is_in_use():
    computed = []
    with computed_ahead(lambda key: computed.append(key) or key, after, 0) as get:
        get(1)
    assert computed[0] == 1  # and perhaps 2, which nobody asked for
    assert set(computed) <= {1, 2}


@pytest.mark.parametrize("changes", [{}, {"defects": 0.0}])
def test_processes_assemble_the_batches_that_this_process_would(changes):
    batches = make_batches(dataclasses.replace(CONFIG, **changes), IMAGES)
    with assembled_ahead(batches, 2) as ahead:
        for epoch, number in itertools.product(range(2), range(batches.per_epoch())):
            source, target = ahead.batch(epoch, number)
            expected = batches.batch(epoch, number)
            assert torch.equal(source, expected[0])
            assert torch.equal(target, expected[1])
            assert (source is target) == (expected[0] is expected[1])


def test_batches_end_with_the_last_epoch():
    batches = make_batches(CONFIG, IMAGES)
    places, place = [], (0, 0)
    while place is not None:
        places.append(place)
        place = batches.after(place)
    assert places == list(itertools.product(range(2), range(3)))


def test_a_cpu_has_no_processes_of_its_own_for_batches():
    cpu = torch.device("cpu")
    assert resources(cpu, None).workers == 0
    assert resources(cpu, 3).workers == 3


def test_a_gpu_leaves_a_core_for_the_training(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)))
    assert resources(torch.device("cuda"), None).workers == 3
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    assert resources(torch.device("cuda"), None).workers == 8


def test_processes_end_when_the_training_is_killed(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(
        textwrap.dedent(
            """
            import os, time
            from training.data.ahead import computed_ahead

            def process(key):
                return os.getpid()

            if __name__ == "__main__":
                with computed_ahead(process, lambda key: None, 1) as get:
                    print(get(0), flush=True)
                    time.sleep(600)
            """
        )
    )
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as training:
        worker = int(training.stdout.readline())
        descriptor = os.pidfd_open(worker)
        training.send_signal(signal.SIGKILL)
    poll = select.poll()
    poll.register(descriptor)
    assert poll.poll(30_000), f"process {worker} goes on without its parent"
    os.close(descriptor)
