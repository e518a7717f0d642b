import math

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.metrics.pairwise import rbf_kernel
from torch.autograd.functional import jacobian

from training.objectives import regularisers


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def normal(rng: np.random.Generator, *shape: int) -> torch.Tensor:
    return torch.from_numpy(rng.normal(size=shape))


def test_free_bits_are_the_larger_of_floor_and_mean_kl_of_each_latent(rng):
    for shape in ((6, 5), (6, 3, 2, 2)):
        kl = normal(rng, *shape).abs()
        expected = 0.0
        for column in kl.numpy().reshape(6, -1).T:
            expected += max(0.7, sum(column) / 6)
        assert regularisers.free_bits(kl, 0.7).item() == pytest.approx(expected, rel=1e-12)


def test_a_latent_below_the_floor_of_free_bits_is_not_pulled():
    kl = torch.tensor([[0.1, 2.0, 0.9], [0.3, 4.0, 0.1]], requires_grad=True)
    regularisers.free_bits(kl, 0.6).backward()
    torch.testing.assert_close(kl.grad, torch.tensor([[0.0, 0.5, 0.0], [0.0, 0.5, 0.0]]))


def test_without_a_floor_free_bits_are_the_kl(rng):
    kl = normal(rng, 4, 3).abs()
    torch.testing.assert_close(regularisers.free_bits(kl, 0.0), kl.sum(1).mean())


def test_capacity_is_the_distance_of_the_mean_kl_from_its_target_on_either_side():
    kl = torch.tensor([2.0, 4.0], requires_grad=True)
    for nats, distance, pull in ((1.0, 2.0, 0.5), (7.0, 4.0, -0.5)):
        kl.grad = None
        found = regularisers.capacity(kl, nats)
        found.backward()
        assert found.item() == distance
        assert kl.grad.tolist() == [pull, pull]


def test_the_capacity_grows_linearly_and_stays():
    found = [regularisers.capacity_at(step, 40, 8.0) for step in (0, 10, 40, 41, 10_000)]
    assert found == [0.0, 2.0, 8.0, 8.0, 8.0]
    assert regularisers.capacity_at(0, 0, 8.0) == 8.0


def mmd_by_loops(a: np.ndarray, b: np.ndarray) -> float:
    """Zhao's kernel as his code has it: exp of minus the mean square divided by the dimension."""
    total, dimension = 0.0, a.shape[1]
    for first, second, weight in ((a, a, 1), (b, b, 1), (a, b, -2)):
        kernel = [
            math.exp(-float(np.mean((x - y) ** 2)) / dimension) for x in first for y in second
        ]
        total += weight * sum(kernel) / len(kernel)
    return total


def test_the_mmd_is_that_of_a_double_loop_and_of_scikit_learn(rng):
    for dimension in (1, 3, 8):
        a, b = rng.normal(size=(9, dimension)), 1 + 2 * rng.normal(size=(7, dimension))
        found = regularisers.mmd(torch.from_numpy(a), torch.from_numpy(b)).item()
        assert found == pytest.approx(mmd_by_loops(a, b), rel=1e-9)
        gamma = 1 / dimension**2
        kernels = [rbf_kernel(x, y, gamma=gamma).mean() for x, y in ((a, a), (b, b), (a, b))]
        assert found == pytest.approx(kernels[0] + kernels[1] - 2 * kernels[2], rel=1e-9)


def test_the_mmd_of_equal_samples_is_zero_and_grows_as_the_mean_moves(rng):
    z = normal(rng, 200, 4)
    found = [regularisers.mmd(z + shift, z).item() for shift in (0.0, 0.5, 1.0, 2.0, 20.0)]
    assert found[0] == 0
    assert found == sorted(found)
    assert found[-1] <= 2


def test_the_gradient_of_the_mmd_is_that_of_finite_differences(rng):
    z, prior = normal(rng, 5, 3).requires_grad_(), normal(rng, 4, 3)
    assert torch.autograd.gradcheck(lambda z: regularisers.mmd(z, prior), z)


def test_alpha_trades_the_kl_for_the_mmd():
    kl, discrepancy = torch.tensor([2.0, 4.0]), torch.tensor(0.3)
    assert regularisers.info(kl, discrepancy, 1.0, 500.0).item() == pytest.approx(500 * 0.3)
    assert regularisers.info(kl, discrepancy, 0.0, 500.0).item() == pytest.approx(3 + 499 * 0.3)
    assert regularisers.info(kl, discrepancy, 0.0, 1.0).item() == pytest.approx(3)
    assert regularisers.info(kl, discrepancy, 0.5, 10.0).item() == pytest.approx(1.5 + 9.5 * 0.3)


