"""One image or record in place of a list, and settings for single calls."""

import asyncio
import io

import numpy as np
import pytest
from PIL import Image

from residuum_client import AsyncClient, Client, InvalidInput, Offline, RecordError


@pytest.fixture
def client(target):
    with Client(target, model="tiny") as client:
        yield client


@pytest.fixture(params=["client", "offline"])
def backend(request, client, bundle):
    if request.param == "client":
        yield client
    else:
        with Offline(bundle, provider="cpu") as offline:
            yield offline


def test_one_image_has_one_result(backend, images):
    image = images[0]
    (record,) = backend.encode([image])
    assert backend.encode_one(image) == record
    assert backend.compress_one(image, quality=3) == backend.compress([image], quality=3)[0]
    assert backend.score_one(image) == backend.score([image])[0]
    scored = backend.score_one(image, false_alarm_rate=0.9, heatmaps=True)
    assert scored.heatmap.shape == (16, 16)
    np.testing.assert_array_equal(backend.decode_one(record), backend.decode([record])[0])
    np.testing.assert_array_equal(backend.restore_one(record).image, backend.decode_one(record))


def test_one_image_has_any_form(backend, images, files, tmp_path):
    """An array [16, 16, 1] could be a list of images, but not here."""
    path = tmp_path / "a.png"
    path.write_bytes(files[0])
    picture = Image.open(io.BytesIO(files[0]))
    forms = [images[0], images[0][..., 0], files[0], path, str(path), picture, io.BytesIO(files[0])]
    assert len({backend.encode_one(form) for form in forms}) == 1


def test_an_error_of_one_image_has_no_index(backend):
    with pytest.raises(InvalidInput, match=r"^absent\.png cannot be read") as caught:
        backend.encode_one("absent.png")
    assert caught.value.index is None
    with pytest.raises(RecordError, match=r"^(?!record 0)") as damaged:
        backend.decode_one(b"damaged")
    assert damaged.value.index is None
    with pytest.raises(InvalidInput, match="list; expected an array, the bytes of an image file"):
        backend.score_one([np.zeros((16, 16), np.uint8)])


def test_the_asyncio_client_takes_one_image_too(target, client, images):
    async def body():
        async with AsyncClient(target, model="tiny") as other:
            record = await other.encode_one(images[0])
            compressed = await other.compress_one(images[0], quality=3)
            decoded = await other.decode_one(record)
            restored = await other.restore_one(record)
            assert np.array_equal(restored.image, decoded)
            with pytest.raises(InvalidInput, match=r"^absent\.png") as caught:
                await other.encode_one("absent.png")
            assert caught.value.index is None
            return record, compressed, decoded, await other.score_one(images[0])

    record, compressed, decoded, score = asyncio.run(body())
    assert record == client.encode_one(images[0])
    assert compressed == client.compress_one(images[0], quality=3)
    assert np.array_equal(decoded, client.decode_one(record))
    assert score == client.score_one(images[0])


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), "5", None])
def test_the_timeout_of_a_call_is_checked(client, timeout):
    with pytest.raises(InvalidInput, match=r"timeout is .*, expected seconds above 0"):
        client.with_timeout(timeout)


def test_clients_of_two_timeouts_share_one_connection(target, images):
    client = Client(target, model="tiny")
    patient = client.with_timeout(60)
    assert patient.encode_one(images[0]) == client.encode_one(images[0])
    client.close()
    with pytest.raises(Exception, match="is closed"):
        patient.encode_one(images[0])
