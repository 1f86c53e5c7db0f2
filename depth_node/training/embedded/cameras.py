"""
Many cameras at once: :class:`depth_node.world.sensor.Sensor` for batches on any device.

A test holds the two together: the same camera takes the same picture, here and there.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from depth_node.training.embedded.jpeg import BLOCK, compressed, constant
from depth_node.world.sensor import draw_sensor, KEY, LUMINANCE, Sensor

_REACH = 4  # of blurs, to either side (pixels)
_SHARP = 0.2  # blurs of a smaller deviation are none (pixels)
_STOPS = 9  # places that a moving camera sees from
_UNSHARP = 1.0  # deviation of the unsharp mask (pixels)


@dataclass(frozen=True)
class Cameras:
    """
    Cameras, one for each picture; what the numbers mean is said at :class:`Sensor`.

    :param numbers: float (B, fields), in the order of the fields of :class:`Sensor`.
    """

    numbers: Tensor

    @classmethod
    def of(cls, sensors: list[Sensor], device: torch.device) -> Cameras:
        """
        Put cameras onto a device.

        :param sensors: the cameras.
        :param device: where to compute.
        :returns: the same cameras.
        """
        rows = [[float(getattr(s, field.name)) for field in fields(s)] for s in sensors]
        return cls(torch.tensor(rows, dtype=torch.float32, device=device))

    @classmethod
    def drawn(cls, count: int, strength: float, seed: int, device: torch.device) -> Cameras:
        """
        Draw cameras with :func:`depth_node.world.sensor.draw_sensor`.

        :param count: how many.
        :param strength: how far they stray from a perfect one; 0: not at all.
        :param seed: of the cameras.
        :param device: where to compute.
        :returns: the cameras.
        """
        rng = np.random.default_rng(seed)
        return cls.of([draw_sensor(rng, strength) for _ in range(count)], device)

    def chosen(self, index: Tensor) -> Cameras:
        """
        Choose some of the cameras.

        :param index: int (B,), which.
        :returns: those.
        """
        return Cameras(self.numbers[index])

    def __len__(self) -> int:
        """Return the number of cameras."""
        return len(self.numbers)

    def _get(self, name: str) -> Tensor:
        """Return a field as (B, 1, 1, 1)."""
        index = [field.name for field in fields(Sensor)].index(name)
        return self.numbers[:, index, None, None, None]

    def pictures(self, radiance: Tensor, generator: torch.Generator) -> Tensor:
        """
        Take pictures: on a GPU all at once, on a CPU one after the other, which is faster there.

        :param radiance: float (B, 3, H, W), rgb light, linear, any unit; multiples of 16.
        :param generator: random generator of the noise, on the same device.
        :returns: float (B, 3, H, W), rgb, 0 to 1 in steps of 1/255.
        """
        if radiance.device.type == 'cpu':
            return self._one_by_one(radiance, generator)
        return self.at_once(radiance, generator)

    def _one_by_one(self, radiance: Tensor, generator: torch.Generator) -> Tensor:
        seed = int(torch.randint(2**62, (1,), generator=generator))
        seeds = np.random.SeedSequence(seed).spawn(len(radiance))
        lights = radiance.permute(0, 2, 3, 1).numpy()
        found = np.empty(lights.shape, np.uint8)

        def take(index: int) -> None:
            row = self.numbers[index].tolist()
            numbers = {field.name: row[n] for n, field in enumerate(fields(Sensor))}
            sensor = Sensor(**{**numbers, 'quality': round(numbers['quality'])})
            found[index] = sensor.picture(lights[index], np.random.default_rng(seeds[index]))

        with ThreadPoolExecutor(torch.get_num_threads()) as threads:
            list(threads.map(take, range(len(found))))
        return torch.from_numpy(found).permute(0, 3, 1, 2).float() / 255

    def at_once(self, radiance: Tensor, generator: torch.Generator) -> Tensor:
        """
        Take all pictures at once, on any device; see :meth:`pictures`.

        :param radiance: float (B, 3, H, W), rgb light, linear, any unit; multiples of 16.
        :param generator: random generator of the noise, on the same device.
        :returns: float (B, 3, H, W), rgb, 0 to 1 in steps of 1/255.
        """
        get, device = self._get, radiance.device
        height, width = radiance.shape[2:]
        roots = radiance[..., ::4, ::4].clamp(0, 4).sqrt().mean((1, 2, 3), keepdim=True)
        gain = (KEY / roots.clamp(min=1e-3)) ** 2 * 2 ** get('exposure')
        ones = torch.ones_like(gain)
        light = radiance * gain * torch.cat([get('red'), ones, get('blue')], 1)
        x, y = (torch.linspace(-1, 1, n, device=device) for n in (width, height))
        light = light * (1 - get('vignetting') / 2 * (x[None] ** 2 + y[:, None] ** 2))
        light = blurred(light, get('defocus') * width)
        light = self._moved(light, get('motion') * width, get('heading'))
        deviation = (get('shot') * light.clamp(min=0) + get('read') ** 2).sqrt()
        noise = torch.randn(light.shape, generator=generator, device=device)
        tone = (light + deviation * noise).clamp(0, 1) ** (1 / get('gamma'))
        tone = tone + get('contrast') * (tone * tone * (3 - 2 * tone) - tone)
        weights = constant(tuple(LUMINANCE.tolist()), device)[:, None, None]
        gray = (tone * weights).sum(1, keepdim=True)
        tone = gray + get('saturation') * (tone - gray)
        edges = tone - blurred(tone, torch.full_like(gain, _UNSHARP))
        pictures = ((tone + get('sharpening') * edges).clamp(0, 1) * 255).round()
        quality = get('quality')
        if height % BLOCK == width % BLOCK == 0:
            packed = compressed(pictures, quality.flatten().clamp(min=1))
            pictures = torch.where(quality > 0, packed, pictures)
        return pictures / 255

    def _moved(self, light: Tensor, length: Tensor, heading: Tensor) -> Tensor:
        """Blur along a line of some length (pixels), where it is longer than a pixel."""
        count, _, height, width = light.shape
        still = torch.eye(2, 3, device=light.device).expand(count, 2, 3)
        flat, turn = length.flatten(), heading.flatten()
        along = torch.stack([turn.cos() / width, turn.sin() / height], -1) * flat[:, None]
        total = torch.zeros_like(light)
        for place in np.linspace(-1, 1, _STOPS):
            seen = still.clone()
            seen[:, :, 2] += float(place) * along
            grid = functional.affine_grid(seen, [count, 3, height, width], align_corners=False)
            total += functional.grid_sample(
                light, grid, padding_mode='reflection', align_corners=False
            )
        return torch.where(length > 1, total / _STOPS, light)


def blurred(light: Tensor, deviation: Tensor) -> Tensor:
    """
    Blur every picture by a Gaussian of its own.

    :param light: float (B, C, H, W).
    :param deviation: float (B, 1, 1, 1) (pixels); below 0.2 the picture stays as it is.
    :returns: the same shape.
    """
    narrow = deviation.clamp(min=_SHARP)
    steps = range(-_REACH, _REACH + 1)
    weights = [(-(step / narrow) ** 2 / 2).exp() for step in steps]
    whole = torch.stack(weights).sum(0)
    found = light
    for axis in (3, 2):
        length = found.shape[axis]
        padding = (_REACH, _REACH, 0, 0) if axis == 3 else (0, 0, _REACH, _REACH)
        padded = functional.pad(found, padding, 'reflect')
        total = torch.zeros_like(found)
        for first, weight in enumerate(weights):
            total.addcmul_(padded.narrow(axis, first, length), weight / whole)
        found = total
    return torch.where(deviation > _SHARP, found, light)
