"""The id and the trace of a call, from what its client sent."""

import pytest

from service.call import Call, parse_traceparent

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"


def test_a_client_may_name_its_call():
    assert Call([("x-request-id", "camera-7/0042")]).request_id == "camera-7/0042"


@pytest.mark.parametrize(
    "metadata",
    [
        [],
        [("x-request-id", "")],
        [("x-request-id", "two words")],
        [("x-request-id", "a\nb")],
        [("x-request-id", "ä")],
        [("x-request-id", "x" * 129)],
        [("x-request-id", b"bytes")],
        [("x-request-id", "one"), ("x-request-id", "two")],
    ],
)
def test_without_an_id_of_one_word_a_call_gets_one(metadata):
    call = Call(metadata)
    assert call.request_id == call.request_id
    assert len(call.request_id) == 12
    assert call.request_id != Call(metadata).request_id


def test_the_trace_is_that_of_the_client():
    call = Call([("traceparent", PARENT)])
    assert call.trace == TRACE
    parent = call.parent()
    assert (parent.trace_id, parent.span_id, parent.flags) == (TRACE, SPAN, 1)


def test_a_later_version_may_have_more_fields():
    assert parse_traceparent(f"cc-{TRACE}-{SPAN}-00-what-the-future-adds").trace_id == TRACE


@pytest.mark.parametrize(
    "text",
    [
        "",
        PARENT.upper(),
        f" {PARENT}",
        f"{PARENT}\n",
        f"{PARENT}-more",
        f"{PARENT}more",
        f"cc-{TRACE}-{SPAN}-01more",
        f"ff-{TRACE}-{SPAN}-01",
        f"0-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE[:-1]}g-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}",
    ],
)
def test_a_traceparent_that_is_not_valid_is_ignored(text):
    assert parse_traceparent(text) is None


def test_two_traceparents_are_none():
    assert Call([("traceparent", PARENT), ("traceparent", PARENT)]).trace == ""
