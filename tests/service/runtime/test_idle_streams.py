"""Streams whose clients send nothing are cancelled."""

import threading

from service.runtime.idle_streams import IdleStreams


class Context:
    """As far as it matters here, that of a stream."""

    def __init__(self):
        self.cancelled = threading.Event()

    def cancel(self):
        self.cancelled.set()


def test_a_stream_that_waits_for_too_long_is_cancelled():
    now = [0.0]
    streams = IdleStreams(1000.0, lambda: now[0])
    early, late = Context(), Context()
    with streams.wait(early):
        now[0] = 600.0
        with streams.wait(late):
            assert streams.cancel_idle() == 400.0
            assert not early.cancelled.is_set()
            now[0] = 1000.0
            assert streams.cancel_idle() == 600.0
            assert early.cancelled.is_set()
            assert not late.cancelled.is_set()


def test_a_stream_that_is_computed_is_not_idle():
    now = [0.0]
    streams = IdleStreams(1000.0, lambda: now[0])
    with streams.wait(Context()):
        pass
    now[0] = 5000.0
    assert streams.cancel_idle() is None


def test_a_thread_watches_the_streams():
    context = Context()
    with IdleStreams(0.01).wait(context):
        assert context.cancelled.wait(10)
