"""The coarse frame without learning: the prototype of the next architecture. The package does not
compute any of this yet.

Frames are (n, 3, h, w) in [-1, 1], masks (n, 1, h, w) with 1 in the hole: n references against one
target (n or 1 long). A homography (n, 3, 3) takes target to reference positions, both in
affine_grid's [-1, 1] coordinates; its last entry is 1.

    track   t -> t-1 once per arriving frame; products and inverses of these start every pair (t, r)
    refine  robust Gauss-Newton on 8 parameters, weighted towards the hole's surroundings; of a
            pair, accepted where it moves the hole little or pays for it
    pool    what the references show, weighted by the mismatch around each pixel, its low
            frequencies brought to the target's
    fill    what nobody shows, smoothly
"""
import torch
import torch.nn.functional as F


def identity(n=1):
    return torch.eye(3).expand(n, 3, 3)


def from_affine(theta):
    """theta (n, 2, 3) -> (n, 3, 3)."""
    return torch.cat([theta, torch.tensor([0., 0, 1]).expand(len(theta), 1, 3)], 1)


def normalised(homography):
    return homography / homography[:, 2:, 2:]


def positions(homography, h, w):
    """-> positions in the target x, y (1, hw) and references u, v (n, hw), denominators (n, hw)."""
    ys, xs = ((torch.arange(k) + .5) * 2 / k - 1 for k in (h, w))
    y, x = (g.flatten()[None] for g in torch.meshgrid(ys, xs, indexing='ij'))
    u, v, d = (homography[:, k, :1] * x + homography[:, k, 1:2] * y + homography[:, k, 2:]
               for k in range(3))
    d = d.clamp(min=.1)
    return x, y, u / d, v / d, d


def sample(image, homography):
    """Bilinear, zeros outside."""
    h, w = image.shape[-2:]
    _, _, u, v, _ = positions(homography, h, w)
    return F.grid_sample(image, torch.stack([u, v], -1).view(-1, h, w, 2), align_corners=False)


def separable(x, kernel, mode):
    """The kernel in both directions, the border filled by `mode`."""
    c, r = x.shape[1], len(kernel) // 2
    across = kernel.expand(c, 1, 1, -1)
    x = F.conv2d(F.pad(x, (r, r, 0, 0), mode), across, groups=c)
    return F.conv2d(F.pad(x, (0, 0, r, r), mode), across.transpose(2, 3), groups=c)


def binomial(x):
    return separable(x, torch.tensor([1., 4, 6, 4, 1]) / 16, 'replicate')


def window(x, sigma):
    """Gaussian of `sigma` cells, zeros outside: to be divided by the window of the weights."""
    r = int(2.5 * sigma + .5)
    k = torch.exp(-torch.arange(-r, r + 1.) ** 2 / (2 * sigma ** 2))
    return separable(x, k / k.sum(), 'constant')


def fill(x, seen):
    """Push-pull: a hidden pixel takes the mean of the pyramid's smallest cell that sees any."""
    h, w = x.shape[-2:]
    if min(h, w) < 2:
        count = seen.sum((2, 3), keepdim=True).clamp(min=1)
        return x * seen + (1 - seen) * (x * seen).sum((2, 3), keepdim=True) / count
    share = halved(seen)
    coarse = fill(halved(x * seen) / share.clamp(min=1e-6), (share > 0).float())
    coarse = F.interpolate(coarse, (h, w), mode='bilinear', align_corners=False)
    return x * seen + (1 - seen) * coarse


def halved(x):
    return F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False)


def reduced(frame, mask, k):
    """Mean of a cell's visible pixels -> blurred frame, visibility (more than 60 % of the cell)."""
    share = F.avg_pool2d(1 - mask, k)
    seen = (share > .6).float()
    mean = F.avg_pool2d(frame * (1 - mask), k) / share.clamp(min=1e-6)
    return binomial(fill(mean, seen)), seen