def test_the_log_density_is_that_of_scipy(rng):
    z, mu, log_var = (normal(rng, 50) for _ in range(3))
    expected = stats.norm.logpdf(z, mu, np.exp(log_var.numpy() / 2))
    np.testing.assert_allclose(regularisers.log_normal(z, mu, log_var), expected, rtol=1e-12)


def test_the_parts_of_the_kl_add_up_to_its_estimate_from_the_same_samples(rng):
    z, mu, log_var = (normal(rng, 12, 4) for _ in range(3))
    parts = regularisers.kl_parts(z, mu, log_var, 5000)
    scale = np.exp(log_var.numpy() / 2)
    estimate = stats.norm.logpdf(z, mu, scale) - stats.norm.logpdf(z)
    assert sum(parts).item() == pytest.approx(estimate.sum(1).mean(), rel=1e-10)


def test_the_weights_of_the_estimate_are_one_over_images_times_batch(rng):
    """Chen et al. 2018, appendix C.1: ln q(z) ~ ln 1/(N M) sum_j q(z | x_j)."""
    z, mu, log_var = (normal(rng, 6, 2) for _ in range(3))
    parts = regularisers.kl_parts(z, mu, log_var, 100)
    scale = np.exp(log_var.numpy() / 2)
    density = stats.norm.pdf(z.numpy()[:, None], mu.numpy()[None], scale[None])
    joint = np.log(density.prod(2).sum(1) / 600)
    marginals = np.log(density.sum(1) / 600).sum(1)
    own = stats.norm.logpdf(z, mu, scale).sum(1)
    expected = (own - joint, joint - marginals, marginals - stats.norm.logpdf(z).sum(1))
    np.testing.assert_allclose(parts, [term.mean() for term in expected], rtol=1e-10)


def integrated_parts(mu: np.ndarray, log_var: np.ndarray) -> tuple[float, float, float]:
    """MI, TC and dimension-wise KL of a mixture in the plane, integrated on a grid."""
    axis = np.linspace(-9, 9, 721)
    cell = (axis[1] - axis[0]) ** 2
    sides = [
        stats.norm.pdf(axis, m[:, None], np.exp(v / 2)[:, None])
        for m, v in zip(mu.T, log_var.T, strict=True)
    ]
    components = sides[0][:, :, None] * sides[1][:, None, :]
    joint = components.mean(0)
    product = np.outer(sides[0].mean(0), sides[1].mean(0))
    prior = np.outer(stats.norm.pdf(axis), stats.norm.pdf(axis))
    entropy = -float((joint * np.log(joint + 1e-300)).sum()) * cell
    own = float(np.mean(0.5 * (log_var + math.log(2 * math.pi * math.e)).sum(1)))
    correlation = float((joint * np.log((joint + 1e-300) / (product + 1e-300))).sum()) * cell
    dimensions = float((joint * np.log((product + 1e-300) / (prior + 1e-300))).sum()) * cell
    return entropy - own, correlation, dimensions


def sampled_parts(mu: np.ndarray, log_var: np.ndarray, repeats: int) -> regularisers.KlParts:
    """The parts from `repeats` samples of each posterior; images 1 gives weights 1/M."""
    rng = np.random.default_rng(1)
    mu, log_var = np.tile(mu, (repeats, 1)), np.tile(log_var, (repeats, 1))
    z = mu + np.exp(log_var / 2) * rng.normal(size=mu.shape)
    return regularisers.kl_parts(*map(torch.from_numpy, (z, mu, log_var)), images=1)


def test_the_parts_of_a_mixture_in_the_plane_are_those_of_numerical_integration():
    mu = np.array([[-2.0, -1.5], [2.0, 1.5], [0.5, 2.0], [-1.0, -2.0]])
    log_var = np.log(np.array([[0.3, 0.5], [0.6, 0.2], [0.4, 0.9], [0.2, 0.4]]))
    found = sampled_parts(mu, log_var, 500)
    np.testing.assert_allclose(found, integrated_parts(mu, log_var), rtol=0.03)
    assert found.total_correlation > 0.3


def test_an_aggregate_that_factorises_has_no_total_correlation():
    corners = np.array([[x, y] for x in (-2.0, 2.0) for y in (-1.0, 1.0)])
    log_var = np.full((4, 2), math.log(0.3))
    found = sampled_parts(corners, log_var, 500)
    assert found.total_correlation.item() == pytest.approx(0, abs=1e-9)
    assert found.mutual_information.item() > 1


def test_the_size_of_the_data_set_shifts_the_parts_and_no_gradient(rng):
    z, mu, log_var = (normal(rng, 8, 3).requires_grad_() for _ in range(3))
    few = regularisers.kl_parts(z, mu, log_var, 1)
    many = regularisers.kl_parts(z, mu, log_var, 1000)
    shifts = [(b - a).item() for a, b in zip(few, many, strict=True)]
    np.testing.assert_allclose(shifts, math.log(1000) * np.array([1, 2, -3]), rtol=1e-9)
    for a, b in zip(few, many, strict=True):
        pulls = [torch.autograd.grad(part, (z, mu, log_var), retain_graph=True) for part in (a, b)]
        torch.testing.assert_close(*pulls)


