"""Images: read from a folder, split into training and validation, and joined to batches."""

from training.data.batches import Batches, make_batches
from training.data.datasets import images, source_of, training_and_validation, validation_images
from training.data.image_files import Images, digest, take
from training.data.labelled import LabelledImages, labelled_test

__all__ = [
    "Batches",
    "Images",
    "LabelledImages",
    "digest",
    "images",
    "labelled_test",
    "make_batches",
    "source_of",
    "take",
    "training_and_validation",
    "validation_images",
]
