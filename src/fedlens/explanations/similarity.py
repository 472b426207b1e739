"""Measures of the similarity of two models' attribution maps.

Explanations of models are compared by the rank correlation and the structural similarity of their maps (J. Adebayo,
J. Gilmer, M. Muelly, I. Goodfellow, M. Hardt and B. Kim, *Sanity Checks for Saliency Maps*, 2018) and by how many of
their greatest entries they share (A. Ghorbani, A. Abid and J. Zou, *Interpretation of Neural Networks is Fragile*,
2019). Two models' maps differ in their unit, so every measure here is invariant under positive scaling of either map;
structural similarity, which is not by itself, is computed on maps divided by their own greatest absolute value.

A map of zeros (for ranks: of equal entries) has no direction, no order and no unit. By convention the similarity of two
such maps is 1, and that of one of them to any other map is 0.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

Measure = Callable[[Tensor, Tensor], Tensor]

WINDOW = 7
K1, K2 = 0.01, 0.03
DATA_RANGE = 2


def cosine(a: Tensor, b: Tensor) -> Tensor:
    """Return the cosine of the angle between each two maps, from −1 to 1; 1 if both are all zero, 0 if one is.

    Args:
        a: one model's maps, shape ``[n, ...]``; finite.
        b: the other's maps of the same samples, of the same shape.

    Returns:
        One value for each sample: float64, shape ``[n]``, on the CPU.

    Raises:
        ValueError: the shapes differ, the maps have no entries, or an entry is not finite.
    """
    return _cosine(*_rows(a, b))


def spearman(a: Tensor, b: Tensor) -> Tensor:
    """Return Spearman's rank correlation of each two maps' entries, from −1 to 1; equal entries share their mean rank.

    It is 1 if both maps are constant, 0 if one is. Arguments, result and errors are those of `cosine`.
    """
    from scipy.stats import rankdata

    # less the mean rank, ranks are multiples of a half: exact, and exactly zero for constant maps
    return _cosine(*(torch.from_numpy(rankdata(x, axis=1) - (x.shape[1] + 1) / 2) for x in _rows(a, b)))


def top_intersection(a: Tensor, b: Tensor, share: float = 0.1) -> Tensor:
    """Return the share of entries with the greatest absolute values that two maps have in common, from 0 to 1.

    For maps with enough entries and without ties it is |top_k(a) ∩ top_k(b)| / k. Two rules keep it independent of the
    order of the entries and of chance:

    - An entry of zero is in no top, since an attribution of zero points at nothing: disjoint sparse maps get 0, not the
      overlap of the zeros that would fill up their tops. The top of a map with fewer than k other entries is smaller.
    - Entries that tie for the last ranks of the top share them: each is in the top by an equal fraction. Tops are thus
      fuzzy sets; in their intersection an entry counts by the smaller of its two fractions, and the intersection is
      divided by the size of the larger top. A map's similarity to itself is 1; that of a constant map to one without
      ties is k / size, the mean for two unrelated tops.

    It is 1 if both maps are all zero, 0 if one is. Arguments, result and errors are those of `cosine`.

    Args:
        a: one model's maps.
        b: the other's.
        share: share of the entries that are in the top: k = max(1, round(share · size)).

    Raises:
        ValueError: as `cosine`, or the share is not above 0 and at most 1.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share: expected a number above 0 and at most 1, not {share}")
    rows = _rows(a, b)
    k = max(1, round(share * rows[0].shape[1]))
    tops = [_top(row, k) for row in rows]
    common = torch.minimum(*tops).sum(dim=1)
    larger = torch.maximum(*(top.sum(dim=1) for top in tops))
    return _with_conventions(common / larger.clamp(min=1), *rows).clamp(0, 1)


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Return the structural similarity of each two image maps, from −1 to 1.

    Z. Wang, A. C. Bovik, H. R. Sheikh and E. P. Simoncelli, *Image Quality Assessment: From Error Visibility to
    Structural Similarity*, 2004, with a uniform window of 7 × 7, sample covariances, K1 = 0.01, K2 = 0.03 and the range
    2, as maps divided by their greatest absolute value lie in [−1, 1]; the mean over all windows inside the image and
    over channels. The greatest value is taken over all channels of a map, whose proportions are part of it.

    It is 1 if both maps are all zero. If one is, it is 0 by convention: there is no unit to compare in, and by the
    formula such a map would be all but equal to any map of few entries.

    Args:
        a: one model's maps, shape ``[n, channels, h, w]``; finite.
        b: the other's maps of the same samples, of the same shape.

    Returns:
        One value for each sample: float64, shape ``[n]``, on the CPU.

    Raises:
        ValueError: the shapes differ, an entry is not finite, or the maps are no images of at least 7 × 7.
    """
    rows = _rows(a, b)
    if not _is_image(a.shape[1:]):
        raise ValueError(f"expected maps [n, channels, h, w] of at least {WINDOW} × {WINDOW}, not {tuple(a.shape)}")
    x, y = (_scaled(row).reshape(a.shape) for row in rows)
    mean_x, mean_y = _local_mean(x), _local_mean(y)
    correction = WINDOW**2 / (WINDOW**2 - 1)
    variances = correction * (_local_mean(x * x) - mean_x**2 + _local_mean(y * y) - mean_y**2)
    covariance = correction * (_local_mean(x * y) - mean_x * mean_y)
    c1, c2 = (K1 * DATA_RANGE) ** 2, (K2 * DATA_RANGE) ** 2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (variances + c2)
    return _with_conventions((luminance * structure).mean(dim=(1, 2, 3)), *rows).clamp(-1, 1)


MEASURES: Mapping[str, Measure] = {"spearman": spearman, "ssim": ssim, "cosine": cosine, "top": top_intersection}
NAMES: Mapping[str, str] = {"spearman": "rank correlation", "ssim": "SSIM", "cosine": "cosine", "top": "top 10 %"}


def measures_for(shape: Sequence[int]) -> dict[str, Measure]:
    """Return the measures for maps of one sample's shape: all, but `ssim` only for images ``[c, h, w]`` from 7 × 7."""
    return {key: measure for key, measure in MEASURES.items() if key != "ssim" or _is_image(shape)}


