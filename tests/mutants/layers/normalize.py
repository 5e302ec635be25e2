"""Mutants of the unit length: what breaks, the old text, the new text."""

KEYWORD = "normalize or margin"
MUTANTS = [
    ("the length is not squared", "(input * input).sum(dim", "input.sum(dim"),
    ("eps is not squared", "clamp_min(eps * eps)", "clamp_min(eps)"),
    ("no square root", ".rsqrt()", ".reciprocal()"),
    ("the part along y stays", "torch.where(inverse * eps < 1, along, 0) * output", "0 * output"),
    ("eps does not take over", "torch.where(inverse * eps < 1, along, 0)", "along"),
    ("sign of the part along y", "grad_output - torch.where", "grad_output + torch.where"),
    ("no division by the length", "return tangent * inverse", "return tangent"),
    (
        "half precision is squared as it is",
        "wide = at_least_float32(input)\n        return (wide * ",
        "wide = input\n        return (wide * ",
    ),
]
