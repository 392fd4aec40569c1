"""A gated recurrent unit for few cores: gate inputs are precomputed, the backward pass is hand-written.

With a vocabulary of a hundred tokens the product of embedding and input weights is a table look-up, so the caller
passes the gate inputs, and only recurrent operations are left. The backward pass computes the weight gradient of all
steps in one matrix product. Under autocast, only matrix products use the lower precision; states and gates stay in
float32, so that rounding errors do not accumulate over steps.

Notation: L steps, B sequences, H hidden units; gates are stacked as reset, update, new along the last axis.

    r_t = sigmoid(x_r + h_{t-1} W_r)
    u_t = sigmoid(x_u + h_{t-1} W_u)
    n_t = tanh(x_n + r_t * (h_{t-1} W_n + b))
    h_t = (1 - u_t) * n_t + u_t * h_{t-1}

Source: Cho et al. 2014 (arXiv:1406.1078), in the variant of Chung et al. 2014 that resets after the product.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


def gru_step(x: Tensor, h: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The next hidden state (B, H) from gate inputs `x` (B, 3H) and state `h` (B, H)."""
    size = h.shape[1]
    g = h @ weight
    r, u = torch.sigmoid(x[:, : 2 * size] + g[:, : 2 * size]).chunk(2, dim=1)
    n = torch.tanh(x[:, 2 * size :] + r * (g[:, 2 * size :] + bias))
    return n + u * (h - n)


class _Recurrence(torch.autograd.Function):
    """All L steps, with the backward pass through time; `product` is the type of matrix products."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, h0: Tensor, weight: Tensor, bias: Tensor, product: torch.dtype) -> Tensor:
        length, batch, width = x.shape
        size = width // 3
        weight = weight.to(product)
        states = x.new_empty(length + 1, batch, size)
        states[0] = h0
        gates = torch.empty_like(x)
        hidden_new = x.new_empty(length, batch, size)
        for t in range(length):
            g = states[t].to(product) @ weight
            torch.add(x[t, :, : 2 * size], g[:, : 2 * size], out=gates[t, :, : 2 * size]).sigmoid_()
            r, u, n = gates[t].split(size, dim=1)
            torch.add(g[:, 2 * size :], bias, out=hidden_new[t])
            torch.addcmul(x[t, :, 2 * size :], r, hidden_new[t], out=n).tanh_()
            torch.lerp(n, states[t], u, out=states[t + 1])
        ctx.save_for_backward(states, gates, hidden_new, weight)
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, None]:
        states, gates, hidden_new, weight = ctx.saved_tensors
        length, batch, size = grad.shape
        dx = torch.empty_like(gates)
        dg = torch.empty_like(gates)
        dh = torch.zeros_like(states[0])
        product, transposed = weight.dtype, weight.t().contiguous()
        for t in range(length - 1, -1, -1):
            dh = dh + grad[t]
            r, u, n = gates[t].split(size, dim=1)
            dr, du, dn = dx[t].split(size, dim=1)
            torch.mul(dh * (1 - u), 1 - n * n, out=dn)
            torch.mul(dh * (states[t] - n), u * (1 - u), out=du)
            torch.mul(dn * hidden_new[t], r * (1 - r), out=dr)
            dg[t, :, : 2 * size] = dx[t, :, : 2 * size]
            torch.mul(dn, r, out=dg[t, :, 2 * size :])
            dh = torch.addcmul(dg[t].to(product) @ transposed, dh, u)
        flat = dg.view(length * batch, 3 * size)
        d_weight = states[:-1].reshape(length * batch, size).to(product).t() @ flat.to(product)
        return dx, dh, d_weight.to(dx.dtype), flat[:, 2 * size :].sum(dim=0), None


class Gru(nn.Module):
    """The recurrent part of one GRU layer.

    `forward` takes gate inputs (L, B, 3H) and a first state (B, H), and returns the states (L, B, H).
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        weight = torch.empty(3, size, size)
        for gate in weight:
            nn.init.orthogonal_(gate)
        self.weight = nn.Parameter(weight.permute(1, 0, 2).reshape(size, 3 * size).contiguous())
        self.bias = nn.Parameter(torch.zeros(size))

    def forward(self, x: Tensor, h0: Tensor) -> Tensor:
        """All states (L, B, H) from gate inputs `x` (L, B, 3H) and first state `h0` (B, H)."""
        product, kind = x.dtype, x.device.type
        if torch.is_autocast_enabled(kind):
            x, h0, product = x.float(), h0.float(), torch.get_autocast_dtype(kind)
        states: Tensor = _Recurrence.apply(x, h0, self.weight, self.bias, product)  # type: ignore[no-untyped-call]
        return states

    def step(self, x: Tensor, h: Tensor) -> Tensor:
        """One step: the next state (B, H) from gate inputs `x` (B, 3H) and state `h` (B, H)."""
        return gru_step(x, h, self.weight, self.bias)
