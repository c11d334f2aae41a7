"""Small networks as other codes publish them: their tensors by name, and what those codes compute with them.

Each function gives (state, run): `run(lr)` goes through the dictionary with torch.nn.functional alone.
"""

import torch
import torch.nn.functional as F

from srlib.video.deformable import deformable_conv2d

MEAN = (0.4488, 0.4371, 0.4040)


class Maker:
    """Draws the tensors of one file, in its order."""

    def __init__(self, seed=0):
        self.rng, self.state = torch.Generator().manual_seed(seed), {}

    def conv(self, name, maps_in, maps_out, side=3, bias=True, size=0.15):
        self.state[f"{name}.weight"] = size * torch.randn(maps_out, maps_in, side, side, generator=self.rng)
        if bias:
            self.state[f"{name}.bias"] = 0.1 * torch.randn(maps_out, generator=self.rng)

    def norm(self, name, maps):
        self.state[f"{name}.weight"] = 0.5 + torch.rand(maps, generator=self.rng)
        self.state[f"{name}.bias"] = 0.1 * torch.randn(maps, generator=self.rng)
        self.state[f"{name}.running_mean"] = 0.1 * torch.randn(maps, generator=self.rng)
        self.state[f"{name}.running_var"] = 0.5 + torch.rand(maps, generator=self.rng)
        self.state[f"{name}.num_batches_tracked"] = torch.tensor(7)


