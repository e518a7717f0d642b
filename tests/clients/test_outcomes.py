"""`*_each`: one outcome per image or record, from a server and from a bundle."""

import asyncio

import numpy as np
import pytest

from residuum_client import AsyncClient, Client, InvalidInput, Offline, RecordError, UnknownModel


@pytest.fixture
def client(target):
    with Client(target, model="tiny") as client:
        yield client


@pytest.fixture(scope="module")
def offline(bundle):
    with Offline(bundle, provider="cpu") as offline:
        yield offline


@pytest.fixture(params=["client", "offline"])
def backend(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def mixed(images, files):
    """Good images and bad ones, and the indices of the bad ones."""
    wrong = np.zeros((5, 7), np.uint8)
    return [images[0], b"nothing", files[1], wrong, "absent.png", 7, images[2]], [1, 3, 4, 5]


def same_errors(outcomes, others):
    return [str(o) for o in outcomes if isinstance(o, Exception)] == [
        str(o) for o in others if isinstance(o, Exception)
    ]


def test_each_image_has_its_own_outcome(backend, offline, mixed, images):
    elements, bad = mixed
    outcomes = list(backend.compress_each(elements, quality=3))
    assert [i for i, outcome in enumerate(outcomes) if isinstance(outcome, InvalidInput)] == bad
    assert [outcomes[i].index for i in bad] == bad
    assert [str(outcomes[i]).split(":")[0] for i in bad] == [f"image {i}" for i in bad]
    assert [str(outcomes[i]).removeprefix(f"image {i}: ") for i in bad] == [
        outcomes[i].reason for i in bad
    ]
    good = [outcome.record for outcome in outcomes if not isinstance(outcome, InvalidInput)]
    assert good == offline.encode(images[:3], quality=3)


def test_an_error_of_the_callers_iterable_is_raised_and_is_not_an_outcome(backend, images):
    def elements():
        yield images[0]
        raise InvalidInput("the camera is off")

    with pytest.raises(InvalidInput, match=r"^the camera is off$"):
        list(backend.compress_each(elements()))


def test_each_record_has_its_own_outcome(backend, offline, images):
    records = [*offline.encode(images), "text"]
    records[2] = records[2][:-1] + bytes([records[2][-1] ^ 1])
    outcomes = list(backend.restore_each(records))
    assert isinstance(outcomes[2], RecordError)
    assert str(outcomes[2]).startswith("record 2: ")
    assert isinstance(outcomes[5], InvalidInput)
    left = [i for i in range(5) if i != 2]
    whole = offline.decode([records[i] for i in left])
    assert all(np.array_equal(outcomes[i].image, w) for i, w in zip(left, whole, strict=True))


def test_each_score_has_its_own_outcome(backend, offline, mixed, images):
    elements, bad = mixed
    outcomes = list(backend.score_each(elements, heatmaps=True))
    assert [i for i, outcome in enumerate(outcomes) if isinstance(outcome, InvalidInput)] == bad
    good = [outcome for outcome in outcomes if not isinstance(outcome, InvalidInput)]
    assert good == offline.score(images[:3])
    assert all(score.heatmap is not None for score in good)


def test_the_asyncio_client_gives_the_same_outcomes(target, offline, mixed):
    async def body():
        async with AsyncClient(target, model="tiny") as client:
            return [outcome async for outcome in client.compress_each(mixed[0])]

    outcomes, others = asyncio.run(body()), list(offline.compress_each(mixed[0]))
    assert same_errors(outcomes, others)
    assert [o for o in outcomes if not isinstance(o, Exception)] == [
        o for o in others if not isinstance(o, Exception)
    ]


def test_what_no_image_is_to_blame_for_is_raised(backend, target, images):
    with pytest.raises(InvalidInput, match="quality is 99"):
        list(backend.compress_each(images, quality=99))
    with pytest.raises(InvalidInput, match="false-alarm rate"):
        list(backend.score_each(images, false_alarm_rate=1e-9))
    with Client(target, model="nope") as other, pytest.raises(UnknownModel):
        list(other.compress_each(images))


def test_no_images_have_no_outcomes(backend):
    assert list(backend.compress_each([])) == list(backend.restore_each([])) == []
