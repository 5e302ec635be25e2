"""Mutants of the margin losses: what breaks, the old text, the new text."""

KEYWORD = "margin"
MUTANTS = [
    ("sine without the square", "(1 - cosine * cosine).clamp_min(", "(1 - cosine).clamp_min("),
    ("the sine may be 0", ".clamp_min(torch.finfo(cosine.dtype).eps).sqrt()", ".sqrt()"),
    (
        "the angle gets smaller",
        "cosine * math.cos(margin) - sine(cosine)",
        "cosine * math.cos(margin) + sine(cosine)",
    ),
    (
        "a larger angle than half a turn is rewarded",
        "torch.where(cosine > -math.cos(margin), turned, cosine - margin * math.sin(margin))",
        "turned",
    ),
    (
        "the straight line starts elsewhere",
        "turned, cosine - margin * math.sin(margin))",
        "turned, cosine - margin)",
    ),
    ("the held sine is differentiated", "torch.where(held, 0, cosine / sin)", "(cosine / sin)"),
    (
        "sign of dphi/dc",
        "math.cos(margin) + torch.where(held",
        "math.cos(margin) - torch.where(held",
    ),
    (
        "the straight line has no slope",
        "return torch.where(cosine > -math.cos(margin), turned, 1)",
        "return torch.where(cosine > -math.cos(margin), turned, 0)",
    ),
    (
        "the straight line is as steep as the curve",
        "return torch.where(cosine > -math.cos(margin), turned, 1)",
        "return turned",
    ),
    ("the cosine margin helps", "return cosine - margin", "return cosine + margin"),
    (
        "the cosine margin stretches",
        "return torch.ones_like(cosine)",
        "return 2 * torch.ones_like(cosine)",
    ),
    ("no scale", "return scale * torch.where(is_target", "return torch.where(is_target"),
    (
        "every class has the margin",
        "torch.where(is_target(cosines, target), phi(cosines, margin), cosines)",
        "phi(cosines, margin)",
    ),
    (
        "every class has the slope",
        "torch.where(is_target(cosines, target), slope(cosines, ctx.margin), 1)",
        "slope(cosines, ctx.margin)",
    ),
    ("no scale in the gradient", "return ctx.scale * delta * steep", "return delta * steep"),
    ("no slope in the gradient", "return ctx.scale * delta * steep", "return ctx.scale * delta"),
    ("the embeddings keep their length", "linear(normalize(input), ", "linear(input, "),
    ("the directions keep their length", "normalize(weight))\n", "weight)\n"),
    ("autocast rounds the cosines", "    input, weight = autocast_float32(input, weight)\n", ""),
]
