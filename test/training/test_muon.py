"""Muon: directions stay, sizes become alike."""

from __future__ import annotations

import pytest

torch = pytest.importorskip('torch')

from depth_node.training.muon import Muon, orthogonalized  # noqa: E402


@pytest.mark.parametrize('shape', [(16, 40), (40, 16), (24, 24)])
def test_muon_keeps_directions_and_evens_out_their_sizes(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    matrix = torch.randn(shape)
    u, _, vh = torch.linalg.svd(matrix, full_matrices=False)
    found = u.T @ orthogonalized(matrix) @ vh.T
    diagonal = found.diagonal()
    assert diagonal[:-3].min() > 0.5  # what was nearly nothing may stay small
    assert diagonal.max() < 1.35
    assert (found - diagonal.diag()).abs().max() < 0.1


def test_muon_solves_a_small_problem() -> None:
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(8, 6))
    x = torch.randn(64, 6)
    y = x @ torch.randn(6, 8)
    optimizer = Muon([weight], 0.1, weight_decay=0.0)
    for step in range(200):
        optimizer.param_groups[0]['lr'] = 0.1 * (1 - step / 200)
        optimizer.zero_grad()
        loss = (x @ weight.T - y).square().mean()
        loss.backward()
        optimizer.step()
    assert loss.item() < 1e-2 * y.square().mean().item()
