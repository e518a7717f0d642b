"""`residuum bench`: arrivals that depend on nothing, and figures that are right."""

import asyncio
import itertools
import json
import math
import signal
import subprocess
import sys
import threading
from pathlib import Path

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from processes import started
from small_servers import one_each, serving

from residuum_client.__main__ import FAILED, OK, USAGE, main
from residuum_client.commands.bench.driver import arrivals, open_loop
from residuum_client.commands.bench.figures import Call, Outcome, percentile, summarise
from residuum_client.v1 import codec_pb2, models_pb2, models_pb2_grpc


class Models(models_pb2_grpc.ModelServiceServicer):
    """Has one model."""

    def GetModel(self, request, context):  # noqa: N802 - the name of the RPC
        size = {"channels": 1, "height": 4, "width": 4, "fit": "exact"}
        return models_pb2.GetModelResponse(model=models_pb2.Model(name="m", version="1", **size))


def with_models(server: grpc.Server) -> None:
    models_pb2_grpc.add_ModelServiceServicer_to_server(Models(), server)


def bench(target: str, *options: str) -> int:
    return main(["bench", "--server", target, "--model", "m", *options])


def figures(path: Path) -> dict:
    return json.loads(path.read_text())


def test_a_real_server_is_measured(target, tmp_path, capsys):
    out = tmp_path / "figures.json"
    options = ["--load", "0.5,1", "--seconds", "0.5", "--images-per-call", "3"]
    patient = ["--deadline", "60000", "--connections", "2"]
    arguments = ["bench", "--server", target, "--model", "tiny", "--json", str(out)]
    assert main([*arguments, *options, *patient]) == OK
    printed = capsys.readouterr().out
    assert "capacity: " in printed
    found = figures(out)
    assert (found["model"], found["method"], found["images_per_call"]) == ("tiny", "encode", 3)
    assert [step["load"] for step in found["steps"]] == [0.5, 1.0]
    for step in found["steps"]:
        assert step["rate"] == pytest.approx(step["load"] * found["capacity"])
        assert step["offered"] == step["answered"]
        assert step["p50"] <= step["p95"] <= step["p99"]
        assert step["goodput"] == step["answered"] / 0.5


def test_files_are_sent_and_scored(target, photos, tmp_path):
    out = tmp_path / "figures.json"
    arguments = ["bench", str(photos), "--server", target, "--model", "tiny", "--json", str(out)]
    rate = ["--rate", "40", "--seconds", "0.5", "--deadline", "60000"]
    assert main([*arguments, *rate, "--method", "score"]) == OK
    (step,) = figures(out)["steps"]
    assert step["answered"] == step["offered"] == len(list(arrivals(40, 0.5, 0)))
    assert figures(out)["capacity"] is None


def test_every_call_is_counted_once_by_how_it_ended(tmp_path, capsys):
    out, calls = tmp_path / "figures.json", itertools.count()
    busy = (("grpc-retry-pushback-ms", "1"),)

    def answer(request, context):
        kind = next(calls) % 3
        if kind == 1:
            context.set_trailing_metadata(busy)
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "busy")
        if kind == 2:
            context.abort(grpc.StatusCode.INTERNAL, "out of luck")
        return codec_pb2.EncodeResponse(records=[b"record"] * request.pixels.count)

    rate = ["--rate", "60", "--seconds", "0.5", "--deadline", "60000"]
    with serving(answer, add=with_models) as target:
        assert bench(target, *rate, "--json", str(out)) == OK
    (step,) = figures(out)["steps"]
    counts = [step[name] for name in ("answered", "refused", "failed", "late")]
    third = step["offered"] / 3
    assert counts == [math.ceil(third), round(third), math.floor(third), 0]
    assert "first failure: " in capsys.readouterr().out
    assert step["reason"].endswith("failed with INTERNAL: out of luck")


def test_an_image_that_fails_is_a_failed_call(target, tmp_path, capsys):
    out, bad = tmp_path / "figures.json", tmp_path / "bad.png"
    bad.write_bytes(b"not an image")
    arguments = ["bench", str(bad), "--server", target, "--model", "tiny", "--json", str(out)]
    assert main([*arguments, "--rate", "40", "--seconds", "0.3", "--deadline", "60000"]) == FAILED
    (step,) = figures(out)["steps"]
    assert step["failed"] == step["offered"]
    assert f"no call was answered in time: {step['reason']}" in capsys.readouterr().err