def _is_image(shape: Sequence[int]) -> bool:
    return len(shape) == 3 and min(shape[1:]) >= WINDOW


def _rows(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Return both models' maps as float64, a row for each sample."""
    if a.shape != b.shape:
        raise ValueError(f"maps of different shapes cannot be compared: {tuple(a.shape)} and {tuple(b.shape)}")
    if a.dim() < 2 or not a.shape[1:].numel():
        raise ValueError(f"expected maps with entries, [n, ...], not {tuple(a.shape)}")
    if not (a.isfinite().all() and b.isfinite().all()):
        raise ValueError("maps: all entries must be finite")
    first, second = (x.detach().cpu().double().flatten(1) for x in (a, b))
    return first, second


def _scaled(rows: Tensor) -> Tensor:
    """Divide each row by its greatest absolute value; zeros stay zeros."""
    greatest = rows.abs().amax(dim=1, keepdim=True)
    return rows / greatest.where(greatest > 0, 1)


def _cosine(a: Tensor, b: Tensor) -> Tensor:
    x, y = _scaled(a), _scaled(b)  # squares of very large values would overflow, and of very small ones vanish
    lengths = (x.square().sum(dim=1) * y.square().sum(dim=1)).sqrt()
    return _with_conventions((x * y).sum(dim=1) / lengths.clamp(min=1), a, b).clamp(-1, 1)


def _with_conventions(values: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return the values, but 1 where both rows are all zero and 0 where one is."""
    nonzero_a, nonzero_b = a.any(dim=1), b.any(dim=1)
    return values.where(nonzero_a & nonzero_b, (nonzero_a == nonzero_b).double())


def _top(rows: Tensor, k: int) -> Tensor:
    """Return the fraction, from 0 to 1, by which each entry is among its row's `k` greatest in absolute value."""
    size = rows.abs()
    last = size.kthvalue(size.shape[1] - k + 1, dim=1, keepdim=True).values
    above, tied = size > last, size == last
    left = (k - above.sum(dim=1, keepdim=True)) / tied.sum(dim=1, keepdim=True)
    return torch.where(tied, left.double(), above.double()).where(size > 0, 0)


def _local_mean(images: Tensor) -> Tensor:
    return avg_pool2d(images, WINDOW, stride=1)
