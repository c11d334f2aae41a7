"""Clips made of still photographs: two layers that move, turn and cover each other, and the true motion with them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from srlib.data.patches import as_hr
from srlib.data.streams import AlignedStream
from srlib.images import quantised
from srlib.random_degradations.blur_noise import gaussian_blur
from srlib.resample import resize

TURN, ZOOM = 0.01, 0.01  # largest change a frame, in radians and as a factor
ALONE = 0.2  # share of clips without a layer in front
EDGE = 1.0  # hr pixels over which the front layer fades out


@dataclass(frozen=True)
class Truth:
    """What is known of made clips, at the pixels of lr or, where a clip is `whole`, of hr.

    Args:
        flow: (N, T, 2, h, w), how far (down, right) what the centre frame shows here lies in each frame, in pixels.
        visible: (N, T, h, w), whether that frame shows it: inside the frame, and not behind the front layer.
    """

    flow: Tensor
    visible: Tensor


class MovingLayers:
    """An endless stream of clips: `stream[i]` depends on `seed` and `i` alone.

    The layer behind fills the frame; an ellipse of another photograph moves before it. Each has its own velocity, turn
    and zoom about the patch's centre, so there is parallax, and what is behind appears and vanishes at the edges of
    what is in front. Frames are made at the size of hr and shrunk, so a motion by a fraction of an lr pixel shows lr
    other samples of the same scene.

    Args:
        pictures: hr, (1, 1 or 3, H, W), float in [0, 1] or uint8.
        lr_size: side of a clip in lr pixels.
        frames: odd; the centre frame is the one that hr belongs to.
        speed: fastest motion of a layer in lr pixels a frame.
        changes: largest relative change of exposure between frames; and neighbours are blurred by up to σ = 8 · changes
            hr pixels.

    Shapes: stream[i] -> clip (frames, 3, lr_size, lr_size), hr (3, scale·lr_size, scale·lr_size), float in [0, 1].
    Raises: ValueError for an even number of frames, and as `AlignedStream` for pictures that are missing or have a side
        below `side`.
    """

    def __init__(
        self,
        pictures: Iterable[Tensor],
        *,
        scale: int = 4,
        lr_size: int = 32,
        frames: int = 5,
        speed: float = 2.0,
        changes: float = 0.0,
        seed: int = 0,
    ) -> None:
        if frames < 1 or frames % 2 == 0:
            raise ValueError(f"frames must be odd, so that one is the centre; got {frames}")
        self.scale, self.lr_size, self.frames, self.speed, self.changes = scale, lr_size, frames, speed, changes
        self.seed = seed
        self.stills = AlignedStream(
            ((as_hr(picture),) for picture in pictures), size=side(lr_size, scale, frames, speed), seed=seed
        )

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        clip, hr = self.batch([index])
        return clip[0], hr[0]

    def batch(self, indices: Sequence[int], device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
        """The samples of these indices, stacked, on a device: (N, T, 3, h, w) and (N, 3, H, W)."""
        return self.made(indices, device)[:2]

    def made(
        self, indices: Sequence[int], device: torch.device | str = "cpu", truth: bool = False
    ) -> tuple[Tensor, Tensor, Truth | None]:
        """As `batch`, with the true motion at the pixels of lr if it is asked for."""
        clip, hr, maps, ellipses = self._frames(indices, device)
        found = self._truth(maps, ellipses, self.lr_size) if truth else None
        return clip, hr[:, self.frames // 2], found

    def whole(self, indices: Sequence[int], device: torch.device | str = "cpu") -> tuple[Tensor, Tensor, Truth]:
        """The same clips with hr of every frame, and the true motion at the pixels of hr.

        With `changes`, hr shows the scene without them.

        Shapes: -> lr (N, T, 3, h, w), hr (N, T, 3, H, W), truth at (H, W).
        """
        clip, hr, maps, ellipses = self._frames(indices, device)
        return clip, hr, self._truth(maps, ellipses, self.scale * self.lr_size)

    def _frames(self, indices: Sequence[int], device: torch.device | str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """lr and hr of every frame, and what moved them: the maps of both layers, the front one's ellipses."""
        stills = [self.stills.batch([2 * i + layer for i in indices], device)[0] for layer in (0, 1)]
        drawn = [_Scene(self, index) for index in indices]
        maps = torch.stack([torch.stack([scene.maps[k] for scene in drawn]) for k in (0, 1)]).to(
            device
        )  # (2, N, T, 2, 3)
        ellipses = torch.stack([scene.ellipse for scene in drawn]).to(device)  # (N, 2, 3)
        grid = _grid(self.scale * self.lr_size, 1.0, device)
        back, front = (_rendered(still, _undone(map_), grid) for still, map_ in zip(stills, maps, strict=True))
        cover = _cover(ellipses[:, None], _apply(_undone(maps[1]), grid))
        hr = torch.lerp(back, front, cover[:, :, None]).clamp(0, 1)
        exposure = torch.stack([scene.exposure for scene in drawn]).to(device)
        seen = resize(self._blurred(hr, drawn), 1 / self.scale) * exposure[..., None, None, None]
        return quantised(seen), hr, maps, ellipses

    def _blurred(self, hr: Tensor, drawn: Sequence["_Scene"]) -> Tensor:
        if not self.changes:
            return hr
        sigma = torch.stack([scene.blur for scene in drawn]).to(hr)
        return gaussian_blur(hr.flatten(0, 1), sigma.flatten()).view(hr.shape)

    def _truth(self, maps: Tensor, ellipses: Tensor, size: int) -> Truth:
        step = self.scale * self.lr_size / size
        here = _grid(size, step, ellipses.device)  # the centres of pixels, in hr pixels from the middle
        in_front = _cover(ellipses, here.expand(len(ellipses), *here.shape)) > 0.5  # (N, h, w)
        moved = [_apply(map_, here) for map_ in maps]  # (N, T, h, w, 2)
        there = torch.where(in_front[:, None, ..., None], moved[1], moved[0])
        flow = ((there - here) / step).movedim(-1, 2)
        inside = (there.abs() <= self.scale * self.lr_size / 2).all(-1)
        covered = torch.stack(
            [_cover(ellipses, _apply(_undone(maps[1][:, t : t + 1]), there[:, t])[:, 0]) for t in range(self.frames)], 1
        )
        return Truth(flow, inside & (in_front[:, None] | (covered <= 0.5)))


