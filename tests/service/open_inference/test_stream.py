"""A stream answers each request in turn, and goes on after one that is wrong."""

import pytest


@pytest.fixture
def stream(oip):
    return lambda *requests: list(oip.stub.ModelStreamInfer(iter(requests), timeout=20))


def test_responses_come_in_the_order_of_the_requests(stream, build, tiny, pictures):
    batches = [pictures(count, seed=count) for count in (1, 3, 2)]
    responses = stream(*(build.of_images("tiny/encode", one, id=str(len(one))) for one in batches))
    assert [one.infer_response.id for one in responses] == ["1", "3", "2"]
    for batch, response in zip(batches, responses, strict=True):
        assert response.error_message == ""
        assert build.arrays(response.infer_response)["record"] == tiny.compress(batch)


def test_an_error_is_a_response_and_the_stream_goes_on(stream, build, pictures):
    images = pictures(1)
    good = build.of_images("tiny", images)
    wrong = [
        (build.of_images("absent", images, id="a"), "NOT_FOUND", "is not loaded"),
        (build.of_images("tiny", images, outputs=["b"], id="b"), "INVALID_ARGUMENT", "no output"),
        (
            build.request("tiny/decode", build.bytes_input("record", [b"?"]), id="c"),
            "DATA_LOSS",
            "record 0: ",
        ),
    ]
    responses = stream(good, *(one for request, *_ in wrong for one in (request, good)))
    assert len(responses) == 7
    for response in responses[::2]:
        assert response.error_message == ""
        assert build.arrays(response.infer_response)["score"].shape == (1,)
    for response, (request, code, sentence) in zip(responses[1::2], wrong, strict=True):
        assert sentence in response.error_message
        assert response.infer_response.id == request.id
        assert response.infer_response.parameters["code"].string_param == code
        assert list(response.infer_response.outputs) == []


def test_a_client_that_looks_for_the_last_response_finds_it(stream, build, pictures):
    asking = build.of_images(
        "tiny", pictures(1), parameters={"triton_enable_empty_final_response": True}
    )
    plain = build.of_images("tiny", pictures(1))
    marked, unmarked = stream(asking, plain)
    assert marked.infer_response.parameters["triton_final_response"].bool_param
    assert dict(unmarked.infer_response.parameters) == {}
