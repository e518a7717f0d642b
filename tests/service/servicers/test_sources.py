"""How much memory the images of a request will take, before any of them is decoded."""

import io

import numpy as np
import pytest
from PIL import Image

from codec.image_reader import MAX_PIXELS
from codec.images.input_spec import InputSpec
from codec.outcomes import succeeded
from protos.residuum.v1 import codec_pb2 as pb
from protos.residuum.v1.images_pb2 import Files
from service.runtime.job_queue import SLICE_PIXELS
from service.runtime.memory import Need
from service.servicers.sources import Source, check_images, check_records, needed
from service.settings import MIB, Settings

SMALL = InputSpec(channels=1, height=28, width=28, stride=1, fit="resize")
FREE = InputSpec(channels=1, height=None, width=None, stride=8, fit="pad")


def file(mode, height, width, kind="PNG"):
    out = io.BytesIO()
    Image.new(mode, (width, height)).save(out, kind)
    return out.getvalue()


def need(spec, *files, message=0, **options):
    request = pb.EncodeRequest(files=Files(files=files), partial=True)
    return needed(message, succeeded(check_images(request, spec, 64)), spec, **options)


def test_an_image_is_counted_with_what_its_decoder_takes():
    png, webp = file("RGBA", 300, 200), file("RGBA", 300, 200, "WebP")
    model = 28 * 28 * 20
    assert need(SMALL, png) == Need(0, 300 * 200 * (4 + 1) + model)
    assert need(SMALL, webp) == Need(0, 300 * 200 * (16 + 1) + model)


def test_files_are_decoded_one_after_the_other():
    one = file("L", 300, 200)
    assert need(SMALL, one, one).work == 300 * 200 * (4 + 1) + 2 * 28 * 28 * 20


def test_a_model_of_any_size_works_on_all_pixels_of_an_image():
    one = file("L", 300, 200)
    plain, scored = need(FREE, one), need(FREE, one, scored=True)
    assert plain.work == 300 * 200 * (4 + 1 + 20)
    assert scored.work == plain.work + 300 * 200 * 40


def test_the_images_of_a_call_are_computed_in_slices():
    one = file("L", 1024, 1024)
    assert need(FREE, *[one] * 10).work == 1024 * 1024 * (4 + 1) + SLICE_PIXELS * 20


def test_a_call_keeps_its_message_and_its_response():
    one = file("L", 300, 200)
    assert need(FREE, one, message=1000).kept == 2000
    assert need(FREE, one, one, message=1000, output=12).kept == 2000 + 2 * 300 * 200 * 12


def test_files_that_are_refused_take_nothing():
    assert need(SMALL, b"", b"?") == Need(0, 0)
    assert needed(0, [np.zeros((28, 28, 1), np.uint8)], SMALL).work == 28 * 28 * 20


def test_the_records_of_a_model_of_one_size_are_counted_too(tiny):
    record = tiny.compress([np.zeros((16, 16, 1), np.uint8)])[0]
    sources = check_records(pb.DecodeRequest(records=[record] * 3), tiny.bundle, 64)
    assert needed(0, sources, tiny.manifest.input).work == 3 * 16 * 16 * 20


@pytest.mark.parametrize("channels", [1, 3])
def test_the_largest_png_fits_into_the_memory_of_default_settings(channels):
    spec = InputSpec(channels=channels, height=28, width=28, stride=1, fit="resize")
    source = Source(b"", MAX_PIXELS, 4 * MAX_PIXELS)
    limit = Settings.model_fields["max_decoded_mb"].default * MIB
    need = needed(0, [source], spec, scored=True)
    assert need.kept + need.work < limit


def test_a_photograph_of_twelve_megapixels_fits_into_a_model_of_tiles():
    spec = InputSpec(channels=3, height=256, width=256, stride=16, fit="tile")
    source = Source(b"", 4000 * 3000, 4 * 4000 * 3000)
    limit = Settings.model_fields["max_decoded_mb"].default * MIB
    need = needed(8 * MIB, [source], spec)
    assert need.kept + need.work < limit
