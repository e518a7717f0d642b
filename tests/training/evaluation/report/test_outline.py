import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from training.evaluation.report.outline import OUTLINE, draw_outline


@pytest.mark.parametrize(("side", "width"), [(30, 1), (256, 1), (257, 2), (700, 3)])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_line_surrounds_the_mask_and_is_wide_enough_for_a_sheet(side, width, channels):
    image = np.full((side, 20, channels), 90, np.uint8)
    mask = np.zeros((side, 20), np.bool_)
    mask[0:3, 4:7] = mask[20, 12] = True
    drawn = draw_outline(image, mask)
    grown = binary_dilation(mask, np.ones((2 * width + 1, 2 * width + 1)))
    assert np.array_equal((drawn == OUTLINE).all(-1), grown & ~mask)
    assert (drawn[mask] == 90).all()
    assert (drawn[~grown] == 90).all()
    assert (image == 90).all()


def test_without_a_marked_pixel_the_image_stays_as_it_is():
    image = np.arange(27, dtype=np.uint8).reshape(3, 3, 3)
    assert np.array_equal(draw_outline(image, np.zeros((3, 3), np.bool_)), image)
