"""Networks as people write them: what comes up in repositories, in the shape it has there.

Small in channels and depth; what they do to sizes is the real thing. Each takes maps of `CHANNELS`
channels, 1-D and 3-D ones of one.
"""

import itertools
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

CHANNELS = 3


def conv(inside, out, kernel=3, stride=1, padding=None, **others):
    padding = kernel // 2 if padding is None else padding
    return nn.Sequential(
        nn.Conv2d(inside, out, kernel, stride, padding, **others), nn.BatchNorm2d(out), nn.ReLU()
    )


# U-Nets.


class UNet(nn.Module):
    """The one of most repositories; `join` says what is done where sizes differ."""

    def __init__(self, join="none", up="transposed", depth=3, padding=1):
        super().__init__()
        widths = [4 * 2**n for n in range(depth + 1)]
        self.join = join
        self.first = conv(CHANNELS, widths[0], padding=padding)
        self.down = nn.ModuleList(
            conv(a, b, padding=padding) for a, b in itertools.pairwise(widths)
        )
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(b, a, 2, 2)
            if up == "transposed"
            else nn.Sequential(
                nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), conv(b, a, 1)
            )
            for a, b in itertools.pairwise(widths)
        )
        self.after = nn.ModuleList(conv(2 * a, a, padding=padding) for a in widths[:-1])
        self.last = nn.Conv2d(widths[0], 2, 1)

    def joined(self, x, skip):
        dy, dx = skip.size(2) - x.size(2), skip.size(3) - x.size(3)
        if self.join == "pad":
            x = F.pad(x, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])
        elif self.join == "crop":
            skip = skip[:, :, dy // 2 : dy // 2 + x.size(2), dx // 2 : dx // 2 + x.size(3)]
        elif self.join == "resize" and x.shape != skip.shape:
            x = F.interpolate(x, size=skip.shape[2:])
        return torch.cat([skip, x], dim=1)

    def forward(self, x):
        skips = [self.first(x)]
        for down in self.down:
            skips.append(down(F.max_pool2d(skips[-1], 2)))
        x = skips.pop()
        for up, after in zip(reversed(self.up), reversed(self.after), strict=True):
            x = after(self.joined(up(x), skips.pop()))
        return self.last(x)


class UNetPlusPlus(nn.Module):
    def __init__(self):
        super().__init__()
        self.x00, self.x10, self.x20 = conv(3, 4), conv(4, 8), conv(8, 8)
        self.x01, self.x11, self.x02 = conv(12, 4), conv(16, 8), conv(16, 4)
        self.pool, self.up = nn.MaxPool2d(2, 2), nn.Upsample(scale_factor=2, mode="nearest")

    def forward(self, x):
        x00 = self.x00(x)
        x10 = self.x10(self.pool(x00))
        x01 = self.x01(torch.cat([x00, self.up(x10)], 1))
        x20 = self.x20(self.pool(x10))
        x11 = self.x11(torch.cat([x10, self.up(x20)], 1))
        return self.x02(torch.cat([x00, x01, self.up(x11)], 1))


class AttentionGate(nn.Module):
    def __init__(self, gate, inside, between):
        super().__init__()
        self.theta = nn.Conv2d(inside, between, 2, 2, bias=False)
        self.phi = nn.Conv2d(gate, between, 1)
        self.psi = nn.Conv2d(between, 1, 1)

    def forward(self, x, gate):
        size = x.size()
        theta = self.theta(x)
        phi = F.interpolate(self.phi(gate), size=theta.size()[2:], mode="bilinear")
        psi = torch.sigmoid(self.psi(F.relu(theta + phi, inplace=True)))
        return F.interpolate(psi, size=size[2:], mode="bilinear").expand_as(x) * x


class AttentionUNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.gate = conv(3, 4), conv(4, 8), AttentionGate(8, 4, 4)
        self.up, self.c = nn.ConvTranspose2d(8, 4, 2, 2), conv(8, 4)

    def forward(self, x):
        a = self.a(x)
        b = self.b(F.max_pool2d(a, 2))
        up = self.up(b)
        right, bottom = a.size(3) - up.size(3), a.size(2) - up.size(2)
        return self.c(torch.cat((self.gate(a, b), F.pad(up, (0, right, 0, bottom))), 1))


class ChecksItsSize(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = UNet()

    def forward(self, x):
        h, w = x.shape[-2:]
        if h % 16 != 0 or w % 16 != 0:
            raise RuntimeError(f"Wrong input shape height={h}, width={w}. Must be divisible by 16.")
        return self.net(x)


class PadsToMultiple(nn.Module):
    def __init__(self, multiple=8, mode="reflect"):
        super().__init__()
        self.net, self.multiple, self.mode = UNet(), multiple, mode

    def forward(self, x):
        _, _, h, w = x.size()
        bottom = (self.multiple - h % self.multiple) % self.multiple
        right = int(math.ceil(w / self.multiple) * self.multiple - w)
        return self.net(F.pad(x, (0, right, 0, bottom), self.mode))[:, :, :h, :w]


class SegNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c, self.d = conv(3, 4), conv(4, 8), conv(8, 4), conv(4, 2)

    def forward(self, x):
        x = self.a(x)
        first = x.size()
        x, one = F.max_pool2d(x, 2, 2, return_indices=True)
        x = self.b(x)
        second = x.size()
        x, two = F.max_pool2d(x, 2, 2, return_indices=True)
        x = self.c(F.max_unpool2d(x, two, 2, 2, output_size=second))
        return self.d(F.max_unpool2d(x, one, 2, 2, output_size=first))


# Pyramids and context.


class Fpn(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.stages = nn.ModuleList([conv(3, 4, 3, 2), conv(4, 8, 3, 2), conv(8, 16, 3, 2)])
        self.lateral = nn.ModuleList(nn.Conv2d(n, 6, 1) for n in (4, 8, 16))
        self.factor = factor

    def forward(self, x):
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        out = [self.lateral[-1](maps[-1])]
        for one, lateral in zip(maps[-2::-1], list(self.lateral)[-2::-1], strict=True):
            up = (
                F.interpolate(out[0], scale_factor=2, mode="nearest")
                if self.factor
                else F.interpolate(out[0], size=one.shape[-2:], mode="nearest")
            )
            out.insert(0, lateral(one) + up)
        out.append(F.max_pool2d(out[-1], 1, stride=2))
        return {f"p{n}": one for n, one in enumerate(out, 1)}


class Aspp(nn.Module):
    def __init__(self):
        super().__init__()
        self.entry = conv(3, 4, 3, 4)
        self.branches = nn.ModuleList(
            [conv(4, 4, 1), *(conv(4, 4, 3, padding=r, dilation=r) for r in (6, 12))]
        )
        self.pooled = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 4, 1), nn.ReLU())
        self.last = nn.Conv2d(16, 2, 1)

    def forward(self, x):
        size = x.shape[2:]
        x = self.entry(x)
        pooled = F.interpolate(
            self.pooled(x), size=x.shape[2:], mode="bilinear", align_corners=False
        )
        x = self.last(torch.cat([*(branch(x) for branch in self.branches), pooled], dim=1))
        return F.interpolate(x, size, mode="bilinear", align_corners=False)


class PyramidPooling(nn.Module):
    def __init__(self):
        super().__init__()
        self.entry = conv(3, 4, 3, 2)
        self.stages = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(n), nn.Conv2d(4, 1, 1)) for n in (1, 2, 3, 6)
        )

    def forward(self, x):
        x = self.entry(x)
        h, w = x.size(2), x.size(3)
        priors = [F.interpolate(s(x), size=(h, w), mode="bilinear") for s in self.stages]
        return torch.cat([*priors, x], 1)


