"""Evidence: inverse, refusals, and the record that it lies in."""

import contextlib
import io
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from codec import Codec, Scorer
from codec.errors import InvalidInput, RecordError
from codec.images.boxes import Box
from codec.rate_control import Rate
from codec.record.evidence import Region, cut_regions, pack_evidence, paste_regions, read_evidence
from codec.record.frame import Record, attach, open_seal, pack, unpack

ID = bytes(range(32))
SHAPE = (60, 90, 1)
shared = settings(deadline=None, max_examples=60)


@st.composite
def images(draw, channels=None):
    """An image of noise, of one value, or of a few."""
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    depth = draw(st.sampled_from([1, 3])) if channels is None else channels
    values = draw(st.sampled_from([1, 2, 256]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    pixels = rng.integers(0, values, (height, width, depth)) * (255 // max(1, values - 1))
    return pixels.astype(np.uint8)


@st.composite
def images_with_boxes(draw):
    """Boxes from a grid, so that none overlap."""
    image = draw(images())
    rows = sorted(draw(st.sets(st.integers(0, image.shape[0]), min_size=2, max_size=5)))
    columns = sorted(draw(st.sets(st.integers(0, image.shape[1]), min_size=2, max_size=5)))
    cells = [
        Box(top, left, bottom - top, right - left)
        for top, bottom in itertools.pairwise(rows)
        for left, right in itertools.pairwise(columns)
    ]
    chosen = draw(st.lists(st.sampled_from(cells), min_size=1, unique=True))
    return image, chosen


def noise(height=60, width=90, channels=1, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, channels), dtype=np.uint8)


def file_of(pixels, kind="PNG", **options):
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind, **options)
    return out.getvalue()


def entry(file, top=0, left=0):
    return b"".join(n.to_bytes(3, "big") for n in (top, left, len(file))) + file


def same(a: list[Region], b: list[Region]) -> bool:
    return [r.box for r in a] == [r.box for r in b] and all(
        np.array_equal(x.pixels, y.pixels) for x, y in zip(a, b, strict=True)
    )


@shared
@given(case=images_with_boxes())
def test_regions_come_back_as_they_were(case):
    image, boxes = case
    regions = cut_regions(image, boxes)
    read = read_evidence(pack_evidence(regions), image.shape)
    assert same(read, regions)
    assert [region.box for region in read] == sorted(boxes)


@shared
@given(case=images_with_boxes(), seed=st.integers(0, 99))
def test_pasted_regions_are_the_original_and_the_rest_is_left_alone(case, seed):
    image, boxes = case
    coded = noise(*image.shape, seed)
    before = coded.copy()
    inside = np.zeros(image.shape, np.bool_)
    for box in boxes:
        inside[box.slices] = True
    whole = paste_regions(coded, cut_regions(image, boxes))
    np.testing.assert_array_equal(whole, np.where(inside, image, before))
    np.testing.assert_array_equal(coded, before)


def test_without_evidence_there_are_no_regions_and_the_image_is_unchanged():
    image = noise()
    assert read_evidence(b"", SHAPE) == []
    assert paste_regions(image, []) is image


@pytest.mark.parametrize("shape", [(1, 70_000), (70_000, 1), (3, 17_000)])
def test_regions_of_very_long_images_come_back(shape):
    """Longer than a WebP file can be, and than two bytes can tell."""
    image = noise(*shape)
    far = Box(shape[0] - 1, shape[1] - 1, 1, 1)
    long = Box(0, 0, shape[0] - (shape[0] > 3), shape[1] - (shape[1] > 3))
    regions = cut_regions(image, [far, long])
    assert same(read_evidence(pack_evidence(regions), image.shape), regions)


@shared
@given(junk=st.binary(max_size=80))
def test_arbitrary_bytes_are_read_as_regions_or_refused(junk):
    with contextlib.suppress(RecordError):
        for region in read_evidence(junk, SHAPE):
            assert region.pixels.shape == (region.box.height, region.box.width, 1)


@shared
@given(case=images_with_boxes(), data=st.data())
def test_damaged_evidence_is_refused_or_read_within_its_image(case, data):
    """Arbitrary bytes under a right checksum."""
    image, boxes = case
    packed = bytearray(pack_evidence(cut_regions(image, boxes)))
    for _ in range(data.draw(st.integers(1, 3))):
        packed[data.draw(st.integers(0, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(RecordError):
        regions = read_evidence(bytes(packed), image.shape)
        assert paste_regions(image, regions).shape == image.shape


@shared
@given(case=images_with_boxes(), data=st.data())
def test_truncated_or_extended_evidence_is_refused(case, data):
    image, boxes = case
    packed = pack_evidence(cut_regions(image, boxes))
    kept = data.draw(st.integers(1, len(packed) - 1))
    for damaged in (packed[:kept], packed + b"\0"):
        with pytest.raises(RecordError):
            read_evidence(damaged, image.shape)


WHOLE = file_of(noise()[..., 0])
PART = file_of(noise(20, 30)[..., 0])


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"\0", "evidence of 0 boxes, expected 1..32"),
        (b"\x21" + 33 * entry(PART), "evidence of 33 boxes, expected 1..32"),
        (b"\2" + entry(PART), "the evidence is truncated"),
        (b"\1" + entry(PART)[:-1], "the evidence is truncated"),
        (b"\1" + entry(PART) + b"x", "its boxes end after "),
        (b"\1" + entry(PART, 41, 0), "evidence outside its image of 60x90"),
        (b"\1" + entry(PART, 0, 61), "evidence outside its image of 60x90"),
        (b"\2" + entry(PART, 20, 0) + entry(PART, 0, 0), "not in order"),
        (b"\2" + entry(PART, 0, 40) + entry(PART, 0, 0), "not in order"),
        (b"\2" + entry(PART, 0, 0) + entry(PART, 19, 29), "boxes of the evidence overlap"),
        (b"\2" + entry(WHOLE) + entry(WHOLE), "boxes of the evidence overlap"),
        (b"\1" + entry(b""), "neither PNG nor VP8L"),
        (b"\1" + entry(b"\x2f"), "VP8L|damaged"),
        (b"\1" + entry(b"\x2f\0\0\0\x10"), "VP8L without alpha"),
        (b"\1" + entry(b"\x2f\0\0\0\0"), "damaged"),
        (b"\1" + entry(file_of(noise(20, 30)[..., 0], "GIF")), "neither PNG nor VP8L"),
        (b"\1" + entry(file_of(noise(20, 30)[..., 0], "JPEG")), "neither PNG nor VP8L"),
        (b"\1" + entry(file_of(noise(20, 30, 3))), "not 8-bit gray or RGB like its image"),
        (b"\1" + entry(file_of(noise(20, 30, 4))), "not 8-bit gray or RGB like its image"),
        (
            b"\1" + entry(file_of(noise(20, 30)[..., 0].astype(np.uint16) * 256)),
            "not 8-bit gray or RGB like its image",
        ),
        (b"\1" + entry(PART[:-12]), "not plain or is truncated"),
        (b"\1" + entry(PART + PART[-12:]), "not plain or is truncated"),
        (b"\1" + entry(PART[:60] + b"!" + PART[61:]), "damaged"),
    ],
)
def test_unsound_evidence_is_refused_with_the_reason(data, sentence):
    with pytest.raises(RecordError, match=sentence):
        read_evidence(data, SHAPE)


def test_a_png_with_another_chunk_is_refused():
    plain = io.BytesIO()
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("note", "hidden")
    Image.fromarray(noise(20, 30)[..., 0]).save(plain, "PNG", pnginfo=info)
    with pytest.raises(RecordError, match="not plain"):
        read_evidence(b"\1" + entry(plain.getvalue()), SHAPE)


def test_coloured_pixels_of_a_gray_image_are_refused():
    pixels = noise(20, 30, 3)
    data = pack_evidence(cut_regions(pixels, [Box(0, 0, 20, 30)]))
    assert data[10:11] == b"\x2f"
    with pytest.raises(RecordError, match="coloured evidence of a gray image"):
        read_evidence(data, SHAPE)


def test_evidence_of_too_many_pixels_is_refused_before_it_is_decompressed():
    """Two flat boxes of a few bytes each that would decompress to more than 2**20 pixels."""
    flat = np.zeros((1024, 1025, 1), np.uint8)
    data = pack_evidence(cut_regions(flat, [Box(0, 0, 1024, 1025)]))
    assert len(data) < 2000
    with pytest.raises(RecordError, match=f"more than {2**20} pixels"):
        read_evidence(data, (4000, 4000, 1))


def test_evidence_is_about_as_small_as_the_smaller_of_two_lossless_files():
    """Of a PNG and a WebP, both of the greatest effort."""
    y, x = np.mgrid[0:64, 0:64]
    smooth = (127 + 90 * np.sin(x / 9) * np.cos(y / 7)).astype(np.uint8)[..., None]
    for image in (smooth, noise(64, 64), np.full((64, 64, 1), 9, np.uint8)):
        data = pack_evidence(cut_regions(image, [Box(0, 0, 64, 64)]))
        webp = len(file_of(image[..., 0], "WEBP", lossless=True, quality=100, method=6))
        png = len(file_of(image[..., 0], optimize=True))
        assert len(data) <= 10 + min(1.13 * webp, png)


@shared
@given(payload=st.binary(max_size=300), case=images_with_boxes())
def test_a_record_with_evidence_holds_the_plain_record(payload, case):
    image, boxes = case
    evidence = pack_evidence(cut_regions(image, boxes))
    plain = Record(7, image.shape[:2], payload)
    whole = pack(Record(7, image.shape[:2], payload, evidence), ID)
    assert whole == attach(pack(plain, ID), evidence, ID)
    record = unpack(whole, ID, sized=True)
    assert record == Record(7, image.shape[:2], payload, evidence)
    level, body = open_seal(whole, ID)
    assert level == 31
    assert body.startswith(evidence + pack(plain, ID))


@shared
@given(case=images_with_boxes(), data=st.data())
def test_a_damaged_or_cut_record_with_evidence_is_refused_or_the_original(case, data):
    """Long enough for the wide checksum."""
    image, boxes = case
    evidence = pack_evidence(cut_regions(image, boxes))
    whole = pack(Record(7, image.shape[:2], b"payload" * 20, evidence), ID)
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    for one in (bytes(damaged), cut):
        try:
            assert unpack(one, ID, sized=True).evidence == evidence
            assert one == whole
        except RecordError:
            assert one != whole


def test_a_truncated_record_with_evidence_is_not_a_record():
    """Least of all the plain record: its evidence would be lost without an error."""
    evidence = pack_evidence(cut_regions(noise(), [Box(0, 0, 9, 9)]))
    whole = pack(Record(7, (9, 9), b"payload", evidence), ID)
    passed = 0
    for kept in range(len(whole)):
        with contextlib.suppress(RecordError):
            unpack(whole[:kept], ID, sized=True)
            passed += 1
    assert passed == 0


def test_evidence_inside_evidence_and_lengths_beyond_the_body_are_refused():
    from codec.record.frame import seal

    plain = pack(Record(7, (9, 9), b"payload"), ID)
    once = attach(plain, b"\1evidence", ID)
    with pytest.raises(RecordError, match="inside a record with evidence"):
        unpack(attach(once, b"\1evidence", ID), ID, sized=True)
    for length in (0, 1, len(plain) + 9, 2**32 - 1):
        body = b"\1evidence" + plain + length.to_bytes(4, "big")
        with pytest.raises(RecordError):
            unpack(seal(31, body, ID), ID, sized=True)
    with pytest.raises(RecordError):
        unpack(seal(31, b"abc", ID), ID, sized=True)


def test_too_much_evidence_is_refused_when_it_is_attached():
    plain = pack(Record(7, (9, 9), b"payload"), ID)
    with pytest.raises(InvalidInput, match="bytes with evidence, at most"):
        attach(plain, bytes(2**24), ID)


def board(seed: int = 3) -> np.ndarray:
    """An image like those that the tiny map model was trained on, with a defect in it."""
    y, x = np.mgrid[0:64, 0:64]
    hill = 120 * np.exp(-((y - 9) ** 2 + (x - 7) ** 2) / 30)
    image = 60 + hill + np.random.default_rng(seed).normal(0, 2, (64, 64))
    image[40:46, 10:16] = 255 - image[40:46, 10:16]
    return np.clip(image, 0, 255).astype(np.uint8)[..., None]


@pytest.mark.parametrize("rate", [Rate(), Rate(target_bytes=70), Rate(target_psnr=24.0)])
def test_a_model_keeps_the_defect_and_nothing_else_changes(tiny_map: Codec, rate: Rate) -> None:
    image = board()
    (plain,) = tiny_map.compress_at([image], rate)
    (kept,) = Scorer(tiny_map).compress_with_evidence([image], rate, 0.4)
    assert kept.quality == plain.quality
    assert plain.evidence_bytes == 0 < kept.evidence_bytes
    assert len(kept.record) == len(plain.record) + kept.evidence_bytes
    (back,), (coded,) = tiny_map.restore([kept.record]), tiny_map.decompress([plain.record])
    np.testing.assert_array_equal(back.image[40:46, 10:16], image[40:46, 10:16])
    np.testing.assert_array_equal(back.image, paste_regions(coded, back.regions))
    for region in back.regions:
        np.testing.assert_array_equal(region.pixels, image[region.box.slices])


def test_records_with_and_without_evidence_may_be_mixed(tiny_map: Codec) -> None:
    images = [board(seed)[: 40 + 8 * seed] for seed in range(3)]
    compressed = Scorer(tiny_map).compress_with_evidence(images, Rate(), 0.4)
    records = [compressed[0].record, *tiny_map.compress(images), compressed[2].record]
    alone = [tiny_map.restore([record])[0] for record in records]
    for one, other in zip(tiny_map.restore(records), alone, strict=True):
        np.testing.assert_array_equal(one.image, other.image)
        assert same(one.regions, other.regions)


def test_evidence_of_a_larger_image_is_refused(
    tiny_map: Codec,
) -> None:
    """The evidence is valid, but belongs to a larger image."""
    record = tiny_map.compress([board()[:20, :20]])[0]
    evidence = pack_evidence(cut_regions(board(), [Box(30, 30, 8, 8)]))
    with pytest.raises(RecordError, match=r"^record 0: evidence outside its image of 20x20"):
        tiny_map.restore([attach(record, evidence, tiny_map.model_id)])
