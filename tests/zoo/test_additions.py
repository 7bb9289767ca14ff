"""What is particular about the networks beyond the published table: torchvision's modules as references, where it has
one, and the formula written out where it has none. Weights are carried over; everything is computed in float64."""

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.convnext import CNBlock
from torchvision.models.regnet import ResBottleneckBlock
from torchvision.models.shufflenetv2 import InvertedResidual
from torchvision.models.squeezenet import Fire as ReferenceFire
from torchvision.models.swin_transformer import PatchMerging, SwinTransformerBlock

from zoo import (
    cct,
    convmixer,
    convnext,
    mlp_mixer,
    preact_resnet,
    regnet,
    resnet9,
    resnet_cifar,
    shufflenetv2,
    squeezenet,
    swin,
    wide_resnet,
)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def random_input(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def disturb(module: nn.Module) -> None:
    """Norms that scale by one and add zero, or layer scales near zero, would hide a mistake: move every parameter."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)


def normalise(x: Tensor, norm: nn.BatchNorm2d) -> Tensor:
    """Batch norm with the batch's own statistics."""
    return F.batch_norm(x, None, None, norm.weight, norm.bias, training=True)


def assert_same(ours: nn.Module, reference: nn.Module, x: Tensor) -> None:
    """Outputs in both modes, gradients and running statistics agree once ours has the reference's parameters.

    Both must register their parameters in the same order.
    """
    ours.double()
    reference.double()
    disturb(reference)
    with torch.no_grad():
        for mine, theirs in zip(ours.parameters(), reference.parameters(), strict=True):
            mine.copy_(theirs)
    for training in (True, False):
        outputs, gradients, statistics = [], [], []
        for module in (ours.train(training), reference.train(training)):
            output = module(x)
            outputs.append(output)
            gradients.append(torch.autograd.grad(output.square().sum(), list(module.parameters())))
            statistics.append([b for name, b in module.named_buffers() if "running" in name])
        torch.testing.assert_close(outputs[0], outputs[1], rtol=0, atol=1e-8)
        torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-8, atol=1e-8)
        torch.testing.assert_close(statistics[0], statistics[1], rtol=0, atol=1e-8)


def test_a_padded_shortcut_keeps_every_second_pixel_between_channels_of_zeros() -> None:
    x = random_input(2, 16, 8, 8)
    y = resnet_cifar.PaddedShortcut(16, 2)(x)
    assert y.shape == (2, 32, 4, 4)
    assert torch.equal(y[:, 8:24], x[:, :, ::2, ::2])
    assert not y[:, :8].any()
    assert not y[:, 24:].any()


def test_a_cifar_resnet_has_no_weights_outside_its_3x3_convolutions_norms_and_head() -> None:
    shapes = [tuple(p.shape) for p in resnet_cifar.resnet20().parameters() if p.dim() > 1]
    assert len(shapes) == 20, "one weight for each of the 20 layers"
    assert all(shape[2:] == (3, 3) for shape in shapes[:-1])


