"""A second dozen of bugs by somebody who had not seen the diagnosis, as it was mended by then."""

import torch
from torch import nn
from torch.autograd import Function
from torch.nn import functional as F

from tests.checks.zoo.specimen import Layer, Plain, parameter, random

# ---------------------------------------------------------------- rotary position embedding


def angles(x):
    """Cosine and sine of position times frequency, each (positions, half the width)."""
    half = x.shape[-1] // 2
    frequency = 10.0 ** (-torch.arange(half, dtype=x.dtype) / half)
    angle = torch.arange(x.shape[-2], dtype=x.dtype)[:, None] * frequency
    return angle.cos(), angle.sin()


class RotaryFunction(Function):
    @staticmethod
    def forward(ctx, x):
        cos, sin = angles(x)
        a, b = x.chunk(2, -1)
        return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)

    @staticmethod
    def backward(ctx, delta):
        cos, sin = angles(delta)
        a, b = delta.chunk(2, -1)
        return torch.cat([a * cos + b * sin, b * cos - a * sin], -1)


rotary = Layer("rotary embedding", Plain, RotaryFunction, (2, 5, 6))


@rotary.bug("rotation-not-inverted")
def the_gradient_is_rotated_forwards_instead_of_back(ctx, delta):
    cos, sin = angles(delta)
    a, b = delta.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


# ---------------------------------------------------------------- GRU cell


def gru_gates(x, h, w, u, b, c):
    xr, xz, xn = (x @ w + b).chunk(3, 1)
    hr, hz, hn = (h @ u + c).chunk(3, 1)
    r, z = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz)
    return r, z, torch.tanh(xn + r * hn), hn


class GRUFunction(Function):
    """As in torch.nn: the reset gate is applied after the product with the hidden weight."""

    @staticmethod
    def forward(ctx, x, h, w, u, b, c):
        ctx.save_for_backward(x, h, w, u, b, c)
        _, z, n, _ = gru_gates(x, h, w, u, b, c)
        return (1 - z) * n + z * h

    @staticmethod
    def backward(ctx, delta):
        x, h, w, u, b, c = ctx.saved_tensors
        r, z, n, hn = gru_gates(x, h, w, u, b, c)
        dn = delta * (1 - z) * (1 - n**2)
        dz = delta * (h - n) * z * (1 - z)
        dr = dn * hn * r * (1 - r)
        dx, dh = torch.cat([dr, dz, dn], 1), torch.cat([dr, dz, dn * r], 1)
        return dx @ w.T, delta * z + dh @ u.T, x.T @ dx, h.T @ dh, dx.sum(0), dh.sum(0)


