"""The hand-written GRU against automatic differentiation and against torch's own."""

import pytest
import torch
from torch import Tensor, nn

from molgen.model.gru import Gru, gru_step

L, B, H = 5, 3, 4


def inputs(seed: int, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = ((L, B, 3 * H), (B, H), (H, 3 * H), (H,))
    return [torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype).requires_grad_() for shape in shapes]


def unrolled(x: Tensor, h: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    states = []
    for x_t in x:
        h = gru_step(x_t, h, weight, bias)
        states.append(h)
    return torch.stack(states)


def gru_of(weight: Tensor, bias: Tensor) -> Gru:
    gru = Gru(H).to(weight.dtype)
    gru.load_state_dict({"weight": weight.detach(), "bias": bias.detach()})
    return gru


def gradients(states: Tensor, *leaves: Tensor) -> tuple[Tensor, ...]:
    pull = torch.randn(states.shape, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    return torch.autograd.grad((states * pull).sum(), leaves)


@pytest.mark.parametrize("seed", range(3))
def test_states_and_gradients_are_those_of_the_unrolled_recurrence(seed: int) -> None:
    x, h0, weight, bias = inputs(seed)
    gru = gru_of(weight, bias)
    ours, theirs = gru(x, h0), unrolled(x, h0, weight, bias)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(gradients(ours, x, h0, gru.weight, gru.bias), gradients(theirs, x, h0, weight, bias))


def test_gradients_are_those_of_finite_differences() -> None:
    x, h0, weight, bias = inputs(0)
    gru = gru_of(weight, bias)

    def states(x: Tensor, h0: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        result: Tensor = torch.func.functional_call(gru, {"weight": weight, "bias": bias}, (x, h0))
        return result

    assert torch.autograd.gradcheck(states, (x, h0, weight, bias))


def test_states_are_those_of_the_torch_gru() -> None:
    """Torch stacks reset, update, new as well, and has a second bias on the input, which is left at zero."""
    x, h0, weight, bias = inputs(1)
    theirs = nn.GRU(3 * H, H, dtype=torch.float64)
    nothing = torch.zeros(3 * H, dtype=torch.float64)
    theirs.load_state_dict(
        {
            "weight_ih_l0": torch.eye(3 * H),
            "weight_hh_l0": weight.detach().t(),
            "bias_ih_l0": nothing,
            "bias_hh_l0": torch.cat([nothing[: 2 * H], bias.detach()]),
        }
    )
    expected, _ = theirs(x, h0[None])
    torch.testing.assert_close(gru_of(weight, bias)(x, h0), expected)


def test_stepping_equals_running() -> None:
    x, h0, weight, bias = inputs(2)
    gru = gru_of(weight, bias)
    states, h = gru(x, h0), h0
    for t in range(L):
        h = gru.step(x[t], h)
        torch.testing.assert_close(h, states[t])


def test_bfloat16_products_leave_states_and_gradients_near_those_of_float32() -> None:
    x, h0, weight, bias = inputs(3, torch.float32)
    gru = gru_of(weight * 0.3, bias)
    exact = gru(x, h0)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = gru(x, h0.bfloat16())
    assert rounded.dtype == torch.float32
    assert not torch.equal(rounded, exact), "autocast had no effect"
    torch.testing.assert_close(rounded, exact, atol=0.02, rtol=0.0)
    leaves = (x, h0, gru.weight, gru.bias)
    for coarse, fine in zip(gradients(rounded, *leaves), gradients(exact, *leaves), strict=True):
        assert coarse.dtype == torch.float32
        assert (coarse - fine).norm() < 0.03 * fine.norm()
