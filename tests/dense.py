"""A linear layer as the matrix that nobody writes down: it is applied to every unit vector."""

import torch


def matrix_of(function, shape):
    """A with function(X) = A X: the shape of Y, then that of X."""
    count = torch.Size(shape).numel()
    units = torch.eye(count, dtype=torch.float64).reshape(count, *shape)
    columns = [function(unit) for unit in units] or [function(torch.zeros(shape).double())]
    matrix = torch.stack(columns, -1)
    return matrix if count else matrix.narrow(-1, 0, 0)


def assert_adjoint(function, x):
    """The gradient of <delta, function(X)> by X is A^T delta."""
    matrix = matrix_of(function, x.shape)
    y = function(x)
    delta = torch.randn_like(y)
    (grad,) = torch.autograd.grad(y, x, delta)
    torch.testing.assert_close((matrix @ x.detach().flatten()), y.detach())
    torch.testing.assert_close(grad.flatten(), matrix.flatten(0, -2).T @ delta.flatten())