class PanetNeck(nn.Module):
    """A bottom-up path behind a top-down one, as in detectors."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = conv(3, 4, 6, 2, 2), conv(4, 4, 3, 2), conv(4, 4, 3, 2)
        self.up = nn.Upsample(None, 2, "nearest")
        self.f, self.g, self.h, self.i = conv(8, 4), conv(8, 4), conv(4, 4, 3, 2), conv(8, 4)
        self.pools = nn.ModuleList(nn.MaxPool2d(k, 1, k // 2) for k in (5, 9))

    def forward(self, x):
        a = self.a(x)
        b = self.b(a)
        c = self.c(b)
        c = sum([c, *(pool(c) for pool in self.pools)])
        d = self.f(torch.cat([self.up(c), b], 1))
        e = self.g(torch.cat([self.up(d), a], 1))
        return e, d, self.i(torch.cat([self.h(d), c], 1))


class DetectionHead(nn.Module):
    """Anchors a pixel, flattened; how many there are hangs on the size."""

    def __init__(self):
        super().__init__()
        self.body, self.more = conv(3, 4, 3, 8), conv(4, 4, 3, 2)
        self.head = nn.Conv2d(4, 3 * 7, 1)

    def forward(self, x):
        outs = []
        x = self.body(x)
        for one in (x, self.more(x)):
            made = self.head(one)
            bs, _, ny, nx = made.shape
            made = made.view(bs, 3, 7, ny, nx).permute(0, 1, 3, 4, 2).contiguous()
            outs.append(made.view(bs, -1, 7))
        return torch.cat(outs, 1).transpose(1, 2)


class HighResolution(nn.Module):
    """Branches of several scales that are fused with one another."""

    def __init__(self):
        super().__init__()
        self.stem = conv(3, 4, 3, 2)
        self.second, self.third = conv(4, 8, 3, 2), conv(8, 16, 3, 2)
        self.fuse = nn.ModuleList(
            nn.Sequential(nn.Conv2d(n, 4, 1), nn.Upsample(scale_factor=f, mode="nearest"))
            for n, f in ((8, 2), (16, 4))
        )

    def forward(self, x):
        x = self.stem(x)
        half = self.second(x)
        quarter = self.third(half)
        y = x
        for fuse, one in zip(self.fuse, (half, quarter), strict=True):
            y = y + fuse(one)
        return F.relu(y), half, quarter


class Hourglass(nn.Module):
    def __init__(self, depth):
        super().__init__()
        self.skip, self.low, self.out = conv(4, 4), conv(4, 4), conv(4, 4)
        self.inner = Hourglass(depth - 1) if depth > 1 else conv(4, 4)

    def forward(self, x):
        low = self.out(self.inner(self.low(F.max_pool2d(x, 2, stride=2))))
        return self.skip(x) + F.interpolate(low, scale_factor=2)


# Blocks.


class DenseBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(conv(3 + 2 * n, 2) for n in range(3))
        self.transition = nn.Sequential(nn.Conv2d(9, 4, 1), nn.AvgPool2d(2, 2))

    def forward(self, x):
        features = [x]
        for layer in self.layers:
            features.append(layer(torch.cat(features, 1)))
        return self.transition(torch.cat(features, 1))


class Inception(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = conv(3, 2, 3, 2, 0)
        self.b = nn.Sequential(conv(3, 2, 1), conv(2, 2, (1, 7), 1, (0, 3)), conv(2, 2, 3, 2, 0))

    def forward(self, x):
        return torch.cat([self.a(x), self.b(x), F.max_pool2d(x, 3, stride=2)], 1)


class SqueezeAndExcite(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fc = conv(3, 8, 3, 2), nn.Sequential(nn.Linear(8, 2), nn.Linear(2, 8))

    def forward(self, x):
        x = self.conv(x)
        b, c, _, _ = x.size()
        y = self.fc(x.mean((2, 3)).view(b, c)).view(b, c, 1, 1)
        return x * torch.sigmoid(y).expand_as(x)


class Shuffle(nn.Module):
    def __init__(self):
        super().__init__()
        self.entry, self.branch = conv(3, 8, 3, 2), conv(4, 4, groups=4)

    def forward(self, x):
        one, two = self.entry(x).chunk(2, dim=1)
        x = torch.cat((one, self.branch(two)), 1)
        b, c, h, w = x.data.size()
        return x.view(b, 2, c // 2, h, w).transpose(1, 2).contiguous().view(b, -1, h, w)


class NonLocal(nn.Module):
    def __init__(self):
        super().__init__()
        self.entry = conv(3, 4, 3, 2)
        self.q, self.k, self.v = (nn.Conv2d(4, 4, 1) for _ in range(3))

    def forward(self, x):
        x = self.entry(x)
        b, c, h, w = x.shape
        q = self.q(x).view(b, c, -1).permute(0, 2, 1)
        weights = torch.softmax(torch.bmm(q, self.k(x).view(b, c, -1)), -1)
        return x + torch.bmm(self.v(x).view(b, c, -1), weights.permute(0, 2, 1)).view(b, c, h, w)


class Classifier(nn.Module):
    """The tutorials' one: its linear layer fits one size only, or a few."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 6, 5), nn.Conv2d(6, 4, 5)
        self.fc = nn.Linear(4 * 5 * 5, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.a(x)), (2, 2))
        x = F.max_pool2d(F.relu(self.b(x)), 2)
        return self.fc(x.view(x.size(0), -1))