def test_beta_tc_weights_only_the_total_correlation():
    parts = regularisers.KlParts(*torch.tensor([1.0, 0.5, 0.25]))
    assert regularisers.beta_tc(parts, 6.0).item() == 4.25
    assert regularisers.beta_tc(parts, 1.0).item() == 1.75


def test_dip_is_the_distance_of_the_covariance_of_the_aggregate_from_the_identity(rng):
    mu, log_var = normal(rng, 30, 4), normal(rng, 30, 4)
    covariance = np.cov(mu.numpy().T, ddof=0) + np.diag(np.exp(log_var.numpy()).mean(0))
    expected = 0.0
    for i in range(4):
        for j in range(4):
            expected += 10 * (covariance[i, i] - 1) ** 2 if i == j else 5 * covariance[i, j] ** 2
    assert regularisers.dip(mu, log_var, 10.0, 5.0).item() == pytest.approx(expected, rel=1e-9)


def test_dip_is_zero_for_an_aggregate_like_the_prior():
    mu = math.sqrt(0.75) * torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    log_var = torch.full((4, 2), math.log(0.25))
    assert regularisers.dip(mu, log_var, 10.0, 5.0).item() == pytest.approx(0, abs=1e-10)
    assert regularisers.dip(2 * mu, log_var, 10.0, 5.0).item() == pytest.approx(20 * 2.25**2)


def test_sparsity_is_the_mean_length_of_a_code_in_the_taxicab_norm():
    z = torch.tensor([[[1.0, -2.0], [0.0, 3.0]], [[0.5, 0.0], [0.0, -0.5]]])
    assert regularisers.sparsity(z).item() == pytest.approx((6 + 1) / 2)


def small_encoder() -> torch.nn.Sequential:
    torch.manual_seed(3)
    layers = torch.nn.Linear(6, 5), torch.nn.Tanh(), torch.nn.Linear(5, 3)
    return torch.nn.Sequential(*layers).double()


def test_the_contraction_is_on_average_the_squared_norm_of_the_jacobian(rng):
    encoder, x = small_encoder(), normal(rng, 4, 6).requires_grad_()
    norms = [float((jacobian(encoder, image) ** 2).sum()) for image in x]
    z = encoder(x)
    draws = [regularisers.contraction(z, x, normal(rng, 4, 3)).item() for _ in range(2000)]
    assert np.mean(draws) == pytest.approx(np.mean(norms), rel=0.03)


def test_the_contraction_pulls_at_the_weights_of_the_encoder(rng):
    """Of z = W x it is the mean of |v^T W|^2, whose gradient is 2 E[v v^T] W."""
    encoder, x = torch.nn.Linear(6, 3).double(), normal(rng, 50, 6).requires_grad_()
    v = normal(rng, 50, 3)
    regularisers.contraction(encoder(x), x, v).backward()
    torch.testing.assert_close(encoder.weight.grad, 2 * v.T @ v / 50 @ encoder.weight.detach())


def test_the_excess_is_the_share_by_which_the_error_is_too_large():
    for psnr in (20.0, 30.0):
        target = 10 ** (-psnr / 10)
        errors = torch.tensor([target, 2 * target, target / 2], dtype=torch.float64)
        found = regularisers.psnr_excess(errors, psnr)
        np.testing.assert_allclose(found, [0.0, 1.0, -0.5], atol=1e-12)


def test_the_multiplier_grows_while_the_target_is_missed_and_falls_when_it_is_met():
    step = regularisers.next_multiplier
    assert step(1.0, 0.5) > 1 > step(1.0, -0.5)
    assert step(1.0, 0.0) == 1
    assert step(2.0, 0.5) / 2 == pytest.approx(step(1.0, 0.5))


def test_the_multiplier_is_bounded():
    low, high = regularisers.GECO_RANGE
    grown = fallen = 1.0
    for _ in range(2000):
        grown = regularisers.next_multiplier(grown, 1.0)
        fallen = regularisers.next_multiplier(fallen, -1.0)
    assert (fallen, grown) == (low, high)


def test_the_excess_is_averaged_over_some_steps_and_bad_first_steps_count_no_more():
    average = 0.0
    for _ in range(100):
        average = regularisers.next_excess(average, 0.4)
    assert average == pytest.approx(0.4 * (1 - 0.9**100))
    assert regularisers.next_excess(0.0, 1e9) == regularisers.next_excess(0.0, 1.0)
