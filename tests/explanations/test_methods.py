"""Each method against values worked out by hand, on networks small enough for it."""

import pytest
import torch
from torch import Tensor, nn

from fedlens import explain
from fedlens.explanations.methods.gradients import IntegratedGradients, SmoothGrad
from fedlens.explanations.methods.occlusion import Occlusion
from fedlens.explanations.methods.relevance import DeepTaylor, LrpAlpha1Beta0, LrpEpsilon, LrpGamma

X = torch.tensor([[1.0, 2.0, 0.5], [0.0, 1.0, 1.0]], dtype=torch.float64)


def linear(weight: list[list[float]], bias: list[float] | None = None) -> nn.Linear:
    layer = nn.Linear(len(weight[0]), len(weight), bias=bias is not None, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(weight))
        if bias is not None:
            layer.bias.copy_(torch.tensor(bias))
    return layer


def one_layer() -> nn.Module:
    return nn.Sequential(linear([[1.0, -2.0, 3.0], [0.5, 0.0, -1.0]], [0.25, -0.5]))


def two_layers() -> nn.Module:
    """At X[0] the hidden units are 3, −4.5 → 0, 2; the logits 3·1 − 2·2 = −1 and 3·2 + 2·1 = 8."""
    hidden = linear([[1.0, 1.0, 0.0], [-1.0, -2.0, 1.0], [2.0, -1.0, 4.0]])
    return nn.Sequential(hidden, nn.ReLU(), linear([[1.0, 1.0, -2.0], [2.0, -3.0, 1.0]]))


def close(found: Tensor, wanted: list[list[float]]) -> None:
    torch.testing.assert_close(found, torch.tensor(wanted, dtype=torch.float64), rtol=1e-7, atol=1e-7)


def test_of_a_linear_model_the_gradient_is_its_weights() -> None:
    close(explain(one_layer(), X, 0, "gradient"), [[1, -2, 3]] * 2)
    close(explain(one_layer(), X, [0, 1], "gradient"), [[1, -2, 3], [0.5, 0, -1]])


def test_of_a_linear_model_the_mean_gradient_is_its_weights_whatever_the_noise() -> None:
    close(explain(one_layer(), X, 0, SmoothGrad(samples=3, noise=5)), [[1, -2, 3]] * 2)


@pytest.mark.parametrize("method", ["input-times-gradient", "integrated-gradients", "occlusion", "lrp-z"])
def test_of_a_linear_model_these_are_weight_times_input(method: str) -> None:
    found = explain(nn.Sequential(linear([[1.0, -2.0, 3.0], [0.5, 0.0, -1.0]])), X, 0, method)
    close(found, [[1, -4, 1.5], [0, -2, 3]])


@pytest.mark.parametrize("method", ["lrp-z", "lrp-epsilon", "lrp-gamma", "lrp-alpha1-beta0", "deep-taylor"])
def test_a_model_that_is_one_layer_is_explained_like_one_that_has_one(method: str) -> None:
    layer = linear([[1.0, -2.0, 3.0], [0.5, 0.0, -1.0]])
    assert torch.equal(explain(layer, X, 0, method), explain(nn.Sequential(layer), X, 0, method))


def test_integrated_gradients_go_from_the_baseline() -> None:
    close(explain(one_layer(), X, 0, IntegratedGradients(baseline=1.0)), [[0, -2, -1.5], [-1, 0, 0]])