class AsymmetricSame(nn.Module):
    """TensorFlow's padding, as ported weights need it."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(4, 3, 3, 3))

    def forward(self, x, s=2, k=3):
        ih, iw = x.size()[-2:]
        ph = max((math.ceil(ih / s) - 1) * s + k - ih, 0)
        pw = max((math.ceil(iw / s) - 1) * s + k - iw, 0)
        if ph > 0 or pw > 0:
            x = F.pad(x, [pw // 2, pw - pw // 2, ph // 2, ph - ph // 2])
        return F.conv2d(x, self.weight, None, s)


# Enlarging.


class PixelShuffled(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.last = conv(12, 27), nn.PixelShuffle(3)

    def forward(self, x):
        return self.last(self.body(F.pixel_unshuffle(x, 2)))


class Generator(nn.Module):
    """An encoder and decoder of residual blocks with reflected borders."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.ReflectionPad2d(3), nn.Conv2d(3, 4, 7), nn.InstanceNorm2d(4), nn.ReLU(True),
            nn.Conv2d(4, 8, 3, 2, 1), nn.InstanceNorm2d(8), nn.ReLU(True),
            nn.ReflectionPad2d(1), nn.Conv2d(8, 8, 3),
            nn.ConvTranspose2d(8, 4, 3, 2, 1, output_padding=1), nn.ReLU(True),
            nn.ReflectionPad2d(3), nn.Conv2d(4, 3, 7), nn.Tanh(),
        )  # fmt: skip

    def forward(self, x):
        return self.net(x)


