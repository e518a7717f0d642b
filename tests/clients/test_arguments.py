"""Whatever the public functions are given, they raise nothing but ResiduumError."""

import asyncio
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from residuum_client import (
    AsyncClient,
    Box,
    Client,
    InvalidInput,
    Offline,
    ResiduumError,
    draw_heatmap,
)


class Odd:
    """Has the methods of a path, of a file and of a list, all of which fail."""

    def __repr__(self) -> str:
        raise RuntimeError

    def __fspath__(self) -> object:
        return 3

    def read(self) -> object:
        raise KeyError

    def __iter__(self) -> object:
        return 7


class Number(int):
    def __int__(self) -> int:
        raise ValueError


def text_file() -> io.StringIO:
    return io.StringIO("text")


dtypes = st.sampled_from([np.uint8, np.float32, np.int64, np.bool_, np.complex64, object, "U3"])
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.complex_numbers(),
    st.binary(max_size=40),
    st.text(max_size=20),
    st.builds(Odd),
    st.builds(text_file),
    st.builds(Number, st.integers(0, 9)),
    st.sampled_from([object(), int, np, Ellipsis, b"".join, np.float32(9), np.int64(3), Path("a")]),
    st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F", "I", "HSV"]).map(
        lambda mode: Image.new(mode, (3, 2))
    ),
    arrays.arrays(dtypes, arrays.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4)),
)
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(st.text(max_size=3), inner, max_size=2),
    ),
    max_leaves=6,
)
names = st.sampled_from(["quality", "target_bytes", "target_psnr", "evidence", "false_alarm_rate"])
options = st.dictionaries(names, scalars, max_size=2)
GOOD = [np.zeros((16, 16), np.uint8)]

often = settings(max_examples=150, suppress_health_check=list(HealthCheck))


def quietly(call: Callable[[], object]) -> object:
    try:
        return call()
    except ResiduumError:
        return None


@pytest.fixture(scope="module")
def client(target):
    with Client(target, model="tiny") as client:
        yield client


@pytest.fixture(scope="module")
def offline(bundle):
    with Offline(bundle, provider="cpu") as offline:
        yield offline


@pytest.fixture(scope="module", params=["client", "offline"])
def backend(request):
    return request.getfixturevalue(request.param)


@often
@given(images=anything)
def test_anything_as_images(backend, images):
    for method in (backend.encode, backend.score):
        quietly(lambda method=method: method(images))
    quietly(lambda: list(backend.compress_each(images)))


@often
@given(records=anything)
def test_anything_as_records(backend, records):
    quietly(lambda: backend.decode(records))
    quietly(lambda: list(backend.restore_each(records)))


@often
@given(options=options, rate=scalars, heatmaps=scalars)
def test_anything_as_options(backend, options, rate, heatmaps):
    quietly(lambda: backend.compress(GOOD, **options))
    quietly(lambda: backend.score(GOOD, false_alarm_rate=rate, heatmaps=heatmaps))


@often
@given(images=anything, options=options)
def test_anything_for_asyncio(target, images, options):
    async def body():
        async with AsyncClient(target, model="tiny") as client:
            await client.encode(images, **options)

    quietly(lambda: asyncio.run(body()))


@often
@given(
    target=anything,
    model=scalars,
    version=scalars,
    timeout=scalars,
    credentials=scalars,
    token=scalars,
    metadata=anything,
)
def test_anything_for_the_constructors(target, **others):
    def build(kind, target="localhost:1", **arguments):
        return kind(target, **{"model": "m"} | arguments)

    async def asynchronous(**arguments):
        await build(AsyncClient, **arguments).close()

    for arguments in ({"target": target}, *({name: value} for name, value in others.items())):
        if client := quietly(lambda arguments=arguments: build(Client, **arguments)):
            client.close()
        quietly(lambda arguments=arguments: asyncio.run(asynchronous(**arguments)))


