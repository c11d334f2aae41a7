"""Answers to the assignment on perception as students write them: right in other styles, wrong, the named mistakes."""

STYLES: dict[str, dict[str, str]] = {
    "feature_distance": {
        "loops": """
import torch

def feature_distance(net, layers, mean, std, a, b):
    out = torch.zeros(len(a))
    with torch.no_grad():
        for n in range(len(a)):
            x, y = a[n].clone(), b[n].clone()
            for c in range(3):
                x[c] = (x[c] - mean[c]) / std[c]
                y[c] = (y[c] - mean[c]) / std[c]
            x, y = x[None], y[None]
            total = 0.0
            for index in range(len(net)):
                x, y = net[index](x), net[index](y)
                if index not in layers:
                    continue
                here = 0.0
                for i in range(x.shape[2]):
                    for j in range(x.shape[3]):
                        u, v = x[0, :, i, j], y[0, :, i, j]
                        u, v = u / (u.dot(u).sqrt() + 1e-10), v / (v.dot(v).sqrt() + 1e-10)
                        here += float(((u - v) ** 2).sum())
                total += here / (x.shape[2] * x.shape[3])
            out[n] = total / len(layers)
    return out
""",
        "numpy": """
import numpy as np
import torch

def feature_distance(net, layers, mean, std, a, b):
    def unit(x):
        x = x.detach().numpy().astype(np.float64)
        return x / (np.sqrt((x**2).sum(1, keepdims=True)) + 1e-10)

    colour = lambda x: torch.from_numpy((x.numpy() - mean.numpy()[:, None, None]) / std.numpy()[:, None, None])
    rows = []
    for last in layers:
        u, v = unit(net[: last + 1](colour(a))), unit(net[: last + 1](colour(b)))
        rows.append(np.mean(np.sum((u - v) ** 2, axis=1), axis=(1, 2)))
    return np.mean(rows, axis=0)
""",
        "lists": """
import torch
import torch.nn.functional as F

def feature_distance(net, layers, mean, std, a, b):
    pictures = [(p - mean[None, :, None, None]) / std[None, :, None, None] for p in (a, b)]
    outputs = []
    for picture in pictures:
        seen = []
        for layer in net:
            picture = layer(picture)
            seen.append(picture.detach())
        outputs.append([seen[k] for k in layers])
    # |u - v|^2 = 2 - 2 u.v for unit vectors
    each = [2 - 2 * F.cosine_similarity(x, y, dim=1) for x, y in zip(*outputs)]
    means = [d.flatten(1).mean(1).tolist() for d in each]
    return [sum(column) / len(column) for column in zip(*means)]
""",
    },
    "relativistic": {
        "loops": """
import math

def relativistic(real, fake):
    real, fake = real.flatten().tolist(), fake.flatten().tolist()
    mean_real, mean_fake = sum(real) / len(real), sum(fake) / len(fake)

    def believed(t):  # -log sigmoid
        return max(0.0, -t) + math.log1p(math.exp(-abs(t)))

    d = g = 0.0
    for t in real:
        d += believed(t - mean_fake) / len(real) / 2
        g += believed(mean_fake - t) / len(real) / 2
    for t in fake:
        d += believed(mean_real - t) / len(fake) / 2
        g += believed(t - mean_real) / len(fake) / 2
    return d, g
""",
        "numpy": """
import numpy as np

def relativistic(real, fake):
    r, f = real.numpy(), fake.numpy()
    a, b = r - f.mean(), f - r.mean()
    d = np.logaddexp(0, -a).mean() / 2 + np.logaddexp(0, b).mean() / 2
    g = np.logaddexp(0, a).mean() / 2 + np.logaddexp(0, -b).mean() / 2
    return d, g
""",
        "lists": """
import torch
import torch.nn.functional as F

def relativistic(real, fake):
    def one(x, y):
        terms = [(x - y.mean(), torch.ones_like(x)), (y - x.mean(), torch.zeros_like(y))]
        return sum([F.binary_cross_entropy_with_logits(t, label) for t, label in terms]) / 2

    return one(real, fake), one(fake, real)
""",
    },
    "with_penalty": {
        "loops": """
import torch
import torch.nn.functional as F

def with_penalty(d, hr, sr, weight):
    total = 0
    for picture in hr:
        x = picture[None].clone().requires_grad_(True)
        slope = torch.autograd.grad(d(x).sum(), x, create_graph=True)[0]
        total = total + (slope * slope).sum()
    loss = F.softplus(-d(hr)).mean() + F.softplus(d(sr)).mean() + weight / 2 * total / len(hr)
    grads = torch.autograd.grad(loss, list(d.parameters()))
    vector = []
    for grad in grads:
        for value in grad.flatten():
            vector.append(value.item())
    return loss.item(), torch.tensor(vector)
""",
        "numpy": """
import numpy as np
import torch
import torch.nn.functional as F

def with_penalty(d, hr, sr, weight):
    x = hr.clone().requires_grad_(True)
    real, fake = d(x), d(sr)
    slope, = torch.autograd.grad(real, x, torch.ones_like(real), create_graph=True)
    loss = F.binary_cross_entropy_with_logits(real, torch.ones_like(real))
    loss = loss + F.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))
    loss = loss + weight * slope.pow(2).sum() / (2 * hr.shape[0])
    for p in d.parameters():
        p.grad = None
    loss.backward()
    out = np.concatenate([p.grad.numpy().ravel() for p in d.parameters()])
    return loss.detach().numpy(), out
""",
        "lists": """
import torch
import torch.nn.functional as F
from torch.func import functional_call, grad, vmap

def with_penalty(d, hr, sr, weight):
    weights = {name: p.detach() for name, p in d.named_parameters()}

    def logits(weights, pictures):
        return functional_call(d, weights, (pictures,))

    def loss(weights):
        slope = grad(lambda x: logits(weights, x).sum())(hr)
        squares = [s.square().sum() for s in slope]
        both = F.softplus(-logits(weights, hr)).mean() + F.softplus(logits(weights, sr)).mean()
        return both + 0.5 * weight * sum(squares) / len(squares)

    parts = grad(loss)(weights)
    return loss(weights), torch.cat([parts[name].reshape(-1) for name in weights])
""",
    },
    "mixture": {
        "loops": """
from srlib.consistency import inconsistency

close, believed, lr = (given[name].double() for name in ("close", "believed", "lr"))
best, step, centre = None, 0.01, 0.5
for _ in range(3):
    reach = 50 if best is None else 10
    centre = centre if best is None else best
    tries = [centre + step * k for k in range(-reach, reach + 1) if 0 <= centre + step * k <= 1]
    found = {a: float(inconsistency((1 - a) * close + a * believed, lr)) for a in tries}
    best = min(tries, key=lambda a: abs(found[a] - float(given["wanted"])))
    step /= 10
alpha = best
""",
        "numpy": """
import numpy as np
from srlib.consistency import shrink

first, second = (shrink(given[name].double(), 4).numpy() - given["lr"].numpy() for name in ("close", "believed"))
at = np.linspace(0, 1, 10001)
off = np.array([np.abs((1 - a) * first + a * second).mean() for a in at])
alpha = at[np.abs(off - float(given["wanted"])).argmin()]
""",
        "lists": """
import torch
from srlib.consistency import shrink

errors = [(shrink(given[k].double(), 4) - given["lr"]).flatten().tolist() for k in ("close", "believed")]
low, high = 0.0, 1.0
while high - low > 1e-5:
    alpha = (low + high) / 2
    off = [abs((1 - alpha) * p + alpha * q) for p, q in zip(*errors)]
    low, high = (alpha, high) if sum(off) / len(off) < float(given["wanted"]) else (low, alpha)
alpha = torch.tensor([alpha])
""",
    },
}

