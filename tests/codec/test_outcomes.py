"""One outcome for each item of a list, whatever its neighbours are."""

import gc
import weakref
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codec import Codec, InvalidInput, Rate, RecordError, Scorer
from codec.bundle.bundle import Bundle
from codec.graphs.onnx import open_graphs
from codec.outcomes import attempt, merge, required, succeeded

Hills = Callable[[int, int, int], list[np.ndarray]]
shared = settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
BAD_IMAGES = {
    "another size": np.zeros((15, 16, 1), np.uint8),
    "another type": np.zeros((16, 16, 1), np.float32),
    "another number of channels": np.zeros((16, 16, 3), np.uint8),
    "no pixels": np.zeros((0, 16, 1), np.uint8),
    "no image": np.zeros(16, np.uint8),
}
RATES = [Rate(), Rate(quality=3), Rate(target_bytes=12), Rate(target_psnr=18.0)]


def noise(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(7)
    return list(rng.integers(0, 256, (count, 16, 16, 1), dtype=np.uint8))


def sentences(outcomes: list) -> list:
    """Outcomes that can be compared: errors as their sentences."""
    return [str(one) if isinstance(one, Exception) else one for one in outcomes]


class CountingGraphs:
    """Real graphs that count how often each row went through the encoder; `spoil` names a row whose
    outputs are not finite.
    """

    def __init__(self, bundle: Bundle, spoil: bytes = b"") -> None:
        self.graphs, self.spoil = open_graphs(bundle, "cpu"), spoil
        self.encoded: Counter[bytes] = Counter()
        self.decoded = 0

    def encode(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.encoded.update(row.tobytes() for row in x)
        means, log_var = self.graphs.encode(x)
        means[[row.tobytes() == self.spoil for row in x]] = np.nan
        return means, log_var

    def decode(self, latent: np.ndarray) -> np.ndarray:
        self.decoded += len(latent)
        return self.graphs.decode(latent)


@pytest.mark.parametrize("rate", RATES, ids=str)
@pytest.mark.parametrize("bad", BAD_IMAGES.values(), ids=BAD_IMAGES)
def test_a_bad_image_among_good_ones_costs_itself_alone(
    tiny: Codec, hills: Hills, bad: np.ndarray, rate: Rate
) -> None:
    good = hills(4, 16, 16)
    expected = tiny.compress_at(good, rate)
    (error,) = tiny.compress_each([bad], rate)
    assert isinstance(error, InvalidInput)
    for place in range(5):
        outcomes = tiny.compress_each([*good[:place], bad, *good[place:]], rate)
        assert sentences(outcomes) == [*expected[:place], str(error), *expected[place:]]
        assert type(outcomes[place]) is InvalidInput


@shared
@given(places=st.lists(st.sampled_from(["hill", "noise", *BAD_IMAGES]), max_size=8), data=st.data())
def test_every_outcome_is_that_of_the_image_alone(
    tiny: Codec, hills: Hills, places: list[str], data: st.DataObject
) -> None:
    """Also where a target can be met for some images only."""
    rate = data.draw(st.sampled_from([*RATES, Rate(target_bytes=7), Rate(target_psnr=30.0)]))
    known = {**BAD_IMAGES, "hill": hills(1, 16, 16)[0], "noise": noise(1)[0]}
    images, scorer = [known[name] for name in places], Scorer(tiny)
    alone = [tiny.compress_each([image], rate)[0] for image in images]
    assert sentences(tiny.compress_each(images, rate)) == sentences(alone)
    alone = [scorer.compress_with_evidence_each([image], rate)[0] for image in images]
    assert sentences(scorer.compress_with_evidence_each(images, rate)) == sentences(alone)


def test_a_psnr_that_some_images_miss_is_their_error_alone(tiny: Codec, hills: Hills) -> None:
    hill, wild, rate = hills(1, 16, 16)[0], noise(1)[0], Rate(target_psnr=25.0)
    missed, met, missed_too = tiny.compress_each([wild, hill, wild], rate)
    assert met == tiny.compress_at([hill], rate)[0]
    assert str(missed) == str(missed_too)
    assert str(missed).startswith("the best PSNR of this image is ")
    with pytest.raises(InvalidInput, match=f"^image 1: {missed}$"):
        tiny.compress_at([hill, wild], rate)


def test_a_size_that_some_images_miss_is_their_error_alone(tiny: Codec, hills: Hills) -> None:
    images = [*hills(5, 16, 16), *noise(5)]
    levels = range(tiny.manifest.quality_levels)
    smallest = [min(len(tiny.compress([image], level)[0]) for level in levels) for image in images]
    rate = Rate(target_bytes=min(smallest))
    for size, image, one in zip(smallest, images, tiny.compress_each(images, rate), strict=True):
        if size == min(smallest):
            assert one == tiny.compress_at([image], rate)[0]
        else:
            assert str(one).startswith(f"the smallest record of this image has {size} bytes")
    assert max(smallest) > min(smallest)


def test_scores_are_those_of_the_images_alone(tiny: Codec, hills: Hills) -> None:
    scorer, bad = Scorer(tiny), BAD_IMAGES["another size"]
    images = [bad, hills(1, 16, 16)[0], bad, noise(1)[0], bad]
    outcomes = scorer.score_each(images)
    for image, outcome in zip(images, outcomes, strict=True):
        if image is bad:
            assert str(outcome).startswith("image is 15x16; the model takes exactly 16x16")
            continue
        (expected,) = scorer.score([image])
        assert not isinstance(outcome, InvalidInput)
        assert (outcome.value, outcome.p_value) == (expected.value, expected.p_value)
        assert outcome.heatmap.tobytes() == expected.heatmap.tobytes()


def test_a_damaged_record_among_good_ones_costs_itself_alone(
    tiny: Codec, tiny_map: Codec, hills: Hills
) -> None:
    good = Scorer(tiny).compress_with_evidence([*hills(2, 16, 16), *noise(2)], Rate())
    records = [one.record for one in good]
    assert any(one.evidence_bytes for one in good)
    expected = tiny.restore(records)
    foreign = tiny_map.compress(hills(1, 16, 16))[0]
    for bad in (b"", records[0][:-1], records[3][:-1], b"\xff" * 9, foreign):
        for place in range(5):
            outcomes = tiny.restore_each([*records[:place], bad, *records[place:]])
            assert type(outcomes.pop(place)) is RecordError
            for outcome, one in zip(succeeded(outcomes), expected, strict=True):
                assert outcome.image.tobytes() == one.image.tobytes()
                assert [r.box for r in outcome.regions] == [r.box for r in one.regions]


@pytest.mark.parametrize("rate", RATES, ids=str)
def test_every_good_image_is_computed_once_and_no_other(
    bundle: Bundle, hills: Hills, rate: Rate
) -> None:
    good, bad = hills(4, 16, 16), list(BAD_IMAGES.values())
    for compress_each in ("codec", "scorer"):
        graphs = CountingGraphs(bundle)
        codec = Codec(bundle, graphs)
        if compress_each == "codec":
            codec.compress_each([*bad, *good, *bad], rate)
        else:
            Scorer(codec).compress_with_evidence_each([*bad, *good, *bad], rate)
        assert graphs.encoded == Counter(image.tobytes() for image in good)


def test_every_good_image_is_scored_and_every_good_record_decoded_once(
    bundle: Bundle, hills: Hills
) -> None:
    graphs = CountingGraphs(bundle)
    codec, good, bad = Codec(bundle, graphs), hills(4, 16, 16), BAD_IMAGES["another size"]
    Scorer(codec).score_each([bad, *good, bad])
    assert graphs.encoded == Counter(image.tobytes() for image in good)
    assert graphs.decoded == 4
    codec.restore_each([b"", *codec.compress(good), b"\xff" * 9])
    assert graphs.decoded == 8


def test_an_image_without_finite_encoder_outputs_costs_itself_alone(
    bundle: Bundle, tiny: Codec, hills: Hills
) -> None:
    images = hills(3, 16, 16)
    codec = Codec(bundle, CountingGraphs(bundle, spoil=images[1].tobytes()))
    first, spoilt, last = codec.compress_each(images)
    assert [first, last] == [tiny.compress_at(images)[i] for i in (0, 2)]
    assert str(spoilt) == (
        "the encoder of the model gives values for this image that are not finite"
    )


def test_lists_without_any_good_item_run_no_graph(bundle: Bundle) -> None:
    graphs = CountingGraphs(bundle)
    codec = Codec(bundle, graphs)
    for images in ([], list(BAD_IMAGES.values())):
        for rate in RATES:
            assert succeeded(codec.compress_each(images, rate)) == []
            assert succeeded(Scorer(codec).compress_with_evidence_each(images, rate)) == []
        assert succeeded(Scorer(codec).score_each(images)) == []
        assert succeeded(codec.restore_each([b"?" for _ in images])) == []
    assert not graphs.encoded
    assert not graphs.decoded


def test_a_rate_that_the_model_does_not_have_is_no_fault_of_an_image(tiny: Codec) -> None:
    scorer, images = Scorer(tiny), list(BAD_IMAGES.values())
    with pytest.raises(InvalidInput, match=r"^quality is 17"):
        tiny.compress_each(images, Rate(quality=17))
    with pytest.raises(InvalidInput, match=r"^quality is 17"):
        scorer.compress_with_evidence_each(images, Rate(quality=17))
    with pytest.raises(InvalidInput, match=r"^false-alarm rate"):
        scorer.score_each(images, 2.0)


def test_the_first_error_is_raised_with_its_place() -> None:
    assert required(["a", "b"], "image") == ["a", "b"]
    with pytest.raises(RecordError, match=r"^record 1: short$"):
        required(["a", RecordError("short"), InvalidInput("late")], "record")


def test_results_take_the_places_of_those_that_succeeded() -> None:
    first, second = InvalidInput("first"), InvalidInput("second")
    outcomes = [first, 1, 2, second]
    assert merge(outcomes, [10, second], InvalidInput) == [first, 10, second, second]
    assert succeeded(outcomes) == [1, 2]


def test_an_outcome_does_not_keep_the_image_it_is_about() -> None:
    class Image(np.ndarray):
        """Arrays without a subclass have no weak references."""

    def refuse(image: np.ndarray) -> None:
        try:
            image.reshape(3)
        except ValueError as error:
            raise InvalidInput("no") from error

    image = np.zeros(4).view(Image)
    gone = weakref.ref(image)
    gc.disable()
    try:
        outcome = attempt(InvalidInput, refuse, image)
        del image
        assert gone() is None
    finally:
        gc.enable()
    assert str(outcome) == "no"


def test_other_errors_are_no_outcomes() -> None:
    with pytest.raises(ZeroDivisionError):
        attempt(InvalidInput, divmod, 1, 0)
