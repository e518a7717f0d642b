"""Servers that take little at a time: everything that they can do is done, in order."""

import asyncio
from collections import Counter

import numpy as np
import pytest

from residuum_client import AsyncClient, Client, InvalidInput, Offline

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def records(bundle, images):
    """The records of the five images."""
    with Offline(bundle, provider="cpu") as offline:
        return offline.encode(images)


def kinds(outcomes):
    return Counter(type(one).__name__ for one in outcomes)


@pytest.mark.parametrize(
    "settings",
    [{"workers": 1}, {"workers": 2}, {"max_images": 4}, {"max_queue_rows": 4, "max_batch_rows": 2}],
    ids=str,
)
def test_small_limits_cost_nothing_but_time(serving, images, records, settings):
    with serving(**settings) as target, Client(target, model="tiny") as client:
        assert client.encode(images * 60) == records * 60
        assert kinds(client.restore_each(records * 20)) == {"Restored": 100}


def test_the_same_for_asyncio(serving, images, records):
    async def body(target):
        async with AsyncClient(target, model="tiny") as client:
            return [outcome async for outcome in client.compress_each(images * 60)]

    with serving(workers=1, max_images=16) as target:
        outcomes = asyncio.run(body(target))
    assert [outcome.record for outcome in outcomes] == records * 60


def test_several_calls_of_one_client_share_a_small_server(serving, images, records):
    async def body(target):
        async with AsyncClient(target, model="tiny") as client:
            return await asyncio.gather(*(client.encode(images * 4) for _ in range(3)))

    with serving(workers=2) as target:
        assert asyncio.run(body(target)) == [records * 4] * 3


def test_an_image_beyond_the_largest_message_fails_alone(serving, mixed_images):
    large = np.zeros((1200, 1000), np.uint8)
    with serving(max_message_mb=1) as target, Client(target, model="tiny-map") as client:
        outcomes = list(client.compress_each([*mixed_images, large, *mixed_images]))
    place = len(mixed_images)
    assert kinds(outcomes) == {"Compressed": 2 * place, "InvalidInput": 1}
    assert str(outcomes[place]).startswith(f"image {place}: makes a message of 12")
    assert outcomes[place].index == place


def test_messages_of_many_pixels_are_not_sent_together(serving, map_bundle):
    images = [np.full((1024, 1024), i, np.uint8) for i in range(4)]
    with Offline(map_bundle, provider="cpu") as offline:
        expected = offline.encode(images)
    with serving() as target, Client(target, model="tiny-map", timeout=60) as client:
        assert client.encode(np.stack(images)) == expected


def test_quality_that_the_model_lacks_is_raised_also_with_small_messages(serving, images):
    with (
        serving(max_images=2) as target,
        Client(target, model="tiny") as client,
        pytest.raises(InvalidInput, match="quality is 99"),
    ):
        client.encode(images, quality=99)
