"""The restricted Boltzmann machine against sums over all of its states."""

from __future__ import annotations

from operator import itemgetter

import pytest
import torch
from scipy.stats import chi2
from torch import Tensor
from torch.func import functional_call, grad, stack_module_state, vmap

from gan_cli.densities.rbm import RBM
from tests.densities.small_rbm import log_joint, small, states


def rand(*size: int, seed: int = 0) -> Tensor:
    return torch.rand(size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def numbers(v: Tensor) -> Tensor:
    """The number of each state in the order of `states`."""
    return (v @ 2.0 ** torch.arange(v.shape[1] - 1, -1, -1, dtype=v.dtype)).long()


def fits(found: Tensor, expected: Tensor) -> bool:
    """Whether counts pass Pearson's χ² test at the level of one in ten thousand."""
    expected = expected.detach()
    statistic = float(((found - expected).square() / expected).sum())
    return bool(statistic < chi2.ppf(1 - 1e-4, len(found) - 1))


def test_free_energy_sums_out_the_hidden_units() -> None:
    model = small()
    torch.testing.assert_close(-model.free_energy(states(5)), torch.logsumexp(log_joint(model), 1))


def test_conditionals() -> None:
    model = small()
    joint = log_joint(model).exp()
    of_h = (joint @ states(4)) / joint.sum(1, keepdim=True)
    of_v = (joint.T @ states(5)) / joint.sum(0)[:, None]
    torch.testing.assert_close(model.hidden(states(5)), of_h)
    torch.testing.assert_close(model.visible(states(4)), of_v)


def test_pseudo_likelihood() -> None:
    """Σ_i ln p(v_i | others) from ratios of the enumerated p(v)."""
    model = small()
    log_p, v = torch.logsumexp(log_joint(model), 1), states(5)
    exact = torch.zeros(32, dtype=torch.float64)
    for i in range(5):
        flipped = v.clone()
        flipped[:, i] = 1 - flipped[:, i]
        exact += log_p - torch.logaddexp(log_p, log_p[numbers(flipped)])
    each = [model.pseudo_log_likelihood(v, torch.full((32,), (i + 0.5) / 5)) for i in range(5)]
    torch.testing.assert_close(torch.stack(each).mean(0), exact)


def test_likelihood_with_the_exact_constant_sums_to_one() -> None:
    model = small()
    settled = model.settle(torch.Generator(), 2)._replace(
        value=torch.logsumexp(log_joint(model).flatten(), 0)
    )
    log_p = model.log_likelihood(states(5), settled, torch.Generator(), 1)
    torch.testing.assert_close(log_p.exp().sum(), torch.ones((), dtype=torch.float64))


def test_a_sweep_leaves_the_law_as_it_is() -> None:
    """From states at the machine's own frequencies, the next states have these frequencies: χ²."""
    model, n = small(), 40_000
    p = torch.softmax(torch.logsumexp(log_joint(model), 1), 0)
    v = states(5)[torch.multinomial(p, n, replacement=True, generator=torch.Generator().manual_seed(1))]
    after = model.gibbs(v, rand(n, model.units))
    assert fits(torch.bincount(numbers(after), minlength=32).double(), n * p)
    uniform = model.gibbs(states(5).repeat(n // 32, 1), rand(n, model.units))
    assert not fits(torch.bincount(numbers(uniform), minlength=32).double(), n * p)


def test_detailed_balance() -> None:
    """In equilibrium v -> v' happens as often as v' -> v: χ² over all pairs that are seen often enough."""
    model, n = small(3, 2), 100_000
    p = torch.softmax(torch.logsumexp(log_joint(model), 1), 0)
    v = states(3)[torch.multinomial(p, n, replacement=True, generator=torch.Generator().manual_seed(2))]
    pairs = 8 * numbers(v) + numbers(model.gibbs(v, rand(n, model.units)))
    flow = torch.bincount(pairs, minlength=64).double().reshape(8, 8)
    upper = torch.triu_indices(8, 8, 1)
    there, back = flow[*upper], flow.T[*upper]
    often = there + back > 20
    statistic = ((there - back).square() / (there + back))[often].sum()
    assert often.sum() > 15
    assert float(statistic) < chi2.ppf(1 - 1e-4, int(often.sum()))


def test_samples_follow_the_law() -> None:
    """Through `generate`: the chain behind a sample, driven by a hash of its latent, ends in the law."""
    model, n = small(burn_in=40), 20_000
    model.averaged = 0
    latent = model.prior.draw(torch.Generator().manual_seed(3), n, torch.float64)
    found = torch.bincount(numbers(model.generate(latent)), minlength=32).double()
    assert fits(found, n * torch.softmax(torch.logsumexp(log_joint(model), 1), 0))


def test_averaged_probabilities_have_the_mean_of_the_law() -> None:
    model, n = small(burn_in=60), 4_000
    model.averaged = 20
    latent = model.prior.draw(torch.Generator().manual_seed(4), n, torch.float64)
    x = model.generate(latent)
    p = torch.softmax(torch.logsumexp(log_joint(model), 1), 0)
    error = x.std(0) / n**0.5
    assert ((x.mean(0) - p @ states(5)).abs() < 4 * error).all()
    model.averaged = 1
    assert (model.generate(latent).var(0) > x.var(0)).all()


def test_a_sample_is_a_function_of_its_latent_alone() -> None:
    model = RBM(shape=(1, 4, 4), hidden=6, burn_in=5)
    latent = model.prior.draw(torch.Generator().manual_seed(0), 7)
    together = model.generate(latent)
    assert together.shape == (7, 1, 4, 4)
    torch.testing.assert_close(together[3:4], model.generate(latent[3:4]))
    nudged = latent.clone()
    nudged[3, 15] += 2**-20
    assert not torch.allclose(model.generate(nudged)[3], together[3])


def test_the_first_examples_give_the_base_rates() -> None:
    model = RBM(shape=(2,), hidden=3)
    model.begin(torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 0.0]]))
    torch.testing.assert_close(model.base.sigmoid(), torch.tensor([3 / 5, 1 / 5]))
    model.begin(torch.ones(4, 2))
    torch.testing.assert_close(model.base.sigmoid(), torch.tensor([3 / 5, 1 / 5]))