def level(frame, mask, k, sigma=60.):
    """What one level of the refinement needs: frame, visibility, weights of the target's cells."""
    g, seen = reduced(frame, mask, k)
    near = window(1 - seen, sigma / k) / window(torch.ones_like(seen), sigma / k)
    return g, seen, near + .01


def gauss_newton(homography, target, reference, steps, robust=1.5, floor=.01):
    """Steps on sum of near * squared-Cauchy(warped reference - target - mean difference)."""
    (gt, vt, near), (gr, vr, _) = target, reference
    n, c, h, w = gr.shape
    dx = F.pad((gr[..., 2:] - gr[..., :-2]) * (w / 4), (1, 1, 0, 0))
    dy = F.pad((gr[..., 2:, :] - gr[..., :-2, :]) * (h / 4), (0, 0, 1, 1))
    stack, weight = torch.cat([gr, dx, dy, vr], 1), (vt * near).flatten(2)
    for _ in range(steps):
        s = sample(stack, homography).flatten(2)
        x, y, u, v, d = positions(homography, h, w)
        m = (s[:, -1:] > .99).float() * weight
        r, rho = residual(s[:, :c], gt, m, robust, floor)
        gx, gy = s[:, c:2 * c] / d[:, None], s[:, 2 * c:3 * c] / d[:, None]
        gz = -(gx * u[:, None] + gy * v[:, None])
        jac = torch.stack([gx * x, gx * y, gx, gy * x, gy * y, gy, gz * x, gz * y], 1)
        jac = jac.flatten(2)                                                # (n, 8, c hw)
        jw = jac * rho.expand(-1, c, -1).flatten(1)[:, None]
        hess = jw @ jac.transpose(1, 2)
        diagonal = hess.diagonal(dim1=1, dim2=2)
        damping = diagonal * 1e-3 + diagonal.amax(1, keepdim=True) * 1e-6 + 1e-6
        step = torch.linalg.solve(hess + torch.diag_embed(damping), jw @ r.flatten(1)[..., None])
        step = step[..., 0].clamp(-.1, .1)
        enough = (m > 0).float().mean((1, 2)) > .05
        homography = homography - F.pad(step * enough.float()[:, None], (0, 1)).view(n, 3, 3)
    return homography


def residual(warped, gt, m, robust, floor):
    """-> differences less their mean (n, c, hw), weights (n, 1, hw): m / (1 + r^2 / sigma^2)^2."""
    count = m.sum(2, keepdim=True).clamp(min=1e-3)
    r = warped - gt.flatten(2)
    r = r - (r * m).sum(2, keepdim=True) / count
    size = (r.abs().mean(1, keepdim=True) * m).sum(2, keepdim=True) / count
    sigma = size * robust + floor
    return r, m / (1 + (r ** 2).mean(1, keepdim=True) / sigma ** 2) ** 2


def mismatch(homography, target, reference, clip=.1):
    """Weighted mean of clipped differences where both are visible; 0.3 more under 5 % overlap."""
    (gt, vt, near), (gr, vr, _) = target, reference
    s = sample(torch.cat([gr, vr], 1), homography).flatten(2)
    m = (s[:, -1:] > .99).float() * (vt * near).flatten(2)
    r, _ = residual(s[:, :-1], gt, m, 1., 0.01)
    cost = (r.abs().mean(1, keepdim=True).clamp(max=clip) * m).sum((1, 2))
    rare = (m > 0).float().mean((1, 2)) < .05
    return cost / m.sum((1, 2)).clamp(min=1e-3) + .3 * rare.float()


def better(a, b, target, reference):
    """Whichever homography has the lower mismatch."""
    first = mismatch(a, target, reference) <= mismatch(b, target, reference)
    return torch.where(first.view(-1, 1, 1), a, b)


