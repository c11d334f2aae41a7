"""Colour where nothing is seen: what lies under full transparency must not bleed into visible edges."""

import numpy as np
import torch
from torch import Tensor


def fill_hidden(pixels: Tensor, alpha: Tensor) -> Tensor:
    """Give every fully transparent pixel the colour of the nearest pixel that can be seen ("alpha bleeding").

    A cut-out picture often has black, white or noise where it is transparent. Interpolation and networks mix
    neighbours, so without this step that hidden colour shows as a fringe around the visible part. Distances are those
    of a chamfer (Borgefors, CVGIP 1986), right within a few percent.

    Args:
        alpha: 0 is transparent. A picture in which nothing can be seen stays as it is.

    Shapes: pixels (1, C, H, W) and alpha (1, 1, H, W) -> (1, C, H, W).
    Raises: ValueError for other shapes.
    """
    if pixels.ndim != 4 or alpha.shape != (1, 1, *pixels.shape[-2:]) or pixels.shape[0] != 1:
        raise ValueError(
            f"fill_hidden needs pixels (1, C, H, W) and alpha (1, 1, H, W), got shapes {tuple(pixels.shape)} "
            f"and {tuple(alpha.shape)}"
        )
    hidden = (alpha[0, 0] <= 0).cpu().numpy()
    if not hidden.any() or hidden.all():
        return pixels
    import cv2  # only here, and only for pictures with something hidden

    _, labels = cv2.distanceTransformWithLabels(
        hidden.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    places = np.zeros(labels.max() + 1, np.int64)  # of each label, the one visible pixel that has it
    places[labels[~hidden]] = np.flatnonzero(~hidden)
    nearest = torch.from_numpy(places[labels[hidden]]).to(pixels.device)
    filled = pixels.clone(memory_format=torch.contiguous_format)
    flat = filled.flatten(-2)
    flat[..., torch.from_numpy(hidden.reshape(-1)).to(pixels.device)] = pixels.flatten(-2)[..., nearest]
    return filled