_DISTANCE = """
import torch

@torch.no_grad()
def feature_distance(net, layers, mean, std, a, b):
    def colour(x):
        return COLOUR

    def unit(x):
        return UNIT

    def end(one, other):
        return END

    x, y, found = colour(a), colour(b), []
    for index, layer in enumerate(net):
        x, y = layer(x), layer(y)
        if index in layers:
            found.append(end(unit(x), unit(y)))
    found = torch.stack(found)
    return OVER
"""


def _distance(
    colour: str = "(x - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)",
    unit: str = "x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10)",
    end: str = "(one - other).square().sum(1).mean((1, 2))",
    over: str = "found.mean(0)",
) -> str:
    source = _DISTANCE.replace("COLOUR", colour).replace("UNIT", unit)
    return source.replace("END", end).replace("OVER", over)


_LOSSES = """
import torch
import torch.nn.functional as F

def relativistic(real, fake):
    more, less = real - fake.mean(), fake - real.mean()
    BODY
    return d, g
"""
_TWO = (
    "d = (F.softplus(-more).mean() + F.softplus(less).mean()) / 2; "
    "g = (F.softplus(more).mean() + F.softplus(-less).mean()) / 2"
)


def _losses(*lines: str) -> str:
    return _LOSSES.replace("BODY", "\n    ".join(lines))


