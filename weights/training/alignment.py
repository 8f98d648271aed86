"""How frames are registered and references aligned with the target (ours): the reference in PyTorch.

Frames are (n, 3, h, w) in [-1, 1], masks (n, 1, h, w) with 1 in the hole: n references against one
target (n or 1 long). A homography (n, 3, 3) takes target to reference positions, both in
affine_grid's [-1, 1] coordinates; its last entry is 1.

    track           t -> t-1 once per arriving frame; products and inverses of these start every
                    pair (t, r)
    refine          robust Gauss-Newton on 8 parameters, up to the full size, weighted towards the
                    hole's surroundings; of a pair, accepted where it moves the hole little or pays
    local_distance  how far each reference is from the target around each cell, and what to add to it
    push_pull       what nobody shows, smoothly
"""
import torch
import torch.nn.functional as F


# Cells of the refinement in pixels, steps, robustness. Every level compares as many places: finer
# ones give more precise derivatives, not more of them.
levels_of = ((4, 4, 1.5), (2, 4, 1.5), (1, 4, 1.5))
near_sigma, local_sigma = 60., 24.          # pixels
settled = 2.                                # pixels a corner of the hole's box may be moved by
doubt, slope = .1, 60.                      # of the trust in what is borrowed


def precise(f):
    """Whatever is around it, f computes in float32: bfloat16 is not enough for positions."""
    for kind in ('cpu', 'cuda') if torch.cuda.is_available() else ('cpu',):
        f = torch.autocast(kind, enabled=False)(f)
    return f


def identity(n=1, device=None):
    return torch.eye(3, device=device).expand(n, 3, 3)


def from_affine(theta):
    """theta (n, 2, 3) -> (n, 3, 3)."""
    return torch.cat([theta, theta.new_tensor([0., 0, 1]).expand(len(theta), 1, 3)], 1)


def normalised(homography):
    return homography / homography[:, 2:, 2:]


def positions(homography, h, w):
    """-> positions in the target x, y (1, hw) and references u, v (n, hw), denominators (n, hw)."""
    ys, xs = ((torch.arange(k, device=homography.device) + .5) * 2 / k - 1 for k in (h, w))
    y, x = (g.flatten()[None] for g in torch.meshgrid(ys, xs, indexing='ij'))
    u, v, d = (homography[:, k, :1] * x + homography[:, k, 1:2] * y + homography[:, k, 2:]
               for k in range(3))
    d = d.clamp(min=.1)
    return x, y, u / d, v / d, d


def resample(image, homography):
    """Bilinear, zeros outside."""
    h, w = image.shape[-2:]
    _, _, u, v, _ = positions(homography, h, w)
    return F.grid_sample(image, torch.stack([u, v], -1).view(-1, h, w, 2), align_corners=False)


def sample(image, visibility, homography):
    """-> the image under the homography; visible only where all four texels are (> 0.99)."""
    return resample(image, homography), (resample(visibility, homography) > .99).float()


def separable(x, kernel):
    """The kernel in both directions, zeros outside."""
    c, r = x.shape[1], len(kernel) // 2
    across = kernel.expand(c, 1, 1, -1)
    x = F.conv2d(F.pad(x, (r, r, 0, 0)), across, groups=c)
    return F.conv2d(F.pad(x, (0, 0, r, r)), across.transpose(2, 3), groups=c)


def binomial(x):
    return separable(x, torch.tensor([1., 2, 1], device=x.device) / 4)


def window(x, sigma):
    """Gaussian of `sigma` cells, zeros outside: to be divided by the window of the weights."""
    r = int(2.5 * sigma + .5)
    k = torch.exp(-torch.arange(-r, r + 1., device=x.device) ** 2 / (2 * sigma ** 2))
    return separable(x, k / k.sum())


@precise
def levels(frame, mask):
    """What the refinement needs of a frame, coarse to fine: colours and visibility (n, 4, h, w), and
    the weights (n, 1, h, w) of the target's cells, at the coarsest level's size.

    The colour is the mean of what is visible, of each k x k cell and then of its neighbours; a cell
    is visible with more than 60 % of its pixels; weights are high around holes.
    """
    made, near = [], None
    for k, _, _ in levels_of:
        share = F.avg_pool2d(1 - mask, k)
        visibility = (share > .6).float()
        colour = binomial(F.avg_pool2d(frame * (1 - mask), k)) / binomial(share).clamp(min=1e-6)
        if near is None:
            sigma = near_sigma / k
            near = window(1 - visibility, sigma) / window(torch.ones_like(visibility), sigma) + .01
        made.append((torch.cat([colour, visibility], 1), near))
    return made


