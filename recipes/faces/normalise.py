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
TO_RESIZE, TO_TURN = 1.0, 0.3  # how much more alike it must become, by factor e and by radian
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
    unlikely = TO_RESIZE * size.log().abs() + TO_TURN * angle.abs()
    alike -= unlikely.view(-1, 1, 1)
    best, down, right = torch.unravel_index(alike.flatten(1).argmax(1), alike.shape[1:])
    shift = torch.stack([(right - REACH) / WIDTH, (down - REACH) / HEIGHT], 1).unsqueeze(2)
    matrix = torch.cat([turns[best], 2 * turns[best] @ shift], 2)
    return F.avg_pool2d(shown(faces, matrix), 2)


def likeness(faces: Tensor) -> Tensor:
    """Compares faces (N, 1, 56, 46) with the drawn one at all shifts.

    Returns:
        (N, 15, 15), from -1 to 1: the correlation with the face when it is moved up by -7 to 7
        pixels and left by -7 to 7, in which the middle of the face has the most weight.
    """
    faces, drawn = standardise(faces)[:, 0], standardise(drawn_face())[0, 0]
    weight = middle()
    drawn = drawn - (weight * drawn).sum() / weight.sum()
    mean = sliding_product(faces, weight) / weight.sum()
    spread = sliding_product(faces.square(), weight) - weight.sum() * mean.square()
    norms = (spread.clamp(min=1e-3) * (weight * drawn.square()).sum()).sqrt()
    return sliding_product(faces, weight * drawn) / norms


def sliding_product(faces: Tensor, kernel: Tensor) -> Tensor:
    """Returns the products (N, 15, 15) of faces (N, H, W), moved as above, with a kernel (H, W).

    By the convolution theorem all shifts are one product of Fourier transforms; beyond the edges of
    a face are zeros.
    """
    padded = HEIGHT + REACH + 1, WIDTH + REACH + 1  # 64 and 54: fast to transform
    spectrum = torch.fft.rfft2(faces, padded) * torch.fft.rfft2(kernel, padded).conj()
    moved = torch.fft.irfft2(spectrum, padded).roll((REACH, REACH), (1, 2))
    return moved[:, : 2 * REACH + 1, : 2 * REACH + 1]


def places() -> tuple[Tensor, Tensor]:
    """Returns how far down (56, 1) and across (46) the pixels are, as shares of the picture."""
    return (torch.arange(HEIGHT) + 0.5).view(-1, 1) / HEIGHT, (torch.arange(WIDTH) + 0.5) / WIDTH


def middle() -> Tensor:
    """Returns weights (56, 46) that fall from the nose outwards: people differ in their hair."""
    down, across = places()
    return torch.exp(-(((down - 0.56) / 0.5) ** 2) - ((across - 0.5) / 0.5) ** 2)


def drawn_face() -> Tensor:
    """Returns the face (1, 1, 56, 46) on which all others are laid: an oval with its features."""
    down, across = places()

    def oval(half_height: float, half_width: float, y: float, x: float) -> Tensor:
        radius = torch.hypot((down - y) / half_height, (across - x) / half_width)
        return torch.sigmoid(12 * (1 - radius))

    face = oval(0.4, 0.38, 0.55, 0.5)
    for *place, darker in FEATURES:
        face = face - darker * oval(*place)
    return face.view(1, 1, HEIGHT, WIDTH)
