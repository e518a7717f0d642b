"""The library against a real server, and against the bundle that the server holds."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import pytest

from residuum_client import (
    AsyncClient,
    BundleError,
    Client,
    InvalidInput,
    Offline,
    RecordError,
    ServerError,
    Unavailable,
    UnknownModel,
)


@pytest.fixture
def client(target):
    with Client(target, model="tiny") as client:
        yield client


@pytest.fixture(scope="module")
def offline(bundle):
    with Offline(bundle, provider="cpu") as offline:
        yield offline


@pytest.fixture(scope="module")
def offline_map(map_bundle):
    with Offline(map_bundle, provider="cpu") as offline:
        yield offline


def run_async(target: str, model: str, work):
    """The result of `work(client)` in a new event loop."""

    async def body():
        async with AsyncClient(target, model=model) as client:
            return await work(client)

    return asyncio.run(body())


def same(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return len(a) == len(b) and all(map(np.array_equal, a, b))


def test_records_are_the_same_from_a_server_and_from_a_bundle(client, offline, images):
    assert client.encode(images) == offline.encode(images)
    assert client.encode(images, quality=12) == offline.encode(images, quality=12)
    assert client.encode(images, quality=12) != client.encode(images)


def test_images_are_the_same_from_a_server_and_from_a_bundle(client, offline, images):
    records = offline.encode(images)
    restored = client.decode(records)
    assert same(restored, offline.decode(records))
    assert restored[0].shape == (16, 16, 1)
    assert restored[0].flags.writeable


def test_images_of_several_sizes_keep_them(target, offline_map, mixed_images):
    with Client(target, model="tiny-map") as client:
        records = client.encode(mixed_images)
        restored = client.decode(records)
    assert records == offline_map.encode(mixed_images)
    assert [image.shape for image in restored] == [image.shape for image in mixed_images]
    assert same(restored, offline_map.decode(records))


def test_scores_are_the_same_from_a_server_and_from_a_bundle(client, offline, images):
    ours = client.score(images, heatmaps=True, false_alarm_rate=0.05)
    theirs = offline.score(images, heatmaps=True, false_alarm_rate=0.05)
    assert ours == theirs
    assert any(score.regions for score in ours)
    assert all(bool(score.regions) == score.anomalous for score in ours)
    assert list(ours[0].scores) == list(theirs[0].scores)
    assert same([score.heatmap for score in ours], [score.heatmap for score in theirs])
    assert ours[0].heatmap.shape == (16, 16)
    assert ours[0].heatmap.dtype == np.float32


def test_heat_maps_come_only_when_asked_for(client, offline, images):
    assert client.score(images)[0].heatmap is None
    assert offline.score(images)[0].heatmap is None


def test_the_record_bytes_of_a_score_are_those_of_the_record(client, images):
    sizes = [score.record_bytes for score in client.score(images)]
    assert sizes == [len(record) for record in client.encode(images)]


def test_models_are_the_same_from_a_server_and_from_a_bundle(client, offline):
    listed = {model.name: model for model in client.models()}
    assert set(listed) == {"tiny", "tiny-map"}
    assert listed["tiny"] == offline.models()[0]
    assert client.describe() == offline.describe()
    assert client.describe().manifest["name"] == "tiny"


def test_the_asyncio_client_gives_the_same_results(target, client, images, files, mixed_images):
    async def work(other):
        records = await other.encode(images, quality=10)
        return [
            records,
            await other.encode(files),
            await other.score(images),
            await other.models(),
            await other.describe(),
            await other.decode(records),
        ]

    *answers, restored = run_async(target, "tiny", work)
    records = client.encode(images, quality=10)
    assert answers == [
        records,
        client.encode(files),
        client.score(images),
        client.models(),
        client.describe(),
    ]
    assert same(restored, client.decode(records))


def test_the_asyncio_client_takes_asynchronous_iterables(target, client, images):
    async def source():
        for image in images:
            await asyncio.sleep(0)
            yield image

    async def work(other):
        return [record async for record in other.encode_stream(source())]

    assert run_async(target, "tiny", work) == client.encode(images)


def test_arrays_files_and_paths_may_be_mixed(client, images, files, photos: Path):
    mixed = [images[0][..., 0], files[1], photos / "below/c.png", str(photos / "a.png"), images[1]]
    plain = [images[0], images[1], images[2], images[0], images[1]]
    assert client.encode(mixed) == client.encode(plain)


def test_long_lists_are_sent_in_several_messages_and_keep_their_order(client, offline, images):
    many = [images[i % 5] for i in range(1500)]
    five = offline.encode(images)
    records = client.encode(many)
    assert records == [five[i % 5] for i in range(1500)]
    assert len(client.decode(records)) == 1500


def test_a_stream_never_reads_its_source_to_the_end_first(client, images):
    taken = []

    def endless():
        while True:
            taken.append(None)
            yield images[0]

    stream = client.encode_stream(endless())
    assert isinstance(next(stream), bytes)
    assert len(taken) < 3000
    stream.close()


def test_no_images_give_no_records(target, client, offline):
    assert client.encode([]) == offline.encode([]) == []
    assert client.decode([]) == offline.decode([]) == []
    assert run_async(target, "tiny", lambda other: other.score([])) == []


def test_a_bad_image_is_named_by_its_index_in_the_whole_list(target, client, offline, images):
    wrong = np.zeros((5, 7), np.uint8)
    many = [*[images[0]] * 400, wrong]
    with pytest.raises(InvalidInput, match=r"^image 400: .*5x7; .*16x16 gray") as caught:
        client.encode(many)
    assert caught.value.index == 400
    with pytest.raises(InvalidInput) as same_offline:
        offline.encode(many)
    with pytest.raises(InvalidInput) as same_async:
        run_async(target, "tiny", lambda other: other.encode(many))
    assert str(caught.value) == str(same_offline.value) == str(same_async.value)


def test_a_file_that_is_not_an_image_is_named_by_its_index(client, offline, files):
    for backend in (client, offline):
        with pytest.raises(InvalidInput, match=r"^image 1: the file is not an image") as caught:
            backend.score([files[0], b"nothing"])
        assert caught.value.index == 1


def test_a_damaged_record_is_named_by_its_index(client, offline, images):
    records = client.encode(images)
    records[2] = records[2][:-1] + bytes([records[2][-1] ^ 1])
    for backend in (client, offline):
        with pytest.raises(RecordError, match=r"^record 2: ") as caught:
            backend.decode(records)
        assert caught.value.index == 2


def test_a_record_of_another_model_is_rejected(target, client, images):
    records = client.encode(images[:1])
    with Client(target, model="tiny-map") as other, pytest.raises(RecordError, match="record 0"):
        other.decode(records)


@pytest.mark.parametrize("quality", [-1, 99, 2**40, 1.5, "8"])
def test_an_invalid_quality_is_rejected(client, images, quality):
    with pytest.raises(InvalidInput, match="quality"):
        client.encode(images, quality=quality)


@pytest.mark.parametrize("rate", [0.0, -0.5, 1.0, 7.0, float("nan"), 1e-9])
def test_an_invalid_false_alarm_rate_is_rejected(client, offline, images, rate):
    for backend in (client, offline):
        with pytest.raises(InvalidInput):
            backend.score(images, false_alarm_rate=rate)


def test_the_error_of_an_unknown_model_lists_the_models(target, images):
    with Client(target, model="nope") as client:
        with pytest.raises(UnknownModel, match=r"nope.*tiny"):
            client.encode(images)
        with pytest.raises(UnknownModel, match="nope"):
            client.decode([b"record"])
        with pytest.raises(UnknownModel, match="nope"):
            client.describe()


def test_an_unknown_version_is_rejected(target, images):
    with Client(target, model="tiny", version="77") as client, pytest.raises(UnknownModel):
        client.encode(images)


def test_the_error_names_an_address_without_a_server(images):
    with (
        Client("127.0.0.1:1", model="tiny") as client,
        pytest.raises(
            Unavailable, match=r"^no server answers at 127\.0\.0\.1:1: connection refused$"
        ),
    ):
        client.encode(images)


def test_a_closed_client_says_so(target, bundle, images):
    client, offline = Client(target, model="tiny"), Offline(bundle)
    client.close()
    offline.close()
    for backend in (client, offline):
        with pytest.raises(Unavailable, match="closed"):
            backend.encode(images)

    async def body():
        other = AsyncClient(target, model="tiny")
        await other.close()
        await other.encode(images)

    with pytest.raises(Unavailable, match="closed"):
        asyncio.run(body())


def test_a_server_without_the_services_is_a_server_error(images):
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with (
        Client(f"127.0.0.1:{port}", model="tiny") as client,
        pytest.raises(ServerError, match="UNIMPLEMENTED"),
    ):
        client.encode(images)
    server.stop(None).wait()


def test_a_missing_bundle_is_rejected(tmp_path: Path):
    with pytest.raises(BundleError, match="absent"):
        Offline(tmp_path / "absent")
