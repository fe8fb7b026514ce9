"""Camera effects: lens, colour cast, tone curve, sensor noise, compression."""

from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from sam_widget.learn.scenes.textures import Float, Rng, coloured


def expose(rng: Rng, image: Float, scale: float) -> npt.NDArray[np.uint8]:
    """Apply lens, colour cast, tone curve, sensor noise and compression to a rendered image."""
    size = image.shape[0]
    if rng.random() < 0.08:
        length = int(rng.integers(1, 4) * scale) * 2 + 1
        kernel = np.zeros((length, length), np.float32)
        turn = rng.uniform(0, np.pi)
        reach = np.array([np.cos(turn), np.sin(turn)]) * length / 2
        middle = length // 2
        cv2.line(kernel, tuple(int(v) for v in middle - reach), tuple(int(v) for v in middle + reach), 1.0)
        image = cv2.filter2D(image, -1, kernel / max(float(kernel.sum()), 1.0))
    elif rng.random() < 0.5:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.3, 0.7)) * scale)
    if rng.random() < 0.3:
        ramp = np.linspace(-1, 1, size, dtype=np.float32) ** 2
        image = image * coloured(1 - np.float32(rng.uniform(0.05, 0.3)) * (ramp[:, None] + ramp[None]))
    cast = np.exp(rng.normal(0, 0.05, 3))
    # Real scenes are greyer than paint: mix towards luminance, in the same matrix as the colour cast.
    grey = rng.uniform(0.0, 0.4)
    matrix = (1 - grey) * np.eye(3) + grey * np.array([[0.3, 0.6, 0.1]])
    if rng.random() < 0.06:
        matrix, cast = np.tile([[0.3, 0.6, 0.1]], (3, 1)), np.ones(3)
    # Auto exposure: bring the mean towards mid grey, but not all the way.
    gain = (rng.uniform(0.3, 0.5) / max(float(image.mean()), 0.05)) ** rng.uniform(0.2, 0.8)
    image = cv2.transform(image, (gain * cast[:, None] * matrix).astype(np.float32))
    contrast, gamma = np.float32(rng.uniform(0.65, 1.2)), np.float32(np.exp(rng.normal(0, 0.15)))
    image = cv2.pow(np.maximum(0.45 + contrast * (image - 0.45), 0), float(gamma))
    # A film's shoulder: highlights roll off instead of clipping.
    bright = image > 0.8
    image[bright] = 0.8 + 0.2 * np.tanh((image[bright] - 0.8) / 0.2)
    grain = np.float32(np.exp(rng.uniform(np.log(0.002), np.log(0.03))))
    picture = cv2.convertScaleAbs(np.maximum(image + grain * sensor_noise(rng, size), 0), alpha=255)
    if rng.random() < 0.6:
        _, code = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(45, 96))])
        picture = np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), np.uint8)
    return picture


@cache
def _white() -> Float:
    """Draw the tile."""
    return np.random.default_rng(11).standard_normal((640, 640, 3), np.float32)


def sensor_noise(rng: Rng, size: int) -> Float:
    """Cut (size, size, 3) white noise from a fixed tile, which is several times faster than drawing new noise."""
    tile = _white()
    if size > tile.shape[0] // 2:
        return rng.standard_normal((size, size, 3), np.float32)
    x, y = rng.integers(0, tile.shape[0] - size, 2)
    return tile[y : y + size, x : x + size]