class PatchCritic(nn.Module):
    """Sees two images, one upon the other."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(6, 4, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(4, 4, 4, 2, 1),
            nn.LeakyReLU(0.2), nn.Conv2d(4, 1, 4, 1, 1),
        )  # fmt: skip

    def forward(self, image, label):
        return self.net(torch.cat((image, label), 1))


class SubpixelIfLarge(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 12, 3, padding=1)

    def forward(self, x):
        if x.shape[2] * x.shape[3] > 400:
            x = F.avg_pool2d(x, 2)
        return F.pixel_shuffle(self.conv(x), 2)


class LaplacianPyramid(nn.Module):
    def __init__(self, levels=3):
        super().__init__()
        self.levels = levels
        self.register_buffer("kernel", torch.ones(3, 1, 5, 5) / 25)

    def forward(self, x):
        made = []
        for _ in range(self.levels):
            small = F.conv2d(F.pad(x, (2, 2, 2, 2), mode="reflect"), self.kernel, groups=3)
            small = small[:, :, ::2, ::2]
            up = F.interpolate(small, (x.shape[2], x.shape[3]), mode="bilinear")
            made.append(x - up)
            x = small
        return [*made, x]


class Pyramid(nn.Module):
    """Runs at several scales and averages."""

    def __init__(self):
        super().__init__()
        self.net = conv(3, 2, 3, 2)

    def forward(self, x):
        h, w = x.shape[2:]
        total = 0
        for scale in (0.5, 1.0, 1.5):
            size = (int(h * scale + 0.5), int(w * scale + 0.5))
            made = self.net(F.interpolate(x, size, mode="bilinear"))
            total = total + F.interpolate(made, (h, w), mode="bilinear")
        return total / 3


# Attention.


class PatchTokens(nn.Module):
    """A transformer on patches whose positions are interpolated, and back to a map."""

    def __init__(self, grid=4):
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, 4)
        self.position = nn.Parameter(torch.zeros(1, grid * grid, 8))
        self.block = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.grid = grid

    def forward(self, x):
        x = self.patch(x)
        b, c, h, w = x.shape
        position = self.position
        if (h, w) != (self.grid, self.grid):
            position = position.reshape(1, self.grid, self.grid, c).permute(0, 3, 1, 2)
            position = F.interpolate(position, size=(h, w), mode="bicubic", align_corners=False)
            position = position.flatten(2).transpose(1, 2)
        x = self.block(x.flatten(2).transpose(1, 2) + position)
        return x.transpose(1, 2).reshape(b, c, h, w)


class Windows(nn.Module):
    """Attention in shifted windows, padded where they do not fit."""

    def __init__(self, size=4):
        super().__init__()
        self.size, self.qkv, self.norm = size, nn.Linear(8, 24), nn.LayerNorm(8)
        self.entry = nn.Conv2d(3, 8, 2, 2)

    def forward(self, x):
        s = self.size
        x = self.norm(self.entry(x).permute(0, 2, 3, 1))
        b, h, w, c = x.shape
        x = F.pad(x, (0, 0, 0, (s - w % s) % s, 0, (s - h % s) % s))
        _, hp, wp, _ = x.shape
        x = torch.roll(x, (-s // 2, -s // 2), (1, 2))
        x = x.view(b, hp // s, s, wp // s, s, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, s * s, c)
        q, k, v = self.qkv(x).reshape(x.shape[0], s * s, 3, 2, c // 2).permute(2, 0, 3, 1, 4)
        x = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(-1, s * s, c)
        x = x.view(b, hp // s, wp // s, s, s, c).permute(0, 1, 3, 2, 4, 5).reshape(b, hp, wp, c)
        return torch.roll(x, (s // 2, s // 2), (1, 2))[:, :h, :w].permute(0, 3, 1, 2).contiguous()


class AxialAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.entry, self.heads = conv(3, 8, 3, 2), nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x):
        x = self.entry(x)
        n, c, h, w = x.shape
        rows = x.permute(0, 2, 3, 1).reshape(n * h, w, c)
        rows = self.heads(rows, rows, rows, need_weights=False)[0]
        return rows.reshape(n, h, w, c).permute(0, 3, 1, 2)


class Folded(nn.Module):
    """Works on overlapping patches, and puts them together again."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3 * 16, 3 * 16)

    def forward(self, x):
        size = x.shape[-2:]
        patches = F.unfold(x, kernel_size=4, stride=2, padding=1)
        patches = self.linear(patches.transpose(1, 2)).transpose(1, 2)
        return F.fold(patches, size, kernel_size=4, stride=2, padding=1)