def test_vmap_is_a_loop() -> None:
    """Free energy, its gradient, a sweep and samples of several machines at once."""
    models = [small(seed=seed, burn_in=3) for seed in range(3)]
    params, buffers = stack_module_state(models)
    v, u, latent = states(5), rand(32, 9), 2 * rand(32, 5) - 1

    class Called(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = models[0]

        def forward(self, method: str, *arguments: Tensor) -> Tensor:
            return getattr(self.model, method)(*arguments)  # type: ignore[no-any-return]

    def call(p: dict[str, Tensor], b: dict[str, Tensor], method: str, *arguments: Tensor) -> Tensor:
        tensors = {f"model.{name}": tensor for name, tensor in (p | b).items()}
        return functional_call(Called(), tensors, (method, *arguments))  # type: ignore[no-any-return]

    def all_of(p: dict[str, Tensor], b: dict[str, Tensor]) -> tuple[object, ...]:
        gradient = grad(lambda q: call(q, b, "free_energy", v).mean())(p)
        return (
            gradient,
            call(p, b, "gibbs", v, u),
            call(p, b, "generate", latent),
            call(p, b, "pseudo_log_likelihood", v, u[:, 0]),
        )

    together = vmap(all_of)(params, buffers)
    for number in range(3):
        one = [{name: tensor[number] for name, tensor in tree.items()} for tree in (params, buffers)]
        there = torch.utils._pytree.tree_map(itemgetter(number), together)
        torch.testing.assert_close(there, all_of(*one))


def test_settling_is_the_annealed_estimate() -> None:
    model = small(8, 6, scale=0.8)
    settled = model.settle(torch.Generator().manual_seed(0), 100)
    exact = torch.logsumexp(log_joint(model).detach().flatten(), 0)
    assert abs(float(settled.value - exact)) < min(0.1, 3 * float(model.shared_error(settled)))


def test_pictures() -> None:
    model = RBM(shape=(1, 4, 4), hidden=10, burn_in=30)
    x = (torch.rand(9, 1, 4, 4) < 0.3).float()
    sheets = model.exhibits(x, torch.Generator().manual_seed(0))
    filters, chains = sheets["filters"], sheets["chains"]
    assert filters.images.shape == (10, 1, 4, 4)
    assert chains.images.shape == (8 * 5, 1, 4, 4)  # the example itself, and after 1, 3, 10 and 30 sweeps
    assert chains.columns == 5
    torch.testing.assert_close(chains.images[::5], x[:8])
    assert all(s.images.min() >= 0 and s.images.max() <= 1 for s in sheets.values())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"hidden": 0}, "hidden must be at least 1"),
        ({"burn_in": 0}, "burn_in must be"),
        ({"averaged": -1}, "averaged must be at least 0"),
        ({"averaged": 11, "burn_in": 10}, "averaged must be at most burn_in=10, got 11"),
        ({"temperatures": 2}, "temperatures must be at least 3, got 2"),
        ({"chains": 0}, "chains must be"),
    ],
)
def test_refused(arguments: dict[str, int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        RBM(shape=(4,), **arguments)