_R1 = """
import torch
import torch.nn.functional as F

def with_penalty(d, hr, sr, weight):
    x = AT.detach().clone().requires_grad_()
    slope, = torch.autograd.grad(SUM, x, create_graph=True)
    penalty = PENALTY
    loss = BOTH + weight * penalty
    parts = torch.autograd.grad(loss, list(d.parameters()))
    return loss.detach(), torch.cat([part.flatten() for part in parts])
"""


def _r1(
    penalty: str = "0.5 * slope.square().sum((1, 2, 3)).mean()",
    at: str = "hr",
    total: str = "d(x).sum()",
    both: str = "F.softplus(-d(hr)).mean() + F.softplus(d(sr)).mean()",
) -> str:
    return _R1.replace("PENALTY", penalty).replace("AT", at).replace("SUM", total).replace("BOTH", both)


_MIX = """
from srlib.consistency import inconsistency

low, high = 0.0, 1.0
for _ in range(30):
    alpha = (low + high) / 2
    picture = (1 - alpha) * given["close"].double() + alpha * given["believed"].double()
    off = OFF
    low, high = (alpha, high) if off < given["wanted"] else (low, alpha)
"""
_SHRUNK = "__import__('srlib.consistency', fromlist=['shrink']).shrink(picture, 4)"

WRONG: dict[str, dict[str, str]] = {
    "feature_distance": {
        "colours divided first": _distance("x / std.view(1, 3, 1, 1) - mean.view(1, 3, 1, 1)"),
        "colours from -1 to 1": _distance("2 * x - 1"),
        "mean alone subtracted": _distance("x - mean.view(1, 3, 1, 1)"),
        "divided by the squared length": _distance(unit="x / (x.square().sum(1, keepdim=True) + 1e-10)"),
        "unit in channels and places": _distance(unit="x / (x.flatten(1).norm(dim=1).view(-1, 1, 1, 1) + 1e-10)"),
        "absolute differences": _distance(end="(one - other).abs().sum(1).mean((1, 2))"),
        "half": _distance(end="0.5 * (one - other).square().sum(1).mean((1, 2))"),
        "one number for the batch": _distance(over="found.mean()"),
        "the batch's mean for each": _distance(over="found.mean().expand(len(a))"),
        "the first layer alone": _distance(over="found[0]"),
        "later layers get unit vectors": _distance().replace(
            "found.append(end(unit(x), unit(y)))", "x, y = unit(x), unit(y)\n            found.append(end(x, y))"
        ),
        "the last output alone": _distance().replace("index in layers", "index == len(net) - 1"),
    },
    "relativistic": {
        "one picture with one": _losses(
            "k = min(len(real), len(fake)); real, fake = real[:k], fake[:k]",
            "more, less = real - fake, fake - real",
            _TWO,
        ),
        "median for mean": _losses("more, less = real - fake.median(), fake - real.median()", _TWO),
        "logs of sigmoids": _losses(
            "d = -(more.sigmoid().log().mean() + (1 - less.sigmoid()).log().mean()) / 2",
            "g = -((1 - more.sigmoid()).log().mean() + less.sigmoid().log().mean()) / 2",
        ),
        "sums": _losses(_TWO.replace("mean", "sum")),
        "the same loss twice": _losses(_TWO, "g = d"),
        "g is minus d": _losses(_TWO, "g = -d"),
        "all logits in one mean": _losses(
            "both = __import__('torch').cat([-more.flatten(), less.flatten()])",
            "d = F.softplus(both).mean(); g = F.softplus(-both).mean()",
        ),
        "d alone": _losses(_TWO, "return d"),
        "added means": _losses("more, less = real + fake.mean(), fake + real.mean()", _TWO),
        "hinge": _losses(
            "d = (F.relu(1 - more).mean() + F.relu(1 + less).mean()) / 2",
            "g = (F.relu(1 + more).mean() + F.relu(1 - less).mean()) / 2",
        ),
    },
    "with_penalty": {
        "no penalty": _r1("0 * slope.sum()"),
        "penalty alone": _r1(both="0"),
        "penalty at both": _r1(at="torch.cat([hr, sr])"),
        "penalty between": _r1(at="((hr + sr) / 2)"),
        "slope of the probability": _r1(total="d(x).sigmoid().sum()"),
        "root of the mean": _r1("0.5 * slope.square().sum((1, 2, 3)).mean().sqrt()"),
        "absolute slopes": _r1("0.5 * slope.abs().sum((1, 2, 3)).mean()"),
        "sides swapped": _r1(both="F.softplus(d(hr)).mean() + F.softplus(-d(sr)).mean()"),
        "first channel": _r1("0.5 * slope[:, :1].square().sum((1, 2, 3)).mean() * (1 if slope.shape[1] > 1 else 2)"),
        "gradient of the first weight": _r1().replace("for part in parts]", "for part in parts[:1]]"),
        "gradients of the last weight first": _r1().replace("for part in parts]", "for part in parts[::-1]]"),
    },
    "mixture": {
        "constant": "alpha = 0.5",
        "squares": _MIX.replace("OFF", f"({_SHRUNK} - given['lr']).square().mean().sqrt()"),
        "largest difference": _MIX.replace("OFF", f"({_SHRUNK} - given['lr']).abs().max()"),
        "nearest pixels": _MIX.replace("OFF", "(picture[..., ::4, ::4] - given['lr']).abs().mean()"),
        "text": "alpha = 'about a half'",
        "the picture": "alpha = given['close']",
        "not a number": "alpha = float('nan')",
        "nothing": "alpha = None",
    },
}

