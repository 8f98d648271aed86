"""What cameras and files do to frames: exposure, noise, compression. Works on uint8 RGB."""
import cv2
import numpy as np


def expose(rng, frame, strength=1.0):
    gain = 1 + rng.normal(0, .08) * strength
    tint = rng.normal(0, .02, 3) * strength
    lift = rng.normal(0, 6) * strength
    table = np.clip(np.arange(256)[:, None] * (gain + tint) + lift, 0, 255).astype(np.uint8)
    return cv2.LUT(frame, table[None])


def record(rng, frame, noise, quality):
    """Sensor noise, then JPEG when a quality is given."""
    if noise > 0:
        grain = rng.standard_normal(frame.shape, dtype=np.float32) * noise
        frame = np.clip(frame + grain, 0, 255).astype(np.uint8)
    if quality is not None:
        _, data = cv2.imencode('.jpg', frame, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])
        frame = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return frame