@pytest.mark.parametrize("block", [preact_resnet.PreActBlock, wide_resnet.WideBlock])
def test_a_pre_activation_block_adds_its_raw_input_where_the_shape_stays(block: Callable[..., nn.Module]) -> None:
    ours: Any = block(8, 8, 1).double()
    disturb(ours)
    x = random_input(4, 8, 6, 6)
    a = F.relu(normalise(x, ours.bn1))
    a = F.relu(normalise(F.conv2d(a, ours.conv1.weight, padding=1), ours.bn2))
    expected = x + F.conv2d(a, ours.conv2.weight, padding=1)
    torch.testing.assert_close(ours(x), expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("block", [preact_resnet.PreActBlock, wide_resnet.WideBlock])
def test_a_pre_activation_block_projects_the_activated_input_where_the_shape_changes(
    block: Callable[..., nn.Module],
) -> None:
    ours: Any = block(8, 12, 2).double()
    disturb(ours)
    x = random_input(4, 8, 6, 6)
    a = F.relu(normalise(x, ours.bn1))
    b = F.conv2d(a, ours.conv1.weight, padding=1, stride=2)
    b = F.relu(normalise(b, ours.bn2))
    expected = F.conv2d(b, ours.conv2.weight, padding=1) + F.conv2d(a, ours.shortcut.weight, stride=2)
    torch.testing.assert_close(ours(x), expected, rtol=0, atol=1e-8)


def test_a_wide_resnet_28_has_28_convolutions() -> None:
    with torch.device("meta"):
        network = wide_resnet.wide_resnet28_10()
    assert sum(isinstance(module, nn.Conv2d) for module in network.modules()) == 28


def test_a_regnety_block_computes_what_torchvisions_does() -> None:
    reference = ResBottleneckBlock(
        16, 16, 1, nn.BatchNorm2d, nn.ReLU, group_width=4, bottleneck_multiplier=1.0, se_ratio=0.25
    )
    assert_same(regnet.Block(16, 16, 1, group_width=4, squeezes=True), reference, random_input(3, 16, 6, 6))


def test_a_shufflenet_v2_unit_computes_what_torchvisions_does() -> None:
    assert_same(shufflenetv2.Unit(16), InvertedResidual(16, 16, stride=1), random_input(3, 16, 8, 8))


def test_a_shufflenet_v2_unit_that_halves_the_image_computes_what_torchvisions_does() -> None:
    assert_same(shufflenetv2.DownUnit(12, 16), InvertedResidual(12, 16, stride=2), random_input(3, 12, 8, 8))


@pytest.mark.parametrize("bypass", [False, True])
def test_a_fire_module_computes_what_torchvisions_does_but_for_norms_and_bypass(bypass: bool) -> None:
    ours = squeezenet.Fire(12, 4, 12, bypass).double().eval()
    for module in ours.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.constant_(module.get_buffer("running_var"), 1 - module.eps)  # so that the norm changes nothing
    reference = ReferenceFire(12, 4, 6, 6).double()
    convolutions = [module for module in ours.modules() if isinstance(module, nn.Conv2d)]
    names = (reference.squeeze, reference.expand1x1, reference.expand3x3)
    for mine, theirs in zip(convolutions, names, strict=True):
        mine.load_state_dict(theirs.state_dict())
    x = random_input(2, 12, 8, 8)
    expected = reference(x) + x if bypass else reference(x)
    torch.testing.assert_close(ours(x), expected, rtol=0, atol=1e-8)


def test_resnet9_adds_after_the_second_relu_and_shrinks_its_scores_eightfold() -> None:
    block = resnet9.Residual(8).double()
    x = random_input(2, 8, 4, 4)
    torch.testing.assert_close(block(x) - x, block.convs(x), rtol=0, atol=1e-8)
    assert (block.convs(x) >= 0).all()
    network = resnet9.resnet9().eval()
    features = network.stages(network.stem(torch.ones(1, 3, 32, 32)))
    assert torch.equal(network(torch.ones(1, 3, 32, 32)), network.head(features) / 8)


def test_convmixer_activates_before_it_normalises_and_only_mixing_of_places_has_a_shortcut() -> None:
    block: Any = convmixer.MixerBlock(8, 5).double().eval()
    disturb(block)
    (places, _, norm1), (channels, _, norm2) = block.places, block.channels
    x = random_input(2, 8, 6, 6)
    y = x + norm1(F.gelu(F.conv2d(x, places.weight, places.bias, padding=2, groups=8)))
    expected = norm2(F.gelu(F.conv2d(y, channels.weight, channels.bias)))
    torch.testing.assert_close(block(x), expected, rtol=0, atol=1e-8)


def test_a_convnext_block_computes_what_torchvisions_does() -> None:
    reference = CNBlock(12, layer_scale=0.5, stochastic_depth_prob=0.0)
    assert_same(convnext.Block(12), reference, random_input(2, 12, 8, 8))


def test_a_mixer_block_mixes_places_as_1x1_convolutions_over_tokens_do() -> None:
    block: Any = mlp_mixer.MixerBlock(6, 10, 14, 5).double()
    disturb(block)
    x = random_input(2, 6, 10)
    first, _, second = block.token_mlp
    y = F.gelu(F.conv1d(block.norm1(x), first.weight[..., None], first.bias))
    y = x + F.conv1d(y, second.weight[..., None], second.bias)
    expected = y + block.channel_mlp(block.norm2(y))
    torch.testing.assert_close(block(x), expected, rtol=0, atol=1e-8)


def test_attention_in_cct_is_pytorchs_multi_head_attention() -> None:
    ours = cct.Attention(12, heads=3).double().eval()
    reference = nn.MultiheadAttention(12, 3, batch_first=True).double().eval()
    reference.load_state_dict(
        {
            "in_proj_weight": ours.query_key_value.weight,
            "in_proj_bias": torch.zeros(36),
            "out_proj.weight": ours.project.weight,
            "out_proj.bias": ours.project.bias,
        }
    )
    x = random_input(2, 5, 12)
    torch.testing.assert_close(ours(x), reference(x, x, x, need_weights=False)[0], rtol=0, atol=1e-8)


def test_the_second_shortcut_of_a_cct_layer_starts_after_its_norm() -> None:
    layer = cct.Layer(12, heads=3, drop_rate=0.1).double().eval()
    disturb(layer)
    x = random_input(2, 5, 12)
    y = layer.norm2(x + layer.attention(layer.norm1(x)))
    torch.testing.assert_close(layer(x), y + layer.mlp(y), rtol=0, atol=1e-8)


def test_cct_pools_its_tokens_with_weights_that_add_up_to_one() -> None:
    network = cct.cct7_3x1()
    same = torch.randn(1, 1, 256).expand(2, 9, 256)
    torch.testing.assert_close(network.pool(same), same[:, 0])


@pytest.mark.parametrize("shift", [0, 2])
def test_a_swin_block_computes_what_torchvisions_does(shift: int) -> None:
    reference = SwinTransformerBlock(
        12, 3, [4, 4], [shift, shift], mlp_ratio=2.0, norm_layer=partial(nn.LayerNorm, eps=1e-5)
    )
    ours = swin.Block(12, heads=3, size=8, shift=shift, drop_rate=0.0)
    assert_same(ours, reference, random_input(2, 8, 8, 12))


def test_swin_merges_tokens_as_torchvision_does() -> None:
    reference = PatchMerging(6, norm_layer=partial(nn.LayerNorm, eps=1e-5))
    # torchvision registers the linear layer first
    ours = swin.Merge(6).double()
    reference.double()
    disturb(reference)
    ours.norm.load_state_dict(reference.norm.state_dict())
    ours.reduce.load_state_dict(reference.reduction.state_dict())
    x = random_input(2, 8, 8, 6)
    torch.testing.assert_close(ours(x), reference(x), rtol=0, atol=1e-8)


def test_windows_that_are_split_can_be_joined_again() -> None:
    x = torch.arange(2 * 16 * 16 * 3).reshape(2, 16, 16, 3)
    windows = swin.split(x)
    assert windows.shape == (2, 16, 16, 3)
    assert torch.equal(windows[0, 1, :4], x[0, 0, 4:8]), "the second window is right of the first"
    assert torch.equal(swin.join(windows), x)


@pytest.mark.parametrize(("module", "shape"), [(cct, (1000, 2, 3)), (swin, (1000, 2, 2, 3))])
class TestStochasticDepth:
    def test_it_does_nothing_in_eval_mode(self, module: ModuleType, shape: tuple[int, ...]) -> None:
        x = torch.ones(shape)
        assert torch.equal(module.StochasticDepth(0.25).eval()(x), x)

    def test_it_leaves_out_whole_images_and_keeps_the_mean(self, module: ModuleType, shape: tuple[int, ...]) -> None:
        y = module.StochasticDepth(0.25)(torch.ones(shape)).flatten(1)
        assert torch.equal(y, y[:, :1].expand_as(y)), "an image is left out as a whole"
        assert set(y[:, 0].tolist()) == {0.0, torch.tensor(1 / 0.75).item()}
        assert (y[:, 0] == 0).sum().item() == pytest.approx(250, abs=60)

    def test_it_draws_from_torchs_generator(self, module: ModuleType, shape: tuple[int, ...]) -> None:
        x = torch.ones(shape)
        torch.manual_seed(5)
        once = module.StochasticDepth(0.5)(x)
        torch.manual_seed(5)
        assert torch.equal(module.StochasticDepth(0.5)(x), once)


@pytest.mark.parametrize("factory", [cct.cct7_3x1, swin.swin])
def test_the_rate_of_stochastic_depth_grows_evenly_from_0_to_a_tenth(factory: Callable[[], nn.Module]) -> None:
    with torch.device("meta"):
        network = factory()
    rates = [m.rate for m in network.modules() if isinstance(m, cct.StochasticDepth | swin.StochasticDepth)]
    assert rates == pytest.approx(torch.linspace(0, 0.1, len(rates)).tolist())
