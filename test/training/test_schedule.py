import math

import pytest
from tiny import config
import torch
from torch import nn

from depth_node.training.schedule import build_optimizer, learning_rate, set_learning_rate


def test_warm_up_rises_in_a_straight_line() -> None:
    chosen = config(warmup=9, steps=100, learning_rate=1.0, schedule='constant')
    rates = [learning_rate(chosen, step) for step in range(12)]
    assert rates[:10] == pytest.approx([0.1 * n for n in range(1, 11)])
    assert rates[10:] == [1.0, 1.0]


def test_cosine_falls_to_a_hundredth() -> None:
    chosen = config(warmup=10, steps=110, learning_rate=2.0, schedule='cosine')
    assert learning_rate(chosen, 60) == pytest.approx(2 * (0.01 + 0.99 / 2))
    assert learning_rate(chosen, 35) == pytest.approx(
        2 * (0.01 + 0.99 * (1 + math.cos(math.pi / 4)) / 2)
    )
    assert learning_rate(chosen, 110) == pytest.approx(0.02)


def test_step_falls_once() -> None:
    chosen = config(warmup=0, steps=100, learning_rate=1.0, schedule='step')
    assert [learning_rate(chosen, step) for step in (50, 74, 75, 99)] == pytest.approx(
        [1, 1, 0.1, 0.1]
    )


@pytest.mark.parametrize(('name', 'kind'), [('adam', 'Adam'), ('adamw', 'AdamW')])
def test_biases_and_norms_are_not_decayed(name: str, kind: str) -> None:
    model = nn.ModuleDict({
        'encoder': nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)),
        'decoder': nn.Conv2d(4, 1, 3),
    })
    chosen = config(optimizer=name, weight_decay=0.1, encoder_rate=0.25)
    optimizer = build_optimizer(chosen, model)
    assert type(optimizer).__name__ == kind
    set_learning_rate(optimizer, 0.8)
    found = {
        id(parameter): (group['weight_decay'], group['lr'])
        for group in optimizer.param_groups
        for parameter in group['params']
    }
    assert len(found) == len(list(model.parameters()))
    expected = {
        'encoder.0.weight': (0.1, 0.2), 'encoder.0.bias': (0.0, 0.2),
        'encoder.1.weight': (0.0, 0.2), 'encoder.1.bias': (0.0, 0.2),
        'decoder.weight': (0.1, 0.8), 'decoder.bias': (0.0, 0.8),
    }
    for parameter_name, parameter in model.named_parameters():
        assert found[id(parameter)] == pytest.approx(expected[parameter_name])


def test_weight_decay_moves_weights_without_a_gradient() -> None:
    """AdamW decays apart from the gradient (Loshchilov and Hutter 2019): w (1 - rate decay)."""
    model = nn.ModuleDict({'decoder': nn.Conv2d(1, 1, 1)})
    weight = model['decoder'].weight
    before = weight.detach().clone()
    optimizer = build_optimizer(config(weight_decay=0.5), model)
    set_learning_rate(optimizer, 0.1)
    weight.grad = torch.zeros_like(weight)
    optimizer.step()
    torch.testing.assert_close(weight.detach(), before * (1 - 0.1 * 0.5))