def refine(homography, target, reference, steps=(4, 3), robust=(1.5, .7)):
    """Levels coarse to fine; the steps of one are kept only if they lower its mismatch."""
    for t, r, s, k in zip(target, reference, steps, robust):
        homography = better(gauss_newton(homography, t, r, s, k), homography, t, r)
    return homography


def chain(steps, t):
    """steps[i] (1, 3, 3): frame i -> i - 1, none for 0 -> (len, 3, 3) from t to every frame."""
    out = {t: identity()}
    for r in range(t - 1, -1, -1):
        out[r] = normalised(steps[r + 1] @ out[r + 1])
    for r in range(t + 1, len(steps)):
        out[r] = normalised(torch.linalg.inv(steps[r]) @ out[r - 1])
    return torch.cat([out[r] for r in range(len(steps))])


def moved(a, b, mask):
    """How far apart two homographies take the corners of the hole's box, at most, in pixels (n)."""
    (h, w), (rows, columns) = mask.shape, mask.nonzero().T
    y, x = ((torch.stack([p.min(), p.max()]) + .5) * 2 / k - 1
            for p, k in ((rows, h), (columns, w)))
    corners = torch.stack([x.repeat(2), y.repeat_interleave(2), torch.ones(4)])
    u, v = ((m @ corners)[:, :2] / (m @ corners)[:, 2:].clamp(min=.1) for m in (a, b))
    return ((u - v) * torch.tensor([w / 2, h / 2])[:, None]).norm(dim=1).amax(1)


def accepted(refined, start, target, reference, mask, pixels=2., gain=.9):
    """`refined` where it moves the hole little or lowers the mismatch by a tenth, else `start`.

    What moves in the foreground lowers the mismatch a little while it drags the hole far."""
    pays = mismatch(refined, target, reference) < gain * mismatch(start, target, reference)
    take = (moved(refined, start, mask) < pixels) | pays
    return torch.where(take.view(-1, 1, 1), refined, start)


def local_mismatch(aligned, target, both, sigma):
    """Mean absolute difference in a window around each pixel, carried into the hole."""
    d = F.avg_pool2d((aligned - target).abs().mean(1, keepdim=True).clamp(max=.5) * both, 4)
    return windowed(d, F.avg_pool2d(both, 4), sigma / 4, 1e-3, aligned.shape[-2:])


def membrane(aligned, target, both, sigma):
    """Mean of target - aligned in a window around each pixel, carried into the hole."""
    d = F.avg_pool2d((target - aligned).clamp(-.3, .3) * both, 4)
    return windowed(d, F.avg_pool2d(both, 4), sigma / 4, 3e-2, aligned.shape[-2:])


def windowed(value, weight, sigma, prior, size):
    """Normalised window of value (already times weight); `prior` is the weight of the mean."""
    count = weight.sum((2, 3), keepdim=True).clamp(min=1e-6)
    mean = value.sum((2, 3), keepdim=True) / count
    out = (window(value, sigma) + prior * mean) / (window(weight, sigma) + prior)
    return F.interpolate(out, size, mode='bilinear', align_corners=False)


def pool(aligned, seen, target, mask, scale=60., sigma=24., doubt=.2):
    """Aligned references and what they show -> coarse frame, pixels that some reference shows."""
    both = seen * (1 - mask)
    aligned = aligned + membrane(aligned, target, both, sigma)
    cost = local_mismatch(aligned, target, both, sigma)
    s = (-scale * cost).masked_fill(seen < .5, -1e4).softmax(0) * seen
    s = s / s.sum(0, keepdim=True).clamp(min=1e-6)
    borrowed = (seen.amax(0, keepdim=True) > .5).float() * mask
    trust = torch.sigmoid((doubt - (cost * s).sum(0, keepdim=True)) * 30)
    smooth_fill = fill(target * (1 - mask), 1 - mask)
    frame = trust * (aligned * s).sum(0, keepdim=True) + (1 - trust) * smooth_fill
    return fill(target * (1 - mask) + frame * borrowed, 1 - mask + borrowed), borrowed
