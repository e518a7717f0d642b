"""Boxes of pixels in an image, and how many of them a record may keep as evidence."""

from dataclasses import dataclass

MAX_BOXES = 32
# Pixels of all boxes of an image together.
MAX_AREA = 2**20


@dataclass(frozen=True, slots=True, order=True)
class Box:
    """Rows `top` .. `top + height - 1` and columns `left` .. `left + width - 1` of an image."""

    top: int
    left: int
    height: int
    width: int

    @property
    def area(self) -> int:
        """Number of pixels in the box."""
        return self.height * self.width

    @property
    def slices(self) -> tuple[slice, slice]:
        """The box as an index of `[H, W, ...]`."""
        return (
            slice(self.top, self.top + self.height),
            slice(self.left, self.left + self.width),
        )

    def overlaps(self, other: "Box") -> bool:
        """Whether any pixel lies in both boxes."""
        return (
            self.top < other.top + other.height
            and other.top < self.top + self.height
            and self.left < other.left + other.width
            and other.left < self.left + self.width
        )
