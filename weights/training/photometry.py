"""What cameras and files do to frames: exposure, noise, compression. Works on uint8 RGB."""
import cv2
import numpy as np


def setting(rng, strength):
    """Gain and lift per channel."""
    gain = 1 + rng.normal(0, .08) * strength + rng.normal(0, .02, 3) * strength
    return np.stack([gain, np.full(3, rng.normal(0, 6) * strength)])


def table(gain, lift):
    levels = np.arange(256)[:, None] * gain + lift
    return np.clip(levels, 0, 255).astype(np.uint8)[None]


def expose(rng, frame, strength=1.0):
    return cv2.LUT(frame, table(*setting(rng, strength)))


def drift(rng, frames, strength=1.0):
    """Look-up tables of an exposure that goes evenly from one setting to another."""
    first, last = setting(rng, strength), setting(rng, strength)
    return [table(*(first + (last - first) * t / frames)) for t in range(frames)]


def record(rng, frame, noise, quality):
    """Sensor noise, then JPEG when a quality is given."""
    if noise > 0:
        grain = rng.standard_normal(frame.shape, dtype=np.float32) * noise
        frame = np.clip(frame + grain, 0, 255).astype(np.uint8)
    if quality is not None:
        _, data = cv2.imencode('.jpg', frame, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])
        frame = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return frame
