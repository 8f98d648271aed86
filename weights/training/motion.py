"""Random transforms and camera paths. Matrices are 3 x 3 and work on [-1, 1] x [-1, 1]."""
import cv2
import numpy as np


def affine(rng, strength=.925):
    """A random affine: by default the grid of the identity is off by 17 of 128 pixels."""
    angle = rng.normal(0, .17) * strength
    scale = np.exp(rng.normal(0, .14) * strength)
    stretch = np.exp(rng.normal(0, .08) * strength)
    shear = rng.normal(0, .09) * strength
    c, s = np.cos(angle), np.sin(angle)
    linear = np.array([[c, -s], [s, c]]) @ np.diag([scale * stretch, scale / stretch])
    matrix = np.eye(3)
    matrix[:2, :2] = linear @ np.array([[1, shear], [0, 1]])
    matrix[:2, 2] = rng.normal(0, .185, 2) * strength
    return matrix


def camera_path(rng, frames, speed, perspective):
    """A smooth path: (frames, 3, 3), the first the identity. Speed in widths of the half frame."""
    velocity = rng.normal(0, speed, 8)
    drift = rng.normal(0, speed / max(frames, 1), 8)
    weight = np.array([.4, .4, .4, .4, 1, 1, perspective, perspective])
    path = []
    for t in range(frames):
        p = (velocity * t + drift * t * t / 2) * weight
        path.append(np.array([[1 + p[0], p[1], p[4]], [p[2] - p[1], 1 + p[3], p[5]],
                              [p[6], p[7], 1]]))
    return np.stack(path)


def to_pixels(width, height):
    """[-1, 1] coordinates -> pixel indices, corners not aligned."""
    return np.array([[width / 2, 0, width / 2 - .5], [0, height / 2, height / 2 - .5], [0, 0, 1.]])


def view(image, matrix, width, height, flags=cv2.INTER_LINEAR):
    """What a camera sees: out(p) = image(matrix p), mirrored beyond the border."""
    h, w = image.shape[:2]
    pixels = to_pixels(w, h) @ matrix @ np.linalg.inv(to_pixels(width, height))
    return cv2.warpPerspective(image, pixels, (width, height), flags=flags | cv2.WARP_INVERSE_MAP,
                               borderMode=cv2.BORDER_REFLECT_101)


def crop(rng, image, share):
    """A random window of an image, square in pixels, `share` of the shorter side wide."""
    h, w = image.shape[:2]
    side = share * min(h, w)
    half = np.array([side / w, side / h])
    centre = rng.uniform(-1, 1, 2) * (1 - half)
    return np.array([[half[0], 0, centre[0]], [0, half[1], centre[1]], [0, 0, 1]])