# Sound, and volumes.


class WaveUNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.ModuleList([nn.Conv1d(1, 4, 15, padding=7), nn.Conv1d(4, 8, 15, padding=7)])
        self.mid = nn.Conv1d(8, 8, 5, padding=2)
        self.up = nn.ModuleList([nn.Conv1d(16, 4, 5, padding=2), nn.Conv1d(8, 4, 5, padding=2)])
        self.last = nn.Conv1d(5, 1, 1)

    def forward(self, wave):
        x, skips = wave, []
        for down in self.down:
            x = F.leaky_relu(down(x))
            skips.append(x)
            x = x[:, :, ::2]
        x = self.mid(x)
        for up in self.up:
            x = F.interpolate(x, scale_factor=2, mode="linear", align_corners=True)
            x = up(torch.cat([x, skips.pop()], 1))
        return self.last(torch.cat([x, wave], 1))


class Demucs(nn.Module):
    """Pads to what goes through without a rest, and trims again."""

    def __init__(self, depth=3, kernel=8, stride=4):
        super().__init__()
        self.depth, self.kernel, self.stride = depth, kernel, stride
        self.encoder = nn.ModuleList(
            nn.Conv1d(1 if not n else 4, 4, kernel, stride) for n in range(depth)
        )
        self.decoder = nn.ModuleList(
            nn.ConvTranspose1d(4, 4 if n else 1, kernel, stride) for n in reversed(range(depth))
        )

    def valid_length(self, length):
        for _ in range(self.depth):
            length = math.ceil((length - self.kernel) / self.stride) + 1
            length = max(length, 1)
        for _ in range(self.depth):
            length = (length - 1) * self.stride + self.kernel
        return int(length)

    def forward(self, mix):
        length = mix.shape[-1]
        x = F.pad(mix, (0, self.valid_length(length) - length))
        skips = []
        for encode in self.encoder:
            x = F.relu(encode(x))
            skips.append(x)
        for decode in self.decoder:
            skip = skips.pop(-1)
            x = decode(x + skip[..., : x.shape[-1]])
        return x[..., :length]


class Vocoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.entry = nn.Conv1d(1, 8, 7, padding=3)
        self.ups = nn.ModuleList(
            nn.ConvTranspose1d(8, 8, k, u, padding=(k - u) // 2) for u, k in ((8, 16), (5, 11))
        )
        self.res = nn.ModuleList(
            nn.Conv1d(8, 8, 3, dilation=d, padding=(3 * d - d) // 2) for d in (1, 3)
        )

    def forward(self, x):
        x = self.entry(x)
        for up, res in zip(self.ups, self.res, strict=True):
            x = up(F.leaky_relu(x, 0.1))
            x = x + res(x)
        return torch.tanh(x)


class Causal(nn.Module):
    """Dilated convolutions that see the past only; what they leave is trimmed from the skips."""

    def __init__(self):
        super().__init__()
        self.filters = nn.ModuleList(nn.Conv1d(1, 1, 2, dilation=2**n) for n in range(4))
        self.field = sum(2**n for n in range(4)) + 1

    def forward(self, x):
        length = x.size(2) - self.field + 1
        if length < 1:
            raise ValueError(f"needs at least {self.field} samples, got {x.size(2)}")
        skip = 0
        for one in self.filters:
            made = torch.tanh(one(x))
            x = made + x[:, :, -made.size(2) :]
            skip = skip + made[:, :, -length:]
        return skip


class Spectral(nn.Module):
    def __init__(self, size=32, hop=8):
        super().__init__()
        self.size, self.hop = size, hop
        self.register_buffer("window", torch.hann_window(size))
        self.conv = nn.Conv2d(2, 2, (1, 3), (1, 2), (0, 1))

    def forward(self, wave):
        spectrum = torch.stft(
            wave.squeeze(1), self.size, self.hop, window=self.window, return_complex=True
        )
        return self.conv(torch.stack([spectrum.real, spectrum.imag], 1)).flatten(1, 2)


class VNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.entry = nn.Conv3d(1, 4, 5, padding=2)
        self.down, self.mid = nn.Conv3d(4, 8, 2, 2), nn.Conv3d(8, 8, 3, padding=1)
        self.up, self.out = nn.ConvTranspose3d(8, 4, 2, 2), nn.Conv3d(8, 2, 1)

    def forward(self, x):
        repeated = torch.cat((x, x, x, x), 1)
        a = torch.add(self.entry(x), repeated)
        b = self.down(a)
        b = self.mid(b) + b
        return F.softmax(self.out(torch.cat((self.up(b), a), 1)), 1)


# Several inputs and outputs.


class Siamese(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(conv(3, 4, 3, 2, 0), conv(4, 4, 3, 2, 0))

    def forward(self, first, second):
        return torch.abs(self.net(first) - self.net(second)).mean(1, keepdim=True)


class Correlation(nn.Module):
    """A cost volume: shifted products of two maps."""

    def __init__(self, reach=2):
        super().__init__()
        self.net, self.reach = conv(3, 4, 3, 2), reach

    def forward(self, first, second):
        one, two = self.net(first), self.net(second)
        r = self.reach
        h, w = one.shape[2:]
        two = F.pad(two, [r] * 4)
        volume = [
            (one * two[:, :, y : y + h, x : x + w]).mean(1, keepdim=True)
            for y in range(2 * r + 1)
            for x in range(2 * r + 1)
        ]
        return torch.cat(volume, 1)


@dataclass
class Predicted:
    logits: torch.Tensor
    aux: torch.Tensor | None = None


class Told(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.head = conv(3, 4, 3, 4, 0), nn.Conv2d(4, 2, 1)

    def forward(self, x):
        made = self.head(self.body(x))
        aux = F.interpolate(made, scale_factor=0.5) if self.training else None
        return Predicted(F.interpolate(made, scale_factor=4, mode="bilinear"), aux)


class Grid(nn.Module):
    """A spatial transformer: its branch of linear layers takes few sizes."""

    def __init__(self):
        super().__init__()
        self.loc = nn.Sequential(nn.Conv2d(3, 2, 7), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(3))
        self.fc = nn.Linear(2 * 9, 6)

    def forward(self, x):
        theta = self.fc(self.loc(x).view(-1, 2 * 9)).view(-1, 2, 3)
        return F.grid_sample(x, F.affine_grid(theta, x.size(), align_corners=False),
                             align_corners=False)  # fmt: skip


def networks():
    """Return how to build each network, by name."""
    made = {
        f"unet {join} {up}": (lambda join=join, up=up: UNet(join, up))
        for join in ("none", "pad", "resize")
        for up in ("transposed", "bilinear")
    }
    made["unet crop valid"] = lambda: UNet("crop", depth=2, padding=0)
    made["fpn by factor"], made["fpn by size"] = (lambda: Fpn(True)), (lambda: Fpn(False))
    made["hourglass"] = lambda: nn.Sequential(conv(3, 4, 3, 2), Hourglass(3))
    made["pads by reflection"] = PadsToMultiple
    made["pads with zeros"] = lambda: PadsToMultiple(16, "constant")
    plain = (
        UNetPlusPlus, AttentionUNet, ChecksItsSize, SegNet, Aspp, PyramidPooling, PanetNeck,
        DetectionHead, HighResolution, DenseBlock, Inception, SqueezeAndExcite, Shuffle, NonLocal,
        Classifier, AsymmetricSame, PixelShuffled, Generator, PatchCritic, SubpixelIfLarge,
        LaplacianPyramid, Pyramid, PatchTokens, Windows, AxialAttention, Folded, WaveUNet, Demucs,
        Vocoder, Causal, Spectral, VNet, Siamese, Correlation, Told, Grid,
    )  # fmt: skip
    return {**made, **{kind.__name__: kind for kind in plain}}