def test_smoothgrad_is_the_mean_gradient_at_the_noisy_copies() -> None:
    """The gradient is w for x + noise above the kink at 0.1, else 0."""
    model = nn.Sequential(linear([[1.0]], [-0.1]), nn.ReLU(), linear([[3.0], [0.0]]))
    noise = torch.randn(25, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    above = (0.5 * noise > 0.1).double().mean().item()
    assert 0 < above < 1
    x = torch.zeros(1, 1, dtype=torch.float64)
    close(explain(model, x, 0, SmoothGrad(noise=0.5, seed=4)), [[3 * above]])


def test_deconvnet_lets_only_what_is_positive_pass_backwards() -> None:
    """To class 0 back come 1, 1, −2, of which 1, 1, 0 pass, also the second unit, which is off."""
    close(explain(two_layers(), X[:1], 0, "deconvnet"), [[1 - 1, 1 - 2, 0 + 1]])


def test_guided_backpropagation_also_wants_the_unit_to_be_on() -> None:
    close(explain(two_layers(), X[:1], 0, "guided-backprop"), [[1, 1, 0]])
    close(explain(two_layers(), X[:1], 0, "gradient"), [[1 - 4, 1 + 2, -8]])


def test_lrp_z_divides_in_proportion_to_what_came() -> None:
    """Of class 1's 8, the first unit brought 6 = 2·(1 + 2), the third 2 = 1·(2 − 2 + 2)."""
    close(explain(two_layers(), X[:1], 1, "lrp-z"), [[2 + 2, 4 - 2, 0 + 2]])


def test_lrp_epsilon_absorbs_relevance() -> None:
    """8 is 6 + 2, of which 8/9 goes back: 16/3 and 16/9; then 3/4 of the first and 2/3 of the second."""
    first, third = 16 / 3 / 4, 16 / 9 / 3
    close(
        explain(two_layers(), X[:1], 1, LrpEpsilon(epsilon=1)),
        [[first + 2 * third, 2 * first - 2 * third, 2 * third]],
    )


def test_lrp_gamma_prefers_positive_weights() -> None:
    """With γ = 1 positive weights are doubled: class 1 gets 12 and 4 of 16; unit 3 gets 4 − 2 + 4 = 6."""
    first, third = 8 * 12 / 16, 8 * 4 / 16
    wanted = [[first / 3 + third * 4 / 6, first * 2 / 3 - third * 2 / 6, third * 4 / 6]]
    close(explain(two_layers(), X[:1], 1, LrpGamma(gamma=1)), wanted)


def test_alpha1_beta0_knows_positive_weights_only() -> None:
    """To class 0 only the first unit contributes, all of its −1; that unit has 1 and 2 from the inputs."""
    close(explain(two_layers(), X[:1], 0, LrpAlpha1Beta0()), [[-1 / 3, -2 / 3, 0]])
    third = 8 * 2 / 8
    close(explain(two_layers(), X[:1], 1, LrpAlpha1Beta0()), [[6 / 3 + third / 2, 6 * 2 / 3, third / 2]])


def test_a_bias_does_not_count_where_weights_are_positive_only() -> None:
    model = nn.Sequential(linear([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]], [-2.5, 0.0]))
    close(explain(model, X[:1], 0, "lrp-alpha1-beta0"), [[0.5 / 3, 1 / 3, 0]])


def test_deep_taylor_gives_relevance_to_inputs_of_zero() -> None:
    """Inputs from −1 to 3: x w + w⁺ − 3 w⁻ of x = 0, 1, 1 and w = 2, −1, 4 is 2, 2, 8; of w = 1, 1, 0: 1, 2, 0."""
    z = 0 * 2 + 1 * -1 + 1 * 4
    model = nn.Sequential(linear([[1.0, 1.0, 0.0], [2.0, -1.0, 4.0]]), nn.ReLU(), linear([[1.0, 3.0], [0.0, 0.0]]))
    logit = 1 * 1 + 3 * z
    first, second = logit * 1 / logit, logit * 3 * z / logit
    wanted = [[first / 3 + second * 2 / 12, first * 2 / 3 + second * 2 / 12, second * 8 / 12]]
    close(explain(model, X[1:], 0, DeepTaylor(low=-1, high=3)), wanted)


def test_deep_taylor_reaches_through_what_only_arranges_the_input() -> None:
    model = nn.Sequential(nn.Flatten(), *two_layers())
    x = X.view(2, 3, 1)
    torch.testing.assert_close(
        explain(model, x, 1, "deep-taylor"), explain(two_layers(), X, 1, "deep-taylor")[..., None]
    )


def test_occlusion_covers_squares_of_an_image_in_all_channels() -> None:
    image = torch.arange(32, dtype=torch.float64).view(1, 2, 4, 4)
    model = nn.Sequential(nn.Flatten(), linear([[1.0] * 32]))
    found = explain(model, image, 0, Occlusion(size=2))
    square = image.sum(1)[0, :2, 2:].sum().item()
    assert found[0, :, :2, 2:].unique().tolist() == [square]
    covered_by_one = explain(model, image, 0, Occlusion(size=2, baseline=1))
    assert covered_by_one[0, :, :2, 2:].unique().tolist() == [square - 8]
    assert explain(model, image, 0, "occlusion").unique().tolist() == [image.sum().item()]


def test_overlapping_squares_are_averaged() -> None:
    model = nn.Sequential(nn.Flatten(), linear([[1.0] * 9]))
    image = torch.zeros(1, 1, 3, 3, dtype=torch.float64)
    image[0, 0, 0, 0] = 4
    found = explain(model, image, 0, Occlusion(size=2, stride=1))[0, 0]
    close(found, [[4, 2, 0], [2, 1, 0], [0, 0, 0]])
