"""How much memory the images of a request will take, before any of them is decoded."""

import io

import numpy as np
import pytest
from PIL import Image

from codec.errors import InvalidInput
from codec.image_reader import MAX_PIXELS
from codec.images.input_spec import InputSpec
from protos.residuum.v1 import codec_pb2 as pb
from protos.residuum.v1.images_pb2 import Files
from service.runtime.memory import MIB
from service.servicers.sources import Source, check_images, check_records, needed_bytes
from service.settings import Settings

SMALL = InputSpec(channels=1, height=28, width=28, stride=1, fit="resize")
FREE = InputSpec(channels=1, height=None, width=None, stride=8, fit="pad")


def file(mode, height, width, kind="PNG"):
    out = io.BytesIO()
    Image.new(mode, (width, height)).save(out, kind)
    return out.getvalue()


def needed(spec, *files, **options):
    request = pb.EncodeRequest(files=Files(files=files), partial=True)
    return needed_bytes(check_images(request, spec, 64), spec, **options)


def test_an_image_is_counted_with_what_its_decoder_takes():
    png, webp = file("RGBA", 300, 200), file("RGBA", 300, 200, "WebP")
    model = 28 * 28 * 20
    assert needed(SMALL, png) == 300 * 200 * (4 + 1) + model
    assert needed(SMALL, webp) == 300 * 200 * (16 + 1) + model


def test_files_are_decoded_one_after_the_other():
    one = file("L", 300, 200)
    assert needed(SMALL, one, one) == 300 * 200 * (4 + 1 + 1) + 2 * 28 * 28 * 20


def test_a_model_of_any_size_works_on_all_pixels_of_an_image():
    one = file("L", 300, 200)
    plain, scored = needed(FREE, one), needed(FREE, one, scored=True)
    assert plain == 300 * 200 * (4 + 1 + 20)
    assert scored == plain + 300 * 200 * 40
    assert needed(FREE, one, scored=True, heatmaps=True) == scored + 300 * 200 * 12


def test_files_that_are_refused_take_nothing():
    assert needed(SMALL, b"", b"?") == 0
    assert needed_bytes([InvalidInput("?"), np.zeros((28, 28, 1), np.uint8)], SMALL) == 28 * 28 * 20


def test_the_records_of_a_model_of_one_size_are_counted_too(tiny):
    record = tiny.compress([np.zeros((16, 16, 1), np.uint8)])[0]
    sources = check_records(pb.DecodeRequest(records=[record] * 3), tiny.bundle, 64)
    assert needed_bytes(sources, tiny.manifest.input) == 3 * 16 * 16 * 20


@pytest.mark.parametrize("channels", [1, 3])
def test_the_largest_png_fits_into_the_memory_of_default_settings(channels):
    spec = InputSpec(channels=channels, height=28, width=28, stride=1, fit="resize")
    source = Source(b"", MAX_PIXELS, 4 * MAX_PIXELS)
    limit = Settings.model_fields["max_decoded_mb"].default * MIB
    assert needed_bytes([source], spec, scored=True) < limit