class GRU(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function
        self.w, self.u = parameter(3, 12), parameter(4, 12)
        self.b, self.c = parameter(12), parameter(12)

    def forward(self, x, h):
        return self.function.apply(x, h, self.w, self.u, self.b, self.c)


gru = Layer("gru cell", GRU, GRUFunction, (5, 3), (5, 4))


@gru.bug("gate-forgotten")
def the_recurrent_side_of_the_candidate_forgets_the_reset_gate(ctx, delta):
    x, h, w, u, b, c = ctx.saved_tensors
    r, z, n, hn = gru_gates(x, h, w, u, b, c)
    dn = delta * (1 - z) * (1 - n**2)
    dz = delta * (h - n) * z * (1 - z)
    dr = dn * hn * r * (1 - r)
    d = torch.cat([dr, dz, dn], 1)
    return d @ w.T, delta * z + d @ u.T, x.T @ d, h.T @ d, d.sum(0), d.sum(0)


# ---------------------------------------------------------------- RMSNorm with residual


class AddRMSNormFunction(Function):
    """The normalised sum, and the sum itself for the next residual branch."""

    EPS = 1e-6

    @staticmethod
    def forward(ctx, x, residual, weight):
        total = x + residual
        ctx.save_for_backward(total, weight)
        scale = (total.pow(2).mean(-1, keepdim=True) + AddRMSNormFunction.EPS).rsqrt()
        return total * scale * weight, total

    @staticmethod
    def backward(ctx, delta, delta_total):
        grad, grad_weight = add_rms_norm_gradients(ctx, delta)
        grad = grad + delta_total
        return grad, grad, grad_weight


def add_rms_norm_gradients(ctx, delta):
    total, weight = ctx.saved_tensors
    scale = (total.pow(2).mean(-1, keepdim=True) + AddRMSNormFunction.EPS).rsqrt()
    unit, d = total * scale, delta * weight
    return scale * (d - unit * (d * unit).mean(-1, keepdim=True)), (delta * unit).sum(0)


class AddRMSNorm(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function, self.weight = function, parameter(6)

    def forward(self, x, residual):
        return self.function.apply(x, residual, self.weight)


add_rms_norm = Layer("add and rms norm", AddRMSNorm, AddRMSNormFunction, (5, 6), (5, 6))


@add_rms_norm.bug("second-output-ignored")
def the_cotangent_of_the_sum_is_dropped(ctx, delta, delta_total):
    grad, grad_weight = add_rms_norm_gradients(ctx, delta)
    return grad, grad, grad_weight


# ---------------------------------------------------------------- SwiGLU


class SwiGLUFunction(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        gate, up = x.chunk(2, -1)
        return gate * torch.sigmoid(gate) * up

    @staticmethod
    def backward(ctx, delta):
        (x,) = ctx.saved_tensors
        gate, up = x.chunk(2, -1)
        s = torch.sigmoid(gate)
        silu = gate * s
        return torch.cat([delta * up * (silu + s * (1 - silu)), delta * silu], -1)


swiglu = Layer("swiglu", Plain, SwiGLUFunction, (4, 10))


@swiglu.bug("sigmoid-for-silu")
def the_gate_derivative_has_the_sigmoid_in_place_of_the_silu(ctx, delta):
    (x,) = ctx.saved_tensors
    gate, up = x.chunk(2, -1)
    s = torch.sigmoid(gate)
    silu = gate * s
    return torch.cat([delta * up * (silu + s * (1 - s)), delta * silu], -1)


# ---------------------------------------------------------------- dice loss


class DiceFunction(Function):
    """Soft dice of logits against a mask, per sample, averaged over the batch."""

    SMOOTH = 1.0

    @staticmethod
    def forward(ctx, logits, target):
        ctx.save_for_backward(logits, target)
        _, top, bottom = dice_parts(logits, target)
        return (1 - top / bottom).mean()

    @staticmethod
    def backward(ctx, delta):
        logits, target = ctx.saved_tensors
        p, top, bottom = dice_parts(logits, target)
        d = (top[:, None] - 2 * target * bottom[:, None]) / bottom[:, None] ** 2
        return delta * d * p * (1 - p) / len(p), None


def dice_parts(logits, target):
    p = torch.sigmoid(logits)
    top = 2 * (p * target).sum(1) + DiceFunction.SMOOTH
    return p, top, p.sum(1) + target.sum(1) + DiceFunction.SMOOTH


def mask():
    return torch.rand(4, 9) > 0.5


dice = Layer("dice loss", Plain, DiceFunction, (4, 9), mask)


@dice.bug("denominator-constant")
def the_denominator_is_held_constant(ctx, delta):
    logits, target = ctx.saved_tensors
    p, _, bottom = dice_parts(logits, target)
    d = -2 * target / bottom[:, None]
    return delta * d * p * (1 - p) / len(p), None


# ---------------------------------------------------------------- contrastive loss (CLIP)


class ContrastiveFunction(Function):
    """InfoNCE both ways, with a learned logarithm of the scale."""

    @staticmethod
    def forward(ctx, image, text, log_scale):
        ctx.save_for_backward(image, text, log_scale)
        logits = log_scale.exp() * image @ text.T
        rows, columns = logits.log_softmax(1), logits.log_softmax(0)
        return -(rows.diagonal() + columns.diagonal()).mean() / 2

    @staticmethod
    def backward(ctx, delta):
        image, text, log_scale = ctx.saved_tensors
        scale, similarity, d = contrastive_parts(image, text, log_scale)
        d = delta * d
        return scale * d @ text, scale * d.T @ image, scale * (d * similarity).sum()


def contrastive_parts(image, text, log_scale):
    scale, similarity = log_scale.exp(), image @ text.T
    logits = scale * similarity
    d = logits.softmax(1) + logits.softmax(0) - 2 * torch.eye(len(image), dtype=image.dtype)
    return scale, similarity, d / (2 * len(image))


class Contrastive(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function
        self.log_scale = nn.Parameter(torch.tensor(0.7, dtype=torch.float64))

    def forward(self, image, text):
        return self.function.apply(image, text, self.log_scale)


contrastive = Layer("contrastive loss", Contrastive, ContrastiveFunction, (5, 4), (5, 4))


@contrastive.bug("exponential-forgotten")
def the_gradient_of_the_log_scale_is_that_of_the_scale(ctx, delta):
    image, text, log_scale = ctx.saved_tensors
    scale, similarity, d = contrastive_parts(image, text, log_scale)
    d = delta * d
    return scale * d @ text, scale * d.T @ image, (d * similarity).sum()


# ---------------------------------------------------------------- mean over a graph's neighbours


class NeighbourMeanFunction(Function):
    """Node i becomes the mean of the nodes that point at it."""

    @staticmethod
    def forward(ctx, x, edges):
        ctx.save_for_backward(edges)
        source, target = edges
        total = torch.zeros_like(x).index_add(0, target, x[source])
        return total / in_degree(target, x)

    @staticmethod
    def backward(ctx, delta):
        source, target = ctx.saved_tensors[0]
        share = delta / in_degree(target, delta)
        return torch.zeros_like(delta).index_add(0, source, share[target]), None


def in_degree(target, x):
    return torch.bincount(target, minlength=len(x)).clamp(min=1).to(x.dtype)[:, None]


def edges():
    return torch.tensor([[0, 1, 2, 3, 4, 5, 0, 2, 5, 1, 3], [1, 0, 1, 1, 3, 3, 2, 4, 0, 1, 0]])


neighbour_mean = Layer("mean of neighbours", Plain, NeighbourMeanFunction, (6, 3), edges)


@neighbour_mean.bug("degree-of-the-wrong-end")
def the_gradient_is_divided_by_the_degree_of_the_source(ctx, delta):
    source, target = ctx.saved_tensors[0]
    total = torch.zeros_like(delta).index_add(0, source, delta[target])
    return total / in_degree(target, delta), None


# ---------------------------------------------------------------- Gaussian likelihood


class GaussianNLLFunction(Function):
    """Mean negative log-likelihood; the network predicts mean and log variance."""

    @staticmethod
    def forward(ctx, mean, log_variance, target):
        ctx.save_for_backward(mean, log_variance, target)
        return (log_variance + (target - mean) ** 2 * torch.exp(-log_variance)).mean() / 2

    @staticmethod
    def backward(ctx, delta):
        mean, log_variance, target = ctx.saved_tensors
        precision, error = torch.exp(-log_variance), mean - target
        d = delta / mean.numel()
        grad_mean = d * error * precision
        return grad_mean, d * (1 - error**2 * precision) / 2, -grad_mean


gaussian = Layer("gaussian likelihood", Plain, GaussianNLLFunction, (4, 5), (4, 5), (4, 5))


@gaussian.bug("change-of-variable-forgotten")
def the_log_variance_gets_the_gradient_of_the_variance(ctx, delta):
    mean, log_variance, target = ctx.saved_tensors
    precision, error = torch.exp(-log_variance), mean - target
    d = delta / mean.numel()
    grad_mean = d * error * precision
    return grad_mean, d * (precision - error**2 * precision**2) / 2, -grad_mean


# ---------------------------------------------------------------- spectral filter


class SpectralFunction(Function):
    """Circular convolution: the filter's one-sided spectrum is learned."""

    @staticmethod
    def forward(ctx, x, real, imaginary):
        ctx.save_for_backward(x, real, imaginary)
        return torch.fft.irfft(torch.fft.rfft(x) * torch.complex(real, imaginary), n=x.shape[-1])

    @staticmethod
    def backward(ctx, delta):
        x, real, imaginary = ctx.saved_tensors
        n = x.shape[-1]
        spectrum = torch.fft.rfft(delta)
        grad_x = torch.fft.irfft(spectrum * torch.complex(real, -imaginary), n=n)
        count = torch.full_like(real, 2.0)  # every bin stands for its mirror image too
        count[0] = count[-1] = 1.0  # but for the constant and the Nyquist frequency (n is even)
        grad = (torch.fft.rfft(x).conj() * spectrum).sum(0) * count / n
        return grad_x, grad.real, grad.imag


class Spectral(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function
        self.real, self.imaginary = parameter(5), parameter(5)

    def forward(self, x):
        return self.function.apply(x, self.real, self.imaginary)


spectral = Layer("spectral filter", Spectral, SpectralFunction, (4, 8))


@spectral.bug("mirror-bins")
def the_constant_and_nyquist_bins_are_counted_twice(ctx, delta):
    x, real, imaginary = ctx.saved_tensors
    n = x.shape[-1]
    spectrum = torch.fft.rfft(delta)
    grad_x = torch.fft.irfft(spectrum * torch.complex(real, -imaginary), n=n)
    grad = (torch.fft.rfft(x).conj() * spectrum).sum(0) * 2 / n
    return grad_x, grad.real, grad.imag


# ---------------------------------------------------------------- bilinear upsampling


def interpolation(size, factor, align_corners=False, dtype=torch.float64):
    """(size * factor, size): each row holds an output's weights on two neighbours."""
    out = torch.arange(size * factor, dtype=dtype)
    if align_corners:
        place = out * (size - 1) / (size * factor - 1)
    else:
        place = ((out + 0.5) / factor - 0.5).clamp(0, size - 1)
    low = place.floor().long().clamp(max=size - 2)
    part = (place - low)[:, None]
    return (1 - part) * F.one_hot(low, size) + part * F.one_hot(low + 1, size)


class UpsampleFunction(Function):
    """Twice as high and wide, align_corners=False."""

    @staticmethod
    def forward(ctx, x):
        ctx.size = x.shape[-2:]
        high, wide = (interpolation(n, 2) for n in ctx.size)
        return high @ x @ wide.T

    @staticmethod
    def backward(ctx, delta):
        high, wide = (interpolation(n, 2) for n in ctx.size)
        return high.T @ delta @ wide


upsample = Layer("bilinear upsampling", Plain, UpsampleFunction, (2, 2, 3, 4))


@upsample.bug("other-grid")
def the_gradient_is_spread_with_aligned_corners(ctx, delta):
    high, wide = (interpolation(n, 2, align_corners=True) for n in ctx.size)
    return high.T @ delta @ wide


# ---------------------------------------------------------------- distillation


class DistillationFunction(Function):
    """KL(teacher || student) at temperature T, times T squared; both networks learn."""

    T = 2.0

    @staticmethod
    def forward(ctx, student, teacher):
        ctx.save_for_backward(student, teacher)
        p, ratio = distillation_parts(student, teacher)
        return DistillationFunction.T**2 * (p * ratio).sum() / len(student)

    @staticmethod
    def backward(ctx, delta):
        student, teacher = ctx.saved_tensors
        p, ratio = distillation_parts(student, teacher)
        q = (student / DistillationFunction.T).softmax(1)
        d = delta * DistillationFunction.T / len(student)
        return d * (q - p), d * p * (ratio - (p * ratio).sum(1, keepdim=True))


def distillation_parts(student, teacher):
    log_q = (student / DistillationFunction.T).log_softmax(1)
    log_p = (teacher / DistillationFunction.T).log_softmax(1)
    return log_p.exp(), log_p - log_q


distillation = Layer("distillation loss", Plain, DistillationFunction, (4, 5), (4, 5))


@distillation.bug("softmax-not-centred")
def the_teacher_gradient_lacks_the_mean_that_the_softmax_subtracts(ctx, delta):
    student, teacher = ctx.saved_tensors
    p, ratio = distillation_parts(student, teacher)
    q = (student / DistillationFunction.T).softmax(1)
    d = delta * DistillationFunction.T / len(student)
    return d * (q - p), d * p * ratio


# ---------------------------------------------------------------- squeeze and excitation


class ExcitationFunction(Function):
    @staticmethod
    def forward(ctx, x, w1, w2):
        ctx.save_for_backward(x, w1, w2)
        return x * excitation_parts(x, w1, w2)[2][:, :, None, None]

    @staticmethod
    def backward(ctx, delta):
        x, w1, w2 = ctx.saved_tensors
        squeezed, hidden, gate = excitation_parts(x, w1, w2)
        d2 = (delta * x).sum((2, 3)) * gate * (1 - gate)
        d1 = d2 @ w2.T * (hidden > 0)
        through_mean = d1 @ w1.T / (x.shape[2] * x.shape[3])
        grad_x = delta * gate[:, :, None, None] + through_mean[:, :, None, None]
        return grad_x, squeezed.T @ d1, hidden.T @ d2


def excitation_parts(x, w1, w2):
    squeezed = x.mean((2, 3))
    hidden = torch.relu(squeezed @ w1)
    return squeezed, hidden, torch.sigmoid(hidden @ w2)


class Excitation(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function
        self.w1, self.w2 = parameter(4, 3), parameter(3, 4)

    def forward(self, x):
        return self.function.apply(x, self.w1, self.w2)


excitation = Layer("squeeze and excitation", Excitation, ExcitationFunction, (3, 4, 3, 3))


@excitation.bug("pooling-path")
def the_path_through_the_squeeze_is_not_divided_by_the_pixels(ctx, delta):
    x, w1, w2 = ctx.saved_tensors
    squeezed, hidden, gate = excitation_parts(x, w1, w2)
    d2 = (delta * x).sum((2, 3)) * gate * (1 - gate)
    d1 = d2 @ w2.T * (hidden > 0)
    grad_x = delta * gate[:, :, None, None] + (d1 @ w1.T)[:, :, None, None]
    return grad_x, squeezed.T @ d1, hidden.T @ d2


# ---------------------------------------------------------------- healthy only


class SolveFunction(Function):
    @staticmethod
    def forward(ctx, a, b):
        y = torch.linalg.solve(a, b)
        ctx.save_for_backward(a, y)
        return y

    @staticmethod
    def backward(ctx, delta):
        a, y = ctx.saved_tensors
        grad_b = torch.linalg.solve(a.T, delta)
        return -grad_b @ y.T, grad_b


def well_conditioned():
    return random(4, 4) + 4 * torch.eye(4, dtype=torch.float64)


solve = Layer("solve", Plain, SolveFunction, well_conditioned, (4, 3))


class CausalConvFunction(Function):
    """One dimension, three taps two apart; an output sees itself and the past alone."""

    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return F.conv1d(F.pad(x, (4, 0)), weight, dilation=2)

    @staticmethod
    def backward(ctx, delta):
        x, weight = ctx.saved_tensors
        length = x.shape[2]
        x = F.pad(x, (4, 0))
        future = F.pad(delta, (0, 4))
        grad_x, grad_weight = 0, []
        for k in range(3):
            start = 2 * (2 - k)  # this tap looks so far back
            later = future[:, :, start : start + length]
            grad_x = grad_x + torch.einsum("oi,bot->bit", weight[:, :, k], later)
            taps = x[:, :, 2 * k : 2 * k + length]
            grad_weight.append(torch.einsum("bot,bit->oi", delta, taps))
        return grad_x, torch.stack(grad_weight, 2)


class CausalConv(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function, self.weight = function, parameter(4, 3, 3)

    def forward(self, x):
        return self.function.apply(x, self.weight)


causal_conv = Layer("causal convolution", CausalConv, CausalConvFunction, (2, 3, 8))


class TripletFunction(Function):
    """Squared distances with a margin, averaged over the batch."""

    @staticmethod
    def forward(ctx, anchor, positive, negative):
        ctx.save_for_backward(anchor, positive, negative)
        return triplet_excess(anchor, positive, negative).clamp(min=0).mean()

    @staticmethod
    def backward(ctx, delta):
        anchor, positive, negative = ctx.saved_tensors
        active = triplet_excess(anchor, positive, negative)[:, None] > 0
        d = 2 * delta * active / len(anchor)
        return d * (negative - positive), d * (positive - anchor), d * (anchor - negative)


def triplet_excess(anchor, positive, negative):
    near, far = (anchor - positive).pow(2).sum(1), (anchor - negative).pow(2).sum(1)
    return near - far + 1.0


triplet = Layer("triplet loss", Plain, TripletFunction, (6, 4), (6, 4), (6, 4))


LAYERS = [
    rotary,
    gru,
    add_rms_norm,
    swiglu,
    dice,
    contrastive,
    neighbour_mean,
    gaussian,
    spectral,
    upsample,
    distillation,
    excitation,
    solve,
    causal_conv,
    triplet,
]
SECOND_DOZEN = [specimen for layer in LAYERS for specimen in layer.bugs]
SECOND_HEALTHY = [layer.healthy for layer in LAYERS]