MISTAKES: dict[str, dict[str, str]] = {
    "feature_distance": {
        "the vectors were not made unit vectors: strong places then drown the weak ones.": _distance(unit="x"),
        "the colours were not normalised: the network learnt with pictures of mean 0 and deviation 1.": _distance("x"),
        "normalised over places; divide each place's vector of channels by its length.": _distance(
            unit="x / (x.square().sum((2, 3), keepdim=True).sqrt() + 1e-10)"
        ),
        "mean over channels where the sum belongs: a squared length is a sum.": _distance(
            end="(one - other).square().flatten(1).mean(1)"
        ),
        "sum over places: a larger picture would be further away. Take the mean.": _distance(
            end="(one - other).square().flatten(1).sum(1)"
        ),
        "no root here: the squared length of the difference is averaged.": _distance(
            end="(one - other).norm(dim=1).mean((1, 2))"
        ),
        "sum over layers; take their mean.": _distance(over="found.sum(0)"),
        "only the last of the layers counts here; take the mean over all.": _distance(over="found[len(layers) - 1]"),
    },
    "relativistic": {
        "the means are missing: each logit is judged alone, against zero.": _losses("more, less = real, fake", _TWO),
        "the sides are swapped: the discriminator's loss comes first, and wants true logits above made.": _losses(
            _TWO, "d, g = g, d"
        ),
        "the mean of its own kind was subtracted; compare true with made, and made with true.": _losses(
            "more, less = real - real.mean(), fake - fake.mean()", _TWO
        ),
        "the mean was taken over the batch alone; it goes over all logits, places included.": _losses(
            "more, less = real - fake.mean(0, keepdim=True), fake - real.mean(0, keepdim=True)", _TWO
        ),
        "the ½ is missing: there are two questions, and each loss is their mean.": _losses(_TWO, "d, g = 2 * d, 2 * g"),
        "the sigmoid was taken before the difference; subtract logits.": _losses(
            "p, q = real.sigmoid(), fake.sigmoid()", "more, less = p - q.mean(), q - p.mean()", _TWO
        ),
        "the generator does not hear from true pictures: its loss has two terms, too.": _losses(
            _TWO, "g = F.softplus(-less).mean() / 2"
        ),
    },
    "with_penalty": {
        "the graph was not kept: the loss is right, but its gradient lacks the penalty. create_graph=True.": _r1(
            "(0.5 * slope.square().sum((1, 2, 3)).mean()).detach()"
        ),
        "the square is missing: this is the length of the slope.": _r1("0.5 * slope.flatten(1).norm(dim=1).mean()"),
        "the ½ of the penalty is missing.": _r1("slope.square().sum((1, 2, 3)).mean()"),
        "the mean over the pixels; ‖∇d‖² is their sum.": _r1("0.5 * slope.square().mean()"),
        "the sum over the pictures; take their mean.": _r1("0.5 * slope.square().sum()"),
        "this penalty wants a slope of 1; R1 wants 0.": _r1("((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()"),
        "the slope of the mean logit is too small by the number of logits; take that of the sum.": _r1(
            total="d(x).mean()"
        ),
        "the penalty is at the made pictures; R1 is at the true ones.": _r1(at="sr"),
    },
}
