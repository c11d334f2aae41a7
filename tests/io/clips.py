"""Small videos for the tests, made with PyAV: their frames, colours, times, sound and rotation are known."""

from fractions import Fraction

import av
import numpy as np

MATRICES = {1: (0.2126, 0.0722), 6: (0.299, 0.114)}  # of H.273: BT.709 and BT.601


def to_planes(rgb, matrix=6, full=False, bits=8):
    """R'G'B' (3,) or (3, H, W) in [0, 1] as numbers of Y', Cb and Cr; written from the standards' formulas."""
    red, green, blue = np.asarray(rgb, float)
    kr, kb = MATRICES[matrix]
    y = kr * red + (1 - kr - kb) * green + kb * blue
    cb, cr = (blue - y) / (2 - 2 * kb), (red - y) / (2 - 2 * kr)
    unit, top = 2 ** (bits - 8), 2**bits - 1
    scale = (0, top, top) if full else (16 * unit, 219 * unit, 224 * unit)
    return [scale[0] + scale[1] * y, 128 * unit + scale[2] * cb, 128 * unit + scale[2] * cr]


def to_rgb(planes, matrix=6, full=False, bits=8):
    """The reverse."""
    kr, kb = MATRICES[matrix]
    unit, top = 2 ** (bits - 8), 2**bits - 1
    low, span, chroma = (0, top, top) if full else (16 * unit, 219 * unit, 224 * unit)
    y, cb, cr = (np.asarray(plane, float) for plane in planes)
    y, cb, cr = (y - low) / span, (cb - 128 * unit) / chroma, (cr - 128 * unit) / chroma
    red, blue = y + (2 - 2 * kr) * cr, y + (2 - 2 * kb) * cb
    return np.stack([red, (y - kr * red - kb * blue) / (1 - kr - kb), blue])


def numbers(plane, bits=8):
    """A plane of a frame as an array that can be written."""
    rows = np.frombuffer(plane, np.uint8 if bits == 8 else np.uint16).reshape(plane.height, -1)
    return rows[:, : plane.width]


# Six flat patches, the corners of what RGB holds among them.
PATCHES = np.array(
    [[[0.9, 0.2, 0.1], [0.1, 0.8, 0.2], [0.15, 0.2, 0.9]], [[0.95, 0.9, 0.2], [0.5, 0.5, 0.5], [0.05, 0.6, 0.7]]]
)


def pattern(height, width):
    """RGB (3, height, width) in [0, 1]: two rows of three patches, their borders at even pixels."""
    rows = np.minimum(np.arange(height) // (height // 4 * 2), 1)
    columns = np.minimum(np.arange(width) // (width // 6 * 2), 2)
    return PATCHES[rows][:, columns].transpose(2, 0, 1)


def frame_of(rgb, layout="yuv420p", matrix=6, full=False):
    """A frame with the colours of (3, H, W), its chroma taken at every second pixel."""
    height, width = rgb.shape[1:]
    frame, bits = av.VideoFrame(width, height, layout), 10 if layout.endswith("10le") else 8
    for plane, values in zip(frame.planes, to_planes(rgb, matrix, full, bits), strict=False):
        down, across = -(-height // plane.height), -(-width // plane.width)
        numbers(plane, bits)[:] = np.clip(np.round(values[::down, ::across]), 0, 2**bits - 1)
    return frame


def moving(count=8, height=36, width=48):
    """Frames (3, height, width) of the pattern, one column further each time."""
    return [np.roll(pattern(height, width), 2 * k, 2) for k in range(count)]


def write(path, frames, *, layout="yuv420p", codec="libx264", rate=25, matrix=None, full=None, pts=None, time_base=None,
          aspect=None, rotation=None, flip=False, sound=None, tagged=True, crf="0", **more):  # fmt: skip
    """A video of frames (3, H, W); `matrix` and `full` are what they are made with, and told where `tagged`.

    Args:
        pts: of the frames in `time_base`; default: one after the other at `rate`.
        sound: the name of an encoder; a second of it.
    """
    with av.open(str(path), "w", **more) as container:
        lossless = {"crf": crf} if codec.startswith("lib") else {}
        stream = container.add_stream(codec, rate=rate, options=lossless)
        stream.height, stream.width = size_of(frames[0])
        stream.pix_fmt = layout
        context = stream.codec_context
        if time_base:
            context.time_base = time_base
        if aspect:
            context.sample_aspect_ratio = aspect
        if tagged and matrix is not None:
            context.colorspace, context.color_range = matrix, 2 if full else 1
        if rotation is not None or flip:
            stream.set_display_rotation(rotation or 0, hflip=flip)
        voice = container.add_stream(sound, rate=48000) if sound else None
        for k, rgb in enumerate(frames):
            frame = rgb if isinstance(rgb, av.VideoFrame) else frame_of(rgb, layout, matrix or 6, bool(full))
            frame.pts = k if pts is None else pts[k]
            frame.time_base = time_base or Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if voice:
            speak(container, voice, len(frames) / rate)
    return path


def size_of(frame):
    """Height and width of an array or a frame."""
    return (frame.height, frame.width) if isinstance(frame, av.VideoFrame) else frame.shape[1:]


def speak(container, voice, seconds):
    """A tone of 440 Hz."""
    total, size = round(48000 * seconds), voice.codec_context.frame_size or 1024
    for start in range(0, total, size):
        tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(start, start + size) / 48000)
        frame = av.AudioFrame.from_ndarray(np.tile(tone.astype(np.float32), (2, 1)), "fltp", "stereo")
        frame.sample_rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
        container.mux(voice.encode(frame))
    container.mux(voice.encode())


def read(path):
    """Every decoded frame of a file, with the stream's header as a dict."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        about = {
            "rate": stream.average_rate,
            "time_base": stream.time_base,
            "aspect": stream.sample_aspect_ratio,
            "codec": stream.codec_context.name,
        }
        return list(container.decode(stream)), about


def times(path):
    """Seconds at which the frames of a file are shown."""
    frames, about = read(path)
    return [frame.pts * about["time_base"] for frame in frames]


def packets(path, kind="audio"):
    """The bytes of each packet of a file's first track of a kind."""
    with av.open(str(path)) as container:
        stream = next(stream for stream in container.streams if stream.type == kind)
        return [bytes(packet) for packet in container.demux(stream) if packet.size]


def shown(frame):
    """A decoded frame as R'G'B' (3, H, W), by its own tags, chroma repeated."""
    bits = max(part.bits for part in frame.format.components)
    planes = [numbers(plane, bits).astype(float) for plane in frame.planes[:3]]
    height, width = frame.height, frame.width
    planes = [
        plane.repeat(-(-height // len(plane)), 0)[:height].repeat(-(-width // plane.shape[1]), 1)[:, :width]
        for plane in planes
    ]
    return to_rgb(planes, frame.colorspace, frame.color_range == 2, bits)