def applied(state, name, x):
    weight = state[f"{name}.weight"]
    return F.conv2d(x, weight, state.get(f"{name}.bias"), padding=weight.shape[-1] // 2)


def rrdb(blocks=2, width=8, growth=4, stages=2, fold=1):
    """RRDBNet by the names of BasicSR."""
    make = Maker()
    make.conv("conv_first", 3 * fold**2, width)
    for b in range(blocks):
        for r in (1, 2, 3):
            for k in range(1, 6):
                make.conv(f"body.{b}.rdb{r}.conv{k}", width + (k - 1) * growth, growth if k < 5 else width)
    for name in ("conv_body", *(f"conv_up{k + 1}" for k in range(stages)), "conv_hr"):
        make.conv(name, width, width)
    make.conv("conv_last", width, 3)
    state = make.state

    def run(lr):
        first = x = applied(state, "conv_first", F.pixel_unshuffle(lr, fold))
        for b in range(blocks):
            entered = x
            for r in (1, 2, 3):
                seen = [x]
                for k in range(1, 5):
                    seen.append(F.leaky_relu(applied(state, f"body.{b}.rdb{r}.conv{k}", torch.cat(seen, 1)), 0.2))
                x = x + 0.2 * applied(state, f"body.{b}.rdb{r}.conv5", torch.cat(seen, 1))
            x = entered + 0.2 * x
        x = first + applied(state, "conv_body", x)
        for k in range(stages):
            x = F.leaky_relu(
                applied(state, f"conv_up{k + 1}", x.repeat_interleave(2, -1).repeat_interleave(2, -2)), 0.2
            )
        return applied(state, "conv_last", F.leaky_relu(applied(state, "conv_hr", x), 0.2))

    return state, run


def edsr(scale=2, blocks=2, width=8, factor=1.0, mean=MEAN, top=255.0):
    """EDSR by the names of EDSR-PyTorch, whose colours lie between 0 and 255."""
    make = Maker()
    for name, sign in (("sub_mean", -1), ("add_mean", 1)):
        make.state[f"{name}.weight"] = torch.eye(3)[..., None, None]
        make.state[f"{name}.bias"] = sign * top * torch.tensor(mean)
    make.conv("head.0", 3, width)
    for b in range(blocks):
        make.conv(f"body.{b}.body.0", width, width)
        make.conv(f"body.{b}.body.2", width, width)
    make.conv(f"body.{blocks}", width, width)
    factors = {2: [2], 3: [3], 4: [2, 2]}[scale]
    for k, f in enumerate(factors):
        make.conv(f"tail.0.{2 * k}", width, width * f * f)
    make.conv("tail.1", width, 3)
    state = make.state
    for name in state:
        if name.endswith("bias") and "mean" not in name:
            state[name] *= top

    def run(lr):
        x = first = applied(state, "head.0", applied(state, "sub_mean", top * lr))
        for b in range(blocks):
            x = x + factor * applied(state, f"body.{b}.body.2", F.relu(applied(state, f"body.{b}.body.0", x)))
        x = first + applied(state, f"body.{blocks}", x)
        for k, f in enumerate(factors):
            x = F.pixel_shuffle(applied(state, f"tail.0.{2 * k}", x), f)
        return applied(state, "add_mean", applied(state, "tail.1", x)) / top

    return state, run


def mdsr(scales=(2, 3, 4), blocks=1, width=4):
    """MDSR by the names of EDSR-PyTorch; `run(lr, scale)`."""
    make = Maker()
    for name, sign in (("sub_mean", -1), ("add_mean", 1)):
        make.state[f"{name}.weight"] = torch.eye(3)[..., None, None]
        make.state[f"{name}.bias"] = sign * 255 * torch.tensor(MEAN)
    make.conv("head.0", 3, width)
    factors = {2: [2], 3: [3], 4: [2, 2]}
    for k, scale in enumerate(scales):
        for i in (0, 1):
            for j in (0, 2):
                make.conv(f"pre_process.{k}.{i}.body.{j}", width, width, 5)
        for n, f in enumerate(factors[scale]):
            make.conv(f"upsample.{k}.{2 * n}", width, width * f * f)
    for b in range(blocks):
        make.conv(f"body.{b}.body.0", width, width)
        make.conv(f"body.{b}.body.2", width, width)
    make.conv(f"body.{blocks}", width, width)
    make.conv("tail.0", width, 3)
    state = make.state

    def block(name, x):
        return x + applied(state, f"{name}.body.2", F.relu(applied(state, f"{name}.body.0", x)))

    def run(lr, scale):
        k = scales.index(scale)
        x = applied(state, "head.0", applied(state, "sub_mean", 255 * lr))
        x = first = block(f"pre_process.{k}.1", block(f"pre_process.{k}.0", x))
        for b in range(blocks):
            x = block(f"body.{b}", x)
        x = first + applied(state, f"body.{blocks}", x)
        for n, f in enumerate(factors[scale]):
            x = F.pixel_shuffle(applied(state, f"upsample.{k}.{2 * n}", x), f)
        return applied(state, "add_mean", applied(state, "tail.0", x)) / 255

    return state, run


def basicsr_edsr(state):
    """The same tensors by the names of BasicSR, which has no tensors for the mean."""
    blocks = max(int(name.split(".")[1]) for name in state if name.startswith("body."))
    names = {"head.0": "conv_first", f"body.{blocks}": "conv_after_body", "tail.1": "conv_last"}
    found = {}
    for name, value in state.items():
        layer, _, kind = name.rpartition(".")
        theirs = names.get(layer, layer.replace(".body.0", ".conv1").replace(".body.2", ".conv2"))
        if "mean" not in layer:
            found[f"{theirs.replace('tail.0', 'upsample')}.{kind}"] = value
    return found


def srresnet(stages=2, blocks=2, width=8, ends="conv"):
    """SRResNet by the names of SRGAN-PyTorch."""
    make, slope = Maker(), torch.tensor([0.2])
    one, two, three = (f"{ends}{k}" for k in (1, 2, 3))
    make.conv(f"{one}.0", 3, width, 9, size=0.05)
    make.state[f"{one}.1.weight"] = slope
    for b in range(blocks):
        block = f"trunk.{b}.rcb"
        make.conv(f"{block}.0", width, width, bias=False)
        make.norm(f"{block}.1", width)
        make.state[f"{block}.2.weight"] = slope + 0.1 * b
        make.conv(f"{block}.3", width, width, bias=False)
        make.norm(f"{block}.4", width)
    make.conv(f"{two}.0", width, width, bias=False)
    make.norm(f"{two}.1", width)
    for k in range(stages):
        make.conv(f"upsampling.{k}.upsample_block.0", width, 4 * width)
        make.state[f"upsampling.{k}.upsample_block.2.weight"] = slope + 0.2
    make.conv(three, width, 3, 9, size=0.05)
    state = make.state

    def norm(name, x):
        values = (state[f"{name}.{key}"] for key in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, *values)

    def run(lr):
        x = first = F.prelu(applied(state, f"{one}.0", lr), state[f"{one}.1.weight"])
        for b in range(blocks):
            block = f"trunk.{b}.rcb"
            y = F.prelu(norm(f"{block}.1", applied(state, f"{block}.0", x)), state[f"{block}.2.weight"])
            x = x + norm(f"{block}.4", applied(state, f"{block}.3", y))
        x = first + norm(f"{two}.1", applied(state, f"{two}.0", x))
        for k in range(stages):
            block = f"upsampling.{k}.upsample_block"
            x = F.prelu(F.pixel_shuffle(applied(state, f"{block}.0", x), 2), state[f"{block}.2.weight"])
        return applied(state, three, x)

    return state, run


def compact(scale=4, width=8, convolutions=2, channels=3, activation="prelu"):
    """SRVGGNetCompact."""
    make, slope = Maker(), {"prelu": None, "relu": 0.0, "leakyrelu": 0.1}[activation]
    for k in range(convolutions + 1):
        make.conv(f"body.{2 * k}", width if k else channels, width)
        if slope is None:
            make.state[f"body.{2 * k + 1}.weight"] = 0.1 + torch.rand(width, generator=make.rng)
    make.conv(f"body.{2 * convolutions + 2}", width, channels * scale**2)
    state = make.state

    def run(lr):
        x = lr
        for k in range(convolutions + 1):
            x = applied(state, f"body.{2 * k}", x)
            x = F.prelu(x, state[f"body.{2 * k + 1}.weight"]) if slope is None else F.leaky_relu(x, slope)
        x = F.pixel_shuffle(applied(state, f"body.{2 * convolutions + 2}", x), scale)
        return x + lr.repeat_interleave(scale, -1).repeat_interleave(scale, -2)

    return state, run


def drn(phases=2, blocks=2, width=8, mean=MEAN, mix=0.0):
    """DRN by the names of its authors; `mix` moves the two mean shifts off the identity, as their training does."""
    make = Maker()
    for name, sign in (("sub_mean", -1), ("add_mean", 1)):
        make.state[f"{name}.weight"] = (torch.eye(3) + mix * torch.randn(3, 3, generator=make.rng))[..., None, None]
        make.state[f"{name}.bias"] = sign * 255 * torch.tensor(mean) + mix * torch.randn(3, generator=make.rng)
    make.conv("head", 3, width)
    for p in range(phases):
        maps = width * 2**p
        make.conv(f"down.{p}.dual_module.0.0", maps, maps, bias=False)
        make.conv(f"down.{p}.dual_module.1", maps, 2 * maps, bias=False)
    for k, p in enumerate(range(phases, 0, -1)):
        maps = width * 2**p * (1 if k == 0 else 2)
        for b in range(blocks):
            block = f"up_blocks.{k}.{b}.body"
            make.conv(f"{block}.0", maps, maps, size=0.05)
            make.conv(f"{block}.2", maps, maps, size=0.05)
            make.conv(f"{block}.3.conv_du.0", maps, maps // 16, 1, size=0.01)
            make.conv(f"{block}.3.conv_du.2", maps // 16, maps, 1)
        make.conv(f"up_blocks.{k}.{blocks}.0", maps, 4 * maps, size=0.05)
        make.conv(f"up_blocks.{k}.{blocks + 1}", maps, width * 2 ** (p - 1), 1)
    for k in range(phases + 1):
        make.conv(f"tail.{k}", width * 2 ** (phases + 1 - max(1, k)), 3)
    state = make.state

    def run(lr):
        """All answers."""
        x = F.interpolate(255 * lr, scale_factor=2**phases, mode="bicubic", align_corners=False)
        x, copies = applied(state, "head", applied(state, "sub_mean", x)), []
        for p in range(phases):
            copies.append(x)
            x = F.conv2d(x, state[f"down.{p}.dual_module.0.0.weight"], stride=2, padding=1)
            x = applied(state, f"down.{p}.dual_module.1", F.leaky_relu(x, 0.2))
        answers = [applied(state, "add_mean", applied(state, "tail.0", x)) / 255]
        for k in range(phases):
            for b in range(blocks):
                block = f"up_blocks.{k}.{b}.body"
                y = applied(state, f"{block}.2", F.relu(applied(state, f"{block}.0", x)))
                mean = F.relu(applied(state, f"{block}.3.conv_du.0", y.mean((-2, -1), keepdim=True)))
                x = x + y * torch.sigmoid(applied(state, f"{block}.3.conv_du.2", mean))
            x = F.pixel_shuffle(applied(state, f"up_blocks.{k}.{blocks}.0", x), 2)
            x = torch.cat([applied(state, f"up_blocks.{k}.{blocks + 1}", x), copies[-1 - k]], 1)
            answers.append(applied(state, "add_mean", applied(state, f"tail.{k + 1}", x)) / 255)
        return answers

    return state, run


def lapsrn(levels=2, depth=3, width=8):
    """LapSRN by the names of pytorch-LapSRN; both levels' answers."""
    make = Maker()
    make.conv("conv_input", 1, width, bias=False)
    for k in range(1, levels + 1):
        make.conv(f"convt_I{k}", 1, 1, 4, bias=False)
        make.conv(f"convt_R{k}", width, 1, bias=False)
        for j in range(depth):
            make.conv(f"convt_F{k}.0.cov_block.{2 * j}", width, width, bias=False)
        make.conv(f"convt_F{k}.0.cov_block.{2 * depth}", width, width, 4, bias=False)
    state = make.state

    def painted(name, x):
        return F.conv_transpose2d(x, state[f"{name}.weight"], stride=2, padding=1)

    def run(lr):
        features, picture, answers = F.leaky_relu(applied(state, "conv_input", lr), 0.2), lr, []
        for k in range(1, levels + 1):
            for j in range(depth):
                features = F.leaky_relu(applied(state, f"convt_F{k}.0.cov_block.{2 * j}", features), 0.2)
            features = F.leaky_relu(painted(f"convt_F{k}.0.cov_block.{2 * depth}", features), 0.2)
            picture = painted(f"convt_I{k}", picture) + applied(state, f"convt_R{k}", features)
            answers.append(picture)
        return answers

    return state, run


def edvr(width=8, frames=3, groups=2, blocks=1, extract=1, attention=True):
    """EDVR by the names of BasicSR; the deformable convolutions themselves are ours, which have tests of their own."""
    make = Maker()
    conv = make.conv
    conv("conv_first", 3, width)
    for part, number in (("feature_extraction", extract), ("reconstruction", blocks)):
        for k in range(number):
            for name in ("conv1", "conv2"):
                conv(f"{part}.{k}.{name}", width, width)
    for name in ("conv_l2_1", "conv_l2_2", "conv_l3_1", "conv_l3_2"):
        conv(name, width, width)
    deforming = [f"dcn_pack.l{level}" for level in (3, 2, 1)] + ["cas_dcnpack"]
    for name in deforming:
        conv(f"pcd_align.{name}", width, width)
        conv(f"pcd_align.{name}.conv_offset", width, 27 * groups)
    for level in (3, 2, 1):
        conv(f"pcd_align.offset_conv1.l{level}", 2 * width, width)
        conv(f"pcd_align.offset_conv2.l{level}", width if level == 3 else 2 * width, width)
        if level < 3:
            conv(f"pcd_align.offset_conv3.l{level}", width, width)
            conv(f"pcd_align.feat_conv.l{level}", 2 * width, width)
    conv("pcd_align.cas_offset_conv1", 2 * width, width)
    conv("pcd_align.cas_offset_conv2", width, width)
    if attention:
        maps = {"temporal_attn1": (1, 3), "temporal_attn2": (1, 3), "feat_fusion": (frames, 1)}
        maps |= {
            "spatial_attn1": (frames, 1),
            "spatial_attn2": (2, 1),
            "spatial_attn3": (1, 3),
            "spatial_attn4": (1, 1),
        }
        maps |= {"spatial_attn5": (1, 3), "spatial_attn_l1": (1, 1), "spatial_attn_l2": (2, 3)}
        maps |= {"spatial_attn_l3": (1, 3), "spatial_attn_add1": (1, 1), "spatial_attn_add2": (1, 1)}
        for name, (times, side) in maps.items():
            conv(f"fusion.{name}", times * width, width, side)
    else:
        conv("fusion", frames * width, width, 1)
    conv("upconv1", width, 4 * width)
    conv("upconv2", width, 256)
    conv("conv_hr", 64, 64)
    conv("conv_last", 64, 3)
    state = make.state

    def leaky(name, x):
        return F.leaky_relu(applied(state, name, x), 0.1)

    def halved(name, x):
        layer = [state[f"{name}.{kind}"] for kind in ("weight", "bias")]
        return F.leaky_relu(F.conv2d(x, *layer, stride=2, padding=1), 0.1)

    def residual(name, x):
        return x + applied(state, f"{name}.conv2", F.relu(applied(state, f"{name}.conv1", x)))

    def large(x):
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)

    def deformed(name, x, guide):
        first, second, mask = applied(state, f"pcd_align.{name}.conv_offset", guide).chunk(3, 1)
        layer = [state[f"pcd_align.{name}.{kind}"] for kind in ("weight", "bias")]
        return deformable_conv2d(x, torch.cat([first, second], 1), mask.sigmoid(), *layer, padding=1)

    def aligned(other, own):
        offset = moved = None
        for level in (3, 2, 1):
            found = leaky(f"pcd_align.offset_conv1.l{level}", torch.cat([other[level], own[level]], 1))
            if level < 3:
                found = torch.cat([found, large(offset) * 2], 1)
            offset = leaky(f"pcd_align.offset_conv2.l{level}", found)
            if level < 3:
                offset = leaky(f"pcd_align.offset_conv3.l{level}", offset)
            before, moved = moved, deformed(f"dcn_pack.l{level}", other[level], offset)
            if level < 3:
                moved = applied(state, f"pcd_align.feat_conv.l{level}", torch.cat([moved, large(before)], 1))
            if level > 1:
                moved = F.leaky_relu(moved, 0.1)
        offset = leaky("pcd_align.cas_offset_conv1", torch.cat([moved, own[1]], 1))
        return F.leaky_relu(deformed("cas_dcnpack", moved, leaky("pcd_align.cas_offset_conv2", offset)), 0.1)

    def pooled(x):
        return torch.cat([F.max_pool2d(x, 3, 2, 1), F.avg_pool2d(x, 3, 2, 1)], 1)

    def fused(frames_):
        if not attention:
            return applied(state, "fusion", torch.cat(frames_, 1))
        own = applied(state, "fusion.temporal_attn1", frames_[frames // 2])
        like = [(applied(state, "fusion.temporal_attn2", frame) * own).sum(1, keepdim=True) for frame in frames_]
        all_ = torch.cat([frame * value.sigmoid() for frame, value in zip(frames_, like, strict=True)], 1)
        x = leaky("fusion.feat_fusion", all_)
        y = leaky("fusion.spatial_attn2", pooled(leaky("fusion.spatial_attn1", all_)))
        small = leaky("fusion.spatial_attn_l2", pooled(leaky("fusion.spatial_attn_l1", y)))
        y = leaky("fusion.spatial_attn3", y) + large(leaky("fusion.spatial_attn_l3", small))
        y = applied(state, "fusion.spatial_attn5", large(leaky("fusion.spatial_attn4", y)))
        return x * y.sigmoid() * 2 + applied(state, "fusion.spatial_attn_add2", leaky("fusion.spatial_attn_add1", y))

    def run(clip):
        """Sides must be multiples of 4."""
        pyramids = []
        for frame in clip.unbind(1):
            x = leaky("conv_first", frame)
            for k in range(extract):
                x = residual(f"feature_extraction.{k}", x)
            pyramid = {1: x}
            for level in (2, 3):
                pyramid[level] = leaky(f"conv_l{level}_2", halved(f"conv_l{level}_1", pyramid[level - 1]))
            pyramids.append(pyramid)
        x = fused([aligned(pyramid, pyramids[frames // 2]) for pyramid in pyramids])
        for k in range(blocks):
            x = residual(f"reconstruction.{k}", x)
        for name in ("upconv1", "upconv2"):
            x = F.leaky_relu(F.pixel_shuffle(applied(state, name, x), 2), 0.1)
        x = applied(state, "conv_last", leaky("conv_hr", x))
        return x + F.interpolate(clip[:, frames // 2], scale_factor=4, mode="bilinear", align_corners=False)

    return state, run
