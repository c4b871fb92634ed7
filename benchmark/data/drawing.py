"""Paints one synthetic picture with its mask: a dermoscopy lesion, or an optic disc and cup.

All positions are drawn in the unit square, so pictures of one random state look alike at every size.
"""

import cv2
import numpy as np

Field = np.ndarray  # (S,S) float32


def dermoscopy(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Image (S,S,3) uint8 and mask (S,S) uint8 in {0,1}: a lesion on skin, with hair and objects that look like one."""
    x, y = _grid(size)
    tone = rng.uniform(0, 1)
    skin = (1 - tone) * np.array([0.92, 0.74, 0.66]) + tone * np.array([0.74, 0.53, 0.43])
    skin = skin + rng.normal(0, 0.02, 3)
    image = np.ones((size, size, 3), np.float32) * skin.astype(np.float32)
    image *= 1 + 0.035 * _smooth_noise(rng, size, 14)[..., None] + 0.06 * _smooth_noise(rng, size, 4)[..., None]
    _distract(rng, image, x, y)
    centre = rng.uniform(0.32, 0.68, 2)
    depth = _star(rng, x, y, centre, area=float(np.exp(rng.uniform(np.log(0.07), np.log(0.36)))))
    softness = rng.uniform(0.006, 0.03)
    colour = 1 - rng.uniform(0.2, 0.5) * np.array([0.75, 1.0, 1.05]) * rng.uniform(0.85, 1.15, 3)
    pigment = np.clip(1 + 0.22 * _smooth_noise(rng, size, 6), 0.3, 1.7)[..., None]
    _blend(image, image * (1 - (1 - colour.astype(np.float32)) * pigment), _sigmoid(depth / softness))
    hair = _strokes(rng, size, count=int(rng.integers(0, 11)), width=rng.uniform(0.006, 0.014))
    brown = np.float32(rng.uniform(0.08, 0.35)) * np.array([1, 0.8, 0.65], np.float32)
    _blend(image, brown, rng.uniform(0.5, 0.9) * hair)
    mask = (depth > 0).astype(np.uint8)
    return _photograph(rng, image, x, y, vignette=rng.uniform(0, 0.75), grain=rng.uniform(0.012, 0.032)), mask


def fundus(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Image (S,S,3) and mask (S,S) uint8 in {0,1,2}: background, the optic disc's rim, and the cup inside the disc."""
    x, y = _grid(size)
    base = np.array([0.72, 0.34, 0.16]) * rng.uniform(0.8, 1.15) + rng.normal(0, 0.02, 3)
    image = np.ones((size, size, 3), np.float32) * base.astype(np.float32)
    image *= 1 + 0.06 * _smooth_noise(rng, size, 12)[..., None] + 0.1 * _smooth_noise(rng, size, 4)[..., None]
    centre = rng.uniform(0.32, 0.68, 2)
    for _ in range(rng.integers(0, 5)):  # pale spots that are no disc
        spot = _star(rng, x, y, rng.uniform(0.05, 0.95, 2), area=rng.uniform(0.0008, 0.006))
        _blend(image, np.array([0.93, 0.72, 0.38], np.float32), rng.uniform(0.3, 0.8) * _sigmoid(spot / 0.012))
    area = rng.uniform(0.08, 0.2)
    disc = _star(rng, x, y, centre, area=area, roughness=0.25)
    shift = rng.normal(0, 0.012, 2)
    cup = np.minimum(_star(rng, x, y, centre + shift, area=area * rng.uniform(0.2, 0.5), roughness=0.3), disc - 0.015)
    rim = np.array([0.95, 0.66, 0.34]) * rng.uniform(0.88, 1.04)
    _blend(image, rim.astype(np.float32), rng.uniform(0.6, 0.9) * _sigmoid(disc / rng.uniform(0.006, 0.016)))
    pale = np.array([1.0, 0.9, 0.66], np.float32)
    _blend(image, pale, rng.uniform(0.45, 0.85) * _sigmoid(cup / rng.uniform(0.006, 0.016)))
    vessels = _strokes(rng, size, count=int(rng.integers(5, 10)), width=rng.uniform(0.01, 0.022), start=centre)
    _blend(image, np.array([0.45, 0.12, 0.08], np.float32), rng.uniform(0.4, 0.75) * vessels)
    mask = (disc > 0).astype(np.uint8) + (cup > 0).astype(np.uint8)
    return _photograph(rng, image, x, y, vignette=rng.uniform(0.1, 0.6), grain=rng.uniform(0.015, 0.04)), mask


def _distract(rng: np.random.Generator, image: np.ndarray, x: Field, y: Field) -> None:
    """In two pictures of three, paint something that is no lesion: a red spot, a bubble, ink, or ruler marks."""
    size = len(image)
    at = rng.choice([0.12, 0.88], 2) + rng.normal(0, 0.06, 2)
    kind = rng.integers(0, 6)
    if kind == 0:
        spot = _star(rng, x, y, at, area=rng.uniform(0.004, 0.016))
        _blend(image, image * np.array([0.95, 0.6, 0.6], np.float32), rng.uniform(0.4, 0.9) * _sigmoid(spot / 0.01))
    elif kind == 1:
        radius = rng.uniform(0.04, 0.12)
        ring = np.exp(-(((np.hypot(x - at[0], y - at[1]) - radius) / 0.014) ** 2))
        _blend(image, np.ones(3, np.float32), 0.6 * ring)
    elif kind == 2:
        patch = _star(rng, x, y, np.round(at), area=rng.uniform(0.08, 0.16), roughness=0.2)
        ink = np.array([[0.35, 0.45, 0.85], [0.3, 0.65, 0.5], [0.9, 0.75, 0.3]], np.float32)[rng.integers(0, 3)]
        _blend(image, ink, 0.85 * _sigmoid(patch / 0.006))
    elif kind == 3:
        along, across = (x, y) if rng.random() < 0.5 else (y, x)
        side = across if rng.random() < 0.5 else 1 - across
        marks = (np.mod(along + rng.random(), 0.1) < max(0.012, 1 / size)) & (side < rng.uniform(0.06, 0.12))
        _blend(image, np.full(3, 0.12, np.float32), 0.8 * marks)


def _photograph(
    rng: np.random.Generator, image: np.ndarray, x: Field, y: Field, *, vignette: float, grain: float
) -> np.ndarray:
    """Uneven light, dark corners and sensor noise; then 8 bits."""
    slope = rng.normal(0, 0.16, 2)
    light = 1 + slope[0] * (x - 0.5) + slope[1] * (y - 0.5)
    corner = np.hypot(x - 0.5, y - 0.5)
    light = light * (1 - vignette * _sigmoid((corner - rng.uniform(0.52, 0.64)) / 0.03))
    noise = rng.normal(0, grain, image.shape)
    return np.clip(np.rint(255 * (image * light[..., None] + noise)), 0, 255).astype(np.uint8)


def _grid(size: int) -> tuple[Field, Field]:
    """x and y of the pixel centres in the unit square."""
    ticks = (np.arange(size, dtype=np.float32) + 0.5) / size
    x, y = np.meshgrid(ticks, ticks)
    return x, y


def _smooth_noise(rng: np.random.Generator, size: int, cells: int) -> Field:
    """Noise of about unit variance that varies over 1/cells of the picture."""
    noise = rng.standard_normal((cells, cells)).astype(np.float32)
    return cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC)