def spread(near, h, w):
    """The places at which levels of h x w cells are compared, one for each weight: their slices."""
    return tuple(slice(n // k // 2, None, n // k) for n, k in zip((h, w), near.shape[-2:]))


def compared(homography, level, near):
    """-> positions x, y, u, v, depths, all (n, places), and whether u, v lies inside, where there
    are derivatives, that is a cell or more from the border."""
    h, w = level.shape[-2:]
    rows, columns = spread(near, h, w)

    def pick(v):
        return v.view(-1, h, w)[:, rows, columns].flatten(1)
    x, y, u, v, d = map(pick, positions(homography, h, w))
    px, py = ((u + 1) * w - 1) / 2, ((v + 1) * h - 1) / 2
    inside = (px >= 1) & (px <= w - 2) & (py >= 1) & (py <= h - 2)
    return x, y, u, v, d, inside.float()[:, None]


def read(level, u, v):
    """A level (n, c, h, w) at the positions u, v (n, places) -> (n, c, places)."""
    return F.grid_sample(level, torch.stack([u, v], -1)[:, None], align_corners=False).flatten(2)


def residual(warped, target, m, robust):
    """-> differences less their mean (n, c, places), weights (n, 1, places):
    m / (1 + r^2 / sigma^2)^2."""
    count = m.sum(2, keepdim=True).clamp(min=1e-3)
    r = warped - target
    r = r - (r * m).sum(2, keepdim=True) / count
    size = (r.abs().mean(1, keepdim=True) * m).sum(2, keepdim=True) / count
    sigma = size * robust + .01
    return r, m / (1 + (r ** 2).mean(1, keepdim=True) / sigma ** 2) ** 2


def target_at(target):
    """Colours of the target where it is compared (n, 3, places), and what it counts there."""
    level, near = target
    rows, columns = spread(near, *level.shape[-2:])
    picked = level[:, :, rows, columns].flatten(2)
    return picked[:, :3], picked[:, 3:] * near.flatten(2)


@precise
def steps_of(homography, target, reference, steps, robust):
    """Steps on sum of near * squared-Cauchy(warped reference - target - mean difference)."""
    (level, _), (gt, weight), near = reference, target_at(target), target[1]
    n, _, h, w = level.shape
    for _ in range(steps):
        x, y, u, v, d, inside = compared(homography, level, near)
        colour, visibility = read(level, u, v).split((3, 1), 1)
        m = (visibility > .99).float() * inside * weight
        r, rho = residual(colour, gt, m, robust)
        gx = (read(level, u + 2 / w, v) - read(level, u - 2 / w, v))[:, :3] * (w / 4) / d[:, None]
        gy = (read(level, u, v + 2 / h) - read(level, u, v - 2 / h))[:, :3] * (h / 4) / d[:, None]
        gz = -(gx * u[:, None] + gy * v[:, None])
        jac = torch.stack([gx * x[:, None], gx * y[:, None], gx, gy * x[:, None], gy * y[:, None],
                           gy, gz * x[:, None], gz * y[:, None]], 1).flatten(2)    # (n, 8, 3 places)
        jw = jac * rho.expand(-1, 3, -1).flatten(1)[:, None]
        hess = jw @ jac.transpose(1, 2)
        diagonal = hess.diagonal(dim1=1, dim2=2)
        damping = diagonal * 1e-3 + diagonal.amax(1, keepdim=True) * 1e-6 + 1e-6
        step = torch.linalg.solve(hess + torch.diag_embed(damping), jw @ r.flatten(1)[..., None])
        step = step[..., 0].clamp(-.1, .1)
        enough = (m > 0).float().mean((1, 2)) > .05
        homography = homography - F.pad(step * enough.float()[:, None], (0, 1)).view(n, 3, 3)
    return homography


@precise
def mismatch(homography, target, reference):
    """Weighted mean of differences, 0.1 at most, where both are visible; 0.3 more under 5 %."""
    (gt, weight), near = target_at(target), target[1]
    _, _, u, v, _, inside = compared(homography, reference[0], near)
    colour, visibility = read(reference[0], u, v).split((3, 1), 1)
    m = (visibility > .99).float() * inside * weight
    r, _ = residual(colour, gt, m, 1.)
    cost = (r.abs().mean(1, keepdim=True).clamp(max=.1) * m).sum((1, 2))
    rare = (m > 0).float().mean((1, 2)) < .05
    return cost / m.sum((1, 2)).clamp(min=1e-3) + .3 * rare.float()


def gauss_newton(homography, target, reference, steps, robust, anchor=None):
    """Steps that lower the mismatch, or none. With an anchor (homography, box (y, x, h, w),
    distance), in cells: that, unless every corner of the box moves less than the distance against
    it, or the mismatch falls by a tenth."""
    def choose(first, a, b):
        return torch.where(first.view(-1, 1, 1), a, b)
    new = steps_of(homography, target, reference, steps, robust)
    cost, before = (mismatch(x, target, reference) for x in (new, homography))
    kept, cost = choose(cost < before, new, homography), torch.minimum(cost, before)
    if anchor is None:
        return kept
    held, box, distance = anchor
    pays = cost < .9 * mismatch(held, target, reference)
    near = moved(kept, held, box, target[0].shape[-2:]) < distance
    return choose(pays | near, kept, held)


def moved(a, b, box, size):
    """How far apart two homographies take the corners of a box, at most, in cells (n)."""
    (top, left, high, wide), (h, w) = box, size
    y = a.new_tensor([top, top + high]) * 2 / h - 1
    x = a.new_tensor([left, left + wide]) * 2 / w - 1
    corners = torch.stack([x.repeat(2), y.repeat_interleave(2), torch.ones_like(x).repeat(2)])
    u, v = ((m @ corners)[:, :2] / (m @ corners)[:, 2:].clamp(min=.1) for m in (a, b))
    return ((u - v) * a.new_tensor([w / 2, h / 2])[:, None]).norm(dim=1).amax(1)


def refine(homography, target, reference, anchored=None):
    """Levels coarse to fine. `anchored`, the bounds (y, x, h, w) of the target's hole in pixels:
    where the start was, unless what was found is near it there or pays. What moves in the
    foreground lowers the mismatch a little while it drags the hole far."""
    start = homography
    for t, r, (k, steps, robust) in zip(target, reference, levels_of):
        last = anchored is not None and k == levels_of[-1][0]
        anchor = (start, [v / k for v in anchored], settled / k) if last else None
        homography = gauss_newton(homography, t, r, steps, robust, anchor)
    return homography


def track(affine, target, before):
    """From a frame to the one before it: the better of what the identity and the network's estimate
    (1, 2, 3) become."""
    two = [tuple(x.expand(2, -1, -1, -1) for x in part) for part in before]
    found = refine(torch.cat([identity(1, affine.device), from_affine(affine)]), target, two)
    best = mismatch(found, target[-1], two[-1]).argmin()
    return found[best:best + 1]


def chain(steps, t):
    """steps[i] (1, 3, 3): frame i -> i - 1, none for 0 -> (len, 3, 3) from t to every frame."""
    out = {t: identity(1, steps[-1].device)}
    for r in range(t - 1, -1, -1):
        out[r] = normalised(steps[r + 1] @ out[r + 1])
    for r in range(t + 1, len(steps)):
        out[r] = normalised(torch.linalg.inv(steps[r]) @ out[r - 1])
    return torch.cat([out[r] for r in range(len(steps))])


@precise
def local_distance(aligned, visibility, target, target_visibility):
    """Mean absolute difference in a window around each cell of 4 x 4 pixels, carried into the hole,
    and what was added to the aligned frame before: the mean difference there, its exposure.

    -> (n, 1, h/4, w/4), (n, 3, h/4, w/4)
    """
    both = visibility * target_visibility
    weight = F.avg_pool2d(both, 4)
    offset = windowed(F.avg_pool2d((target - aligned).clamp(-.3, .3) * both, 4), weight, 3e-2)
    off = (aligned + F.interpolate(offset, scale_factor=4) - target).abs().mean(1, keepdim=True)
    return windowed(F.avg_pool2d(off.clamp(max=.5) * both, 4), weight, 1e-3), offset


def windowed(value, weight, prior):
    """Normalised window of value (already times weight); `prior` is the weight of the mean."""
    mean = value.sum((2, 3), keepdim=True) / weight.sum((2, 3), keepdim=True).clamp(min=1e-6)
    value, weight = (window(x, local_sigma / 4) for x in (value, weight))
    return (value + prior * mean) / (weight + prior)


def trust(distance):
    """How much of what is borrowed is shown, by its distance."""
    return torch.sigmoid(slope * (doubt - distance))


@precise
def push_pull(x, weight, guess=None):
    """Fills smoothly what is not seen from what is, by weights in [0, 1] (Gortler et al., The
    Lumigraph): coarser and coarser means, and back. A guess is mixed in at a quarter of the size:
    colours and what their share is multiplied by (n, 4, h/4, w/4), logits of it (n, 1, h/4, w/4).
    """
    def filled(x, weight, level):
        h, w = x.shape[-2:]
        if min(h, w) < 2:
            total = weight.sum((2, 3), keepdim=True).clamp(min=1e-6)
            fill = (x * weight).sum((2, 3), keepdim=True) / total
        else:
            share = halved(weight)
            coarse = halved(x * weight) / share.clamp(min=1e-6)
            coarse = filled(coarse, (6 * share).clamp(max=1), level + 1)
            fill = F.interpolate(coarse, (h, w), mode='bilinear', align_corners=False)
        if guess is not None and level == 2:
            colour, trust = guess
            fill = fill + colour[:, 3:] * torch.sigmoid(trust) * (colour[:, :3] - fill)
        return x * weight + (1 - weight) * fill
    return filled(x, weight, 0)


def halved(x):
    return F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False)