@settings(often, max_examples=30)
@given(path=scalars, provider=scalars, threads=scalars)
def test_anything_for_a_bundle(bundle, path, provider, threads):
    quietly(lambda: Offline(path))
    quietly(lambda: Offline(bundle, provider=provider))
    quietly(lambda: Offline(bundle, provider="cpu", threads=threads))


@often
@example(image=None, heatmap=None, vmax=3.5e38, side=10**30)
@example(image=None, heatmap=None, vmax=5e-324, side=np.uint8(255))
@given(image=scalars, heatmap=scalars, vmax=scalars, side=scalars)
def test_anything_as_a_heat_map(image, heatmap, vmax, side):
    good = np.zeros((4, 4, 1), np.uint8), np.ones((2, 2), np.float32)
    quietly(lambda: draw_heatmap(image, good[1]))
    quietly(lambda: draw_heatmap(good[0], heatmap))
    quietly(lambda: draw_heatmap(*good, vmax))
    quietly(lambda: draw_heatmap(*good, boxes=side))
    quietly(lambda: draw_heatmap(*good, boxes=[side]))
    box = {"top": 0, "left": 1, "height": 1, "width": 1}
    for name in box:
        quietly(lambda name=name: draw_heatmap(*good, boxes=[Box(**{**box, name: side})]))


@pytest.mark.parametrize(
    ("options", "same"),
    [
        ({"quality": np.int64(3)}, {"quality": 3}),
        ({"target_bytes": np.uint16(45)}, {"target_bytes": 45}),
        ({"target_psnr": np.float32(9.0)}, {"target_psnr": 9.0}),
        ({"evidence": np.bool_(True)}, {"evidence": True}),
        ({"target_psnr": 9}, {"target_psnr": 9.0}),
    ],
)
def test_numbers_of_numpy_are_numbers(backend, images, options, same):
    assert backend.compress(images, **options) == backend.compress(images, **same)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"quality": True}, "quality is True, expected a level, an integer from 0 up"),
        ({"quality": np.float64(3)}, r"quality is .*3.0.*, expected a level"),
        ({"target_bytes": False}, "target_bytes is False, expected at least 1, an integer"),
        ({"target_psnr": float("nan")}, "target_psnr is nan, expected decibels above 0"),
        ({"target_psnr": float("inf")}, "target_psnr is inf, expected decibels above 0"),
        ({"evidence": 1}, "evidence is 1, expected True or False"),
        ({"evidence": "yes"}, "evidence is 'yes', expected True or False"),
        ({"quality": [3]}, "quality is of type list, expected a level"),
    ],
)
def test_what_is_no_such_number_is_refused_with_its_bounds(backend, images, options, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        backend.compress(images, **options)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), True, "5", None, 2e6])
def test_a_timeout_is_a_number_of_seconds(timeout):
    with pytest.raises(InvalidInput, match=r"timeout is .*, expected seconds above 0"):
        Client("localhost:1", model="m", timeout=timeout)


def test_other_arguments_of_a_constructor_are_named():
    with pytest.raises(InvalidInput, match="model is 7, expected a string"):
        Client("localhost:1", model=7)
    with pytest.raises(InvalidInput, match=r"credentials is of type str, expected grpc\.ssl_"):
        Client("localhost:1", model="m", credentials="ca.pem")
    with pytest.raises(InvalidInput, match="bundle is None, expected a path"):
        Offline(None)


def test_threads_and_provider_are_checked(bundle):
    with pytest.raises(InvalidInput, match="threads is 0, expected an integer from 1 to 1024"):
        Offline(bundle, threads=0)
    with pytest.raises(InvalidInput, match="provider is 'tpu', expected auto, cpu or cuda"):
        Offline(bundle, provider="tpu")


def test_an_array_open_files_and_images_of_pillow_are_taken(backend, images, files):
    records = backend.encode(images)
    assert backend.encode(np.stack(images)) == records
    assert backend.encode(np.stack(images)[..., 0]) == records
    assert backend.encode([io.BytesIO(file) for file in files]) == records
    assert backend.encode([Image.open(io.BytesIO(file)) for file in files]) == records