def side(lr_size: int, scale: int, frames: int, speed: float) -> int:
    """Shortest side of a picture that such clips are cut from, in hr pixels."""
    reach = frames // 2
    large = lr_size * scale * (1 + reach * (TURN + ZOOM)) + 2 * reach * speed * scale
    return int(np.ceil(large / 2) * 2) + 4


class _Scene:
    """All that is drawn for one clip."""

    def __init__(self, stream: MovingLayers, index: int) -> None:
        rng = np.random.Generator(np.random.Philox(key=[stream.seed + 1_000_003, index]))
        times = np.arange(stream.frames) - stream.frames // 2
        self.maps = []
        for _ in range(2):
            speed, direction = stream.scale * stream.speed * rng.random(), 2 * np.pi * rng.random()
            turn, zoom = TURN * rng.uniform(-1, 1), ZOOM * rng.uniform(-1, 1)
            self.maps.append(_motion(times, speed, direction, turn, zoom))
        size = stream.scale * stream.lr_size
        middle, radii = size * rng.uniform(-0.4, 0.4, 2), size * rng.uniform(0.12, 0.4, 2)
        if rng.random() < ALONE:
            middle = np.array([1e6, 1e6])
        angle = np.pi * rng.random()
        turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / radii[:, None]
        self.ellipse = torch.tensor(np.column_stack([turned, -turned @ middle]), dtype=torch.float32)
        others = times != 0
        self.exposure = torch.tensor(
            np.where(others, np.exp(stream.changes * rng.uniform(-1, 1, len(times))), 1.0)
        ).float()
        self.blur = torch.tensor(np.where(others, 8 * stream.changes * rng.random(len(times)), 0.0)).float()


def _motion(times: np.ndarray, speed: float, direction: float, turn: float, zoom: float) -> Tensor:
    """(T, 2, 3): where a point of the centre frame, in hr pixels from the middle, lies at each time."""
    size = np.exp(zoom * times)
    cosine, sine = size * np.cos(turn * times), size * np.sin(turn * times)
    down, right = speed * np.sin(direction) * times, speed * np.cos(direction) * times
    rows = np.stack([np.stack([cosine, -sine, down], -1), np.stack([sine, cosine, right], -1)], 1)
    return torch.tensor(rows, dtype=torch.float32)


def _undone(map_: Tensor) -> Tensor:
    """The inverse of affine maps (..., 2, 3)."""
    inverse = torch.linalg.inv(map_[..., :2])
    return torch.cat([inverse, -inverse @ map_[..., 2:]], -1)


def _apply(map_: Tensor, points: Tensor) -> Tensor:
    """Maps (N, T, 2, 3) on points (h, w, 2), or (N, h, w, 2) of one's own -> (N, T, h, w, 2)."""
    points = points if points.ndim == 3 else points[:, None]
    return points @ map_[..., :2].mT[:, :, None] + map_[:, :, None, None, :, 2]


def _grid(size: int, step: float, device: torch.device | str) -> Tensor:
    """Positions (size, size, 2) of pixels of this width, (down, right) of the middle of the picture."""
    along = (torch.arange(size, device=device) + 0.5 - size / 2) * step
    return torch.stack(torch.meshgrid(along, along, indexing="ij"), -1)


def _rendered(still: Tensor, map_: Tensor, grid: Tensor) -> Tensor:
    """Frames (N, T, C, H, W) whose pixels show the still (N, C, S, S) at the mapped positions."""
    places = _apply(map_, grid).flip(-1) * (2 / still.shape[-1])  # (right, down), the still from −1 to 1
    frames = map_.shape[1]
    found = F.grid_sample(
        still.repeat_interleave(frames, 0), places.flatten(0, 1), "bicubic", "border", align_corners=False
    )
    return found.unflatten(0, (-1, frames))


def _cover(ellipse: Tensor, points: Tensor) -> Tensor:
    """Opacity of the front layer, 1 inside the ellipse: maps to the unit disc (..., 2, 3), points (..., h, w, 2)."""
    placed = points @ ellipse[..., None, :, :2].mT + ellipse[..., None, None, :, 2]
    narrow = torch.linalg.matrix_norm(ellipse[..., :2], ord=-2)[..., None, None]  # 1 / the longer radius
    return ((1 - placed.norm(dim=-1)) / (narrow * EDGE) + 0.5).clamp(0, 1)
