"""Every face in the same place and the same light, before a net sees it."""

from __future__ import annotations

from itertools import product
from math import radians

import torch
from torch import Tensor
from torch.nn import functional as F

from recipes.faces.geometry import shown, turn
from recipes.faces.nets import HEIGHT, WIDTH

SMALLEST_CONTRAST = 0.05
SMALLEST_LOCAL_CONTRAST = 0.3  # of the whole face's
NEIGHBOURHOOD = 13  # pixels

SIZES = (0.74, 0.79, 0.85, 0.92, 1.0, 1.08, 1.16, 1.25)  # of what is shown, by what was
DEGREES = (-8, -4, 0, 4, 8)
REACH = 7  # pixels either way
RELUCTANCE = 0.05  # how much more alike a face must be to be turned or resized by 1
AT_ONCE = 500  # faces

# Of the drawn face: half height, half width and centre down and across, as shares of the picture,
# and how much darker each is.
FEATURES = (
    (0.065, 0.145, 0.46, 0.32, 0.6),  # an eye with its brow
    (0.065, 0.145, 0.46, 0.68, 0.6),
    (0.04, 0.135, 0.675, 0.5, 0.3),  # the shadow of the nose
    (0.05, 0.205, 0.77, 0.5, 0.35),  # the mouth
    (0.025, 0.12, 0.845, 0.5, 0.25),  # the shadow beneath it
)


def standardise(faces: Tensor) -> Tensor:
    """Brings the neighbourhood of every pixel to mean 0 and standard deviation about 1.

    What a face is made of remains; brightness, contrast and light from a side go.

    Args:
        faces: (N, 1, H, W).
    """
    std, mean = torch.std_mean(faces, (1, 2, 3), keepdim=True)
    faces = (faces - mean) / (std + SMALLEST_CONTRAST)
    mean = neighbourhood_mean(faces)
    variance = neighbourhood_mean(faces.square()) - mean.square()
    return (faces - mean) / (variance.clamp(min=0).sqrt() + SMALLEST_LOCAL_CONTRAST)


def neighbourhood_mean(faces: Tensor) -> Tensor:
    """Returns the mean around each pixel of faces (N, 1, H, W); edges are continued outwards."""
    padded = F.pad(faces, [NEIGHBOURHOOD // 2] * 4, mode="replicate")
    of_columns = F.avg_pool2d(padded, (NEIGHBOURHOOD, 1), stride=1)
    return F.avg_pool2d(of_columns, (1, NEIGHBOURHOOD), stride=1)


def align(faces: Tensor) -> Tensor:
    """Resizes, turns and moves each face to be as like the drawn face as it can be.

    Args:
        faces: (N, 1, 112, 92) bytes.

    Returns:
        Faces (N, 1, 56, 46), bytes at half the scale; edges are continued outwards.
    """
    return (
        torch.cat([best_view(some / 255) for some in faces.split(AT_ONCE)]).mul(255).round().byte()
    )


def best_view(faces: Tensor) -> Tensor:
    """Aligns faces (N, 1, 112, 92) from 0 to 1."""
    small = F.avg_pool2d(faces, 2)
    size, angle = torch.tensor(
        [(size, radians(turned)) for size, turned in product(SIZES, DEGREES)]
    ).T
    turns = turn(size, angle, HEIGHT, WIDTH)
    tried = F.pad(turns, (0, 1)).unsqueeze(1).expand(-1, len(faces), -1, -1)
    alike = torch.stack([likeness(shown(small, matrix)) for matrix in tried], 1)
    alike -= RELUCTANCE * (size.log().abs() + angle.abs()).view(-1, 1, 1)
    best, down, right = torch.unravel_index(alike.flatten(1).argmax(1), alike.shape[1:])
    shift = torch.stack([(right - REACH) / WIDTH, (down - REACH) / HEIGHT], 1).unsqueeze(2)
    matrix = torch.cat([turns[best], 2 * turns[best] @ shift], 2)
    return F.avg_pool2d(shown(faces, matrix), 2)


def likeness(faces: Tensor) -> Tensor:
    """Compares faces (N, 1, 56, 46) with the drawn one at all shifts, -1 to 1.

    Returns:
        (N, 15, 15): the cross-correlation when the face is moved up by -7 to 7 pixels and left by
        -7 to 7. By the convolution theorem, all of them are one product of Fourier transforms.
    """
    faces, drawn = standardise(faces)[:, 0], standardise(drawn_face())[0, 0]
    padded = HEIGHT + REACH, WIDTH + REACH
    spectrum = torch.fft.rfft2(faces, padded) * torch.fft.rfft2(drawn, padded).conj()
    shifts = torch.fft.irfft2(spectrum, padded).roll((REACH, REACH), (1, 2))
    norms = faces.norm(dim=(1, 2)) * drawn.norm()
    span = 2 * REACH + 1
    return shifts[:, :span, :span] / norms.clamp(min=1e-6).view(-1, 1, 1)


def drawn_face() -> Tensor:
    """Returns the face (1, 1, 56, 46) on which all others are laid: an oval with its features."""
    down = (torch.arange(HEIGHT) + 0.5).view(-1, 1) / HEIGHT
    across = (torch.arange(WIDTH) + 0.5) / WIDTH

    def oval(half_height: float, half_width: float, y: float, x: float) -> Tensor:
        radius = torch.hypot((down - y) / half_height, (across - x) / half_width)
        return torch.sigmoid(12 * (1 - radius))

    face = oval(0.4, 0.38, 0.55, 0.5)
    for *place, darker in FEATURES:
        face = face - darker * oval(*place)
    return face.view(1, 1, HEIGHT, WIDTH)