def _star(
    rng: np.random.Generator, x: Field, y: Field, centre: np.ndarray, *, area: float, roughness: float = 1.0
) -> Field:
    """Each point's depth inside a smooth irregular blob of that area: positive inside, 0 on its border."""
    angle, stretch = rng.uniform(0, np.pi), np.sqrt(rng.uniform(1, 1 + 0.7 * roughness))
    u = (np.cos(angle) * (x - centre[0]) + np.sin(angle) * (y - centre[1])) / stretch
    v = (np.cos(angle) * (y - centre[1]) - np.sin(angle) * (x - centre[0])) * stretch
    waves = np.arange(2, 9)[:, None]
    amplitudes = roughness * rng.normal(0, 0.22, (7, 1)) / waves
    phases = rng.uniform(0, 2 * np.pi, (7, 1))
    theta = np.linspace(-np.pi, np.pi, 181)
    shape = np.exp((amplitudes * np.cos(waves * theta + phases)).sum(0))  # radius over angle; exp keeps it positive
    shape *= np.sqrt(2 * area / (np.mean(shape[1:] ** 2) * 2 * np.pi))
    return (np.interp(np.arctan2(v, u), theta, shape) - np.hypot(u, v)).astype(np.float32)


def _strokes(rng: np.random.Generator, size: int, count: int, width: float, start: np.ndarray | None = None) -> Field:
    """Opacity in [0,1] of thin curves across the picture, from `start` outwards if given."""
    canvas = np.zeros((size, size), np.uint8)
    t = np.linspace(0, 1, 24)[:, None]
    for _ in range(count):
        ends = rng.uniform(-0.1, 1.1, (2, 2))
        if start is not None:
            away = rng.uniform(0, 2 * np.pi)
            ends = np.stack([start, start + 0.9 * np.array([np.cos(away), np.sin(away)])])
        bend = ends.mean(0) + rng.normal(0, 0.14, 2)
        curve = (1 - t) ** 2 * ends[0] + 2 * t * (1 - t) * bend + t**2 * ends[1]
        points = np.rint(curve * size * 16).astype(np.int32)  # shift=4: sixteenths of a pixel
        cv2.polylines(canvas, [points], False, 255, max(1, round(width * size)), cv2.LINE_AA, shift=4)
    return canvas.astype(np.float32) / 255 * min(1.0, width * size)  # thinner than a pixel: fainter instead


def _blend(image: np.ndarray, colour: np.ndarray, opacity: Field) -> None:
    """Lay `colour` over the image, in place."""
    image += np.asarray(opacity, np.float32)[..., None] * (colour - image)


def _sigmoid(depth: Field) -> Field:
    return 1 / (1 + np.exp(-np.clip(depth, -30, 30)))