def test_arrivals_do_not_wait_for_answers():
    """All calls are under way before the first one ends."""
    times = [0.0, 0.001, 0.002, 0.003]

    async def body():
        together = asyncio.Barrier(len(times))

        async def send(due: float) -> Call:
            await together.wait()
            return Call(Outcome.ANSWERED, 0.0, 0.0)

        return await open_loop(send, iter(times))

    assert len(asyncio.run(body())) == len(times)


def test_time_counts_from_when_a_call_was_due():
    due = []

    async def send(when: float) -> Call:
        due.append(when)
        return Call(Outcome.ANSWERED, 0.0, 0.0)

    asyncio.run(open_loop(send, iter([0.0, 0.001, 0.003])))
    assert [when - due[0] for when in due] == pytest.approx([0.0, 0.001, 0.003])


@given(st.floats(1, 500), st.integers(0, 9))
def test_arrivals_are_those_of_a_poisson_process(rate, seed):
    times = list(arrivals(rate, 10, seed))
    assert times == sorted(times)
    assert all(0 < time < 10 for time in times)
    assert abs(len(times) - 10 * rate) < 6 * math.sqrt(10 * rate) + 6
    assert times == list(arrivals(rate, 10, seed))


def test_percentiles_are_of_the_right_calls():
    assert percentile([], 99) is None
    assert percentile([0.003, 0.001, 0.002], 50) == 2.0
    assert percentile([0.001] * 99 + [1.0], 99) == 1.0
    assert percentile([0.001] * 99 + [1.0], 100) == 1000.0
    calls = [Call(Outcome.ANSWERED, 0.01, 0.001)] * 4
    calls += [Call(Outcome.REFUSED, 0.002, 0.0), Call(Outcome.LATE, 9.0, 0.0)]
    calls += [Call(Outcome.FAILED, 5.0, 0.0, "why")]
    step = summarise(calls, 2.0, 7.0, 0.5)
    assert (step.offered, step.answered, step.refused, step.late, step.failed) == (7, 4, 1, 1, 1)
    assert (step.p99, step.refused_p99, step.goodput, step.reason) == (10.0, 2.0, 8.0, "why")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--rate", "5", "--load", "1"], "--rate and --load are given, expected at most one"),
        (["--rate", "0"], "--rate is 0.0, expected a number above 0"),
        (["--load", "a"], "--load is a, expected numbers above 0, such as 0.5,1,2,5"),
        (["--load", "1,-1"], "--load is 1,-1, expected numbers above 0"),
        (["--deadline", "nan"], "--deadline is nan, expected a number above 0"),
        (["--seconds", "-1"], "--seconds is -1.0, expected a number above 0"),
        (["--connections", "0"], "--connections is 0, expected 1 to 256"),
        (["--images-per-call", "0"], "--images-per-call is 0, expected at least 1"),
        (["--json", "/absent/file"], "--json /absent/file is not a file in a folder that exists"),
    ],
)
def test_wrong_usage_says_what_is_right(options, sentence, capsys):
    assert bench("localhost:1", *options) == USAGE
    assert capsys.readouterr().err.startswith(f"residuum: {sentence}")


def test_without_a_server_or_images_nothing_is_measured(tmp_path, capsys):
    assert main(["bench", "--model", "m"]) == USAGE
    assert capsys.readouterr().err == "residuum: a server is needed: --server HOST:PORT\n"
    with serving(lambda request, context: None) as target:
        pass
    assert bench(target, "--rate", "5") == FAILED
    assert f"no server answers at {target}: connection refused" in capsys.readouterr().err
    assert main(["bench", str(tmp_path), "--server", target, "--model", "m"]) == FAILED
    assert "there is no image file to send" in capsys.readouterr().err


def test_ctrl_c_ends_it():
    called = threading.Event()

    def answer(request, context):
        called.set()
        return one_each(request, context)

    with serving(answer, add=with_models) as target:
        command = [sys.executable, "-m", "residuum_client", "bench", "--server", target]
        options = ["--model", "m", "--rate", "50", "--seconds", "3600"]
        with started([*command, *options], stderr=subprocess.PIPE) as process:
            assert called.wait(60)
            process.send_signal(signal.SIGINT)
            _, error = process.communicate()
    assert process.returncode == 130
    assert error == b"residuum: interrupted\n"
