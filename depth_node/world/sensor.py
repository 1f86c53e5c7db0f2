"""
What a camera makes of the light: exposure, lens faults, noise, tone curve, compression.

The order is that of the light's way: vignetting, white balance and exposure, defocus and motion
blur, shot and read noise, clipping, tone curve, sharpening and saturation, JPEG. Noise follows
the usual affine model (Foi et al., "Practical Poissonian-Gaussian noise modeling and fitting
for single-image raw-data", IEEE TIP 2008): its variance grows linearly with the light.
"""

from __future__ import annotations

from dataclasses import dataclass
import math

import cv2
import numpy as np
from numpy.typing import NDArray

Light = NDArray[np.float32]
KEY = 0.42
"""Mean of the square root of the light that automatic exposure aims for."""
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
"""Of Rec. 709."""


@dataclass(frozen=True)
class Sensor:
    """
    A camera behind its lens. The default one is automatic, clean and sharp.

    :param exposure: brighter (positive) or darker than automatic exposure (stops).
    :param red: gain of the red channel; 1 is neutral.
    :param blue: gain of the blue channel; 1 is neutral.
    :param gamma: exponent of the tone curve; 2.2 is neutral.
    :param contrast: strength of an S-shaped tone curve; 0 is none.
    :param saturation: factor on the difference from gray.
    :param vignetting: loss of light in the corners (0 to 1).
    :param defocus: standard deviation of the blur, as a share of the picture's width.
    :param motion: length of the motion blur, as a share of the picture's width.
    :param heading: direction of the motion (rad).
    :param shot: variance of the noise per unit of light.
    :param read: standard deviation of the noise in the dark.
    :param sharpening: strength of the unsharp mask.
    :param quality: of the JPEG compression, 1 to 100; 0: not compressed.
    """

    exposure: float = 0.0
    red: float = 1.0
    blue: float = 1.0
    gamma: float = 2.2
    contrast: float = 0.0
    saturation: float = 1.0
    vignetting: float = 0.0
    defocus: float = 0.0
    motion: float = 0.0
    heading: float = 0.0
    shot: float = 0.0
    read: float = 0.0
    sharpening: float = 0.0
    quality: int = 0

    def picture(self, radiance: Light, rng: np.random.Generator) -> NDArray[np.uint8]:
        """
        Take a picture.

        :param radiance: float32 (H, W, 3), rgb light, linear, any unit.
        :param rng: random generator of the noise.
        :returns: uint8 (H, W, 3), rgb.
        """
        height, width = radiance.shape[:2]
        gain = _exposure(radiance) * 2**self.exposure
        light = radiance * np.array([gain * self.red, gain, gain * self.blue], np.float32)
        if self.vignetting:
            light *= _vignette(height, width, self.vignetting)[..., None]
        light = self._blurred(light, width)
        if self.shot or self.read:
            deviation = np.sqrt(self.shot * np.maximum(light, 0) + self.read**2)
            light += deviation * rng.standard_normal(light.shape, np.float32)
        np.clip(light, 0, 1, out=light)
        tone: Light = cv2.pow(light, 1 / self.gamma)
        if self.contrast:
            # smoothstep, blended in
            tone += np.float32(self.contrast) * (tone * tone * (3 - 2 * tone) - tone)
        if self.saturation != 1:
            gray = (tone @ LUMINANCE)[..., None]
            tone = gray + np.float32(self.saturation) * (tone - gray)
        if self.sharpening:
            tone += np.float32(self.sharpening) * (tone - cv2.GaussianBlur(tone, (0, 0), 1.0))
        np.clip(tone, 0, 1, out=tone)
        picture: NDArray[np.uint8] = cv2.convertScaleAbs(tone, alpha=255)
        if self.quality:
            _, packed = cv2.imencode(
                '.jpg', picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, self.quality]
            )
            picture = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)[..., ::-1]
        return picture

    def _blurred(self, light: Light, width: int) -> Light:
        if self.defocus * width > 0.2:
            light = cv2.GaussianBlur(light, (0, 0), self.defocus * width).astype(np.float32)
        length = self.motion * width
        if length > 1:
            side = 2 * math.ceil(length / 2) + 1
            middle = side // 2
            x, y = length / 2 * math.cos(self.heading), length / 2 * math.sin(self.heading)
            kernel = np.zeros((side, side), np.float32)
            ends = [(round(16 * (middle + s * x)), round(16 * (middle + s * y))) for s in (-1, 1)]
            cv2.line(kernel, ends[0], ends[1], 1.0, 1, cv2.LINE_AA, shift=4)
            light = cv2.filter2D(light, -1, kernel / kernel.sum()).astype(np.float32)
        return light


def draw_sensor(rng: np.random.Generator, strength: float = 1.0) -> Sensor:
    """
    Draw a camera: some are good, some are cheap, most are in between.

    :param rng: random generator.
    :param strength: how far cameras stray from the default one; 0: not at all.
    :returns: the camera.
    """
    def some(chance: float, low: float, high: float) -> float:
        return strength * float(rng.uniform(low, high)) if rng.random() < chance else 0.0

    warmth, tint = strength * rng.normal(0, 0.12), strength * rng.normal(0, 0.05)
    noise = some(0.8, 0.0, 1.0) ** 2
    return Sensor(
        exposure=strength * float(np.clip(rng.normal(0.0, 0.6), -1.5, 1.5)),
        red=math.exp(warmth + tint),
        blue=math.exp(-warmth + tint),
        gamma=2.2 + strength * float(rng.uniform(-0.4, 0.5)),
        contrast=some(0.7, -0.2, 0.8),
        saturation=1 + strength * float(rng.uniform(-0.5, 0.5)),
        vignetting=some(0.5, 0.0, 0.5),
        defocus=some(0.4, 0.0, 0.005),
        motion=some(0.15, 0.0, 0.03),
        heading=float(rng.uniform(0, math.pi)),
        shot=0.006 * noise,
        read=0.015 * noise,
        sharpening=some(0.4, 0.0, 1.0),
        quality=int(rng.integers(30, 96)) if strength and rng.random() < 0.5 else 0,
    )


def _exposure(radiance: Light) -> float:
    """Return the gain that gives a picture of middle brightness."""
    roots = float(np.sqrt(np.clip(radiance[::4, ::4], 0, 4)).mean())
    return (KEY / max(roots, 1e-3)) ** 2


def _vignette(height: int, width: int, loss: float) -> Light:
    x = np.linspace(-1, 1, width, dtype=np.float32)
    y = np.linspace(-1, 1, height, dtype=np.float32)
    square = (x * x)[None] + (y * y)[:, None]
    return 1 - np.float32(loss / 2) * square
