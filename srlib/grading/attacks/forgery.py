"""Forged messages of the protocol, and answers that are none."""

from srlib.grading.attacks.attack import Attack

_OPEN = "for number in range(3, 64):\n    try: os.write(number, data)\n    except OSError: pass\n"
_EVIL = """
class Equal:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __float__(self): return 1.0
    def __array__(self, *a, **k): return __import__("numpy").ones(3)
    def __len__(self): return 3
    def __getattr__(self, name): return Equal()
    def __reduce__(self): return (print, ("ran",))
    __hash__ = None
"""

ATTACKS = {
    # the protocol
    "closes every file": Attack("import os\nos.closerange(0, 256)", dropped=True),
    "junk in every file": Attack("import os\ndata = os.urandom(3_000)\n" + _OPEN, dropped=True),
    "forged end": Attack(
        "import os, struct\ntext = b'{\"done\": true}'\ndata = struct.pack('<I', len(text)) + text\n" + _OPEN, dropped=None
    ),
    "forged guilt": Attack(
        "import os, struct\ntext = b'{\"begin\": 0}'\ndata = struct.pack('<I', len(text)) + text\n" + _OPEN + "os._exit(1)",
        dropped=None,
    ),
    "huge message": Attack("import os, struct\ndata = struct.pack('<I', 2**32 - 1)\n" + _OPEN, dropped=True),
    "deep message": Attack(
        "import os, struct\ntext = b'[' * 60_000\ndata = struct.pack('<I', len(text)) + text\n" + _OPEN, dropped=None
    ),
    "forged reply": Attack(
        "import os, json, struct\ndef bad():\n    text = json.dumps({'status': 'value', 'value': ['numbers', [2**39]]}).encode()\n"
        "    data = struct.pack('<IQ', len(text), 0) + text\n    for number in range(3, 64):\n"
        "        try: os.write(number, data)\n        except OSError: pass\n    os._exit(0)",
        bad=True,
        status=("broken",),
    ),
    "forged verdict": Attack(
        "import os, json, struct\ndef bad():\n    text = json.dumps({'status': 'right', 'points': 100}).encode()\n"
        "    data = struct.pack('<IQ', len(text), 0) + text\n    for number in range(3, 64):\n"
        "        try: os.write(number, data)\n        except OSError: pass\n    os._exit(0)",
        bad=True,
        status=("broken",),
    ),
    "replaced parts": Attack(
        "import sys\nfor name, module in list(sys.modules.items()):\n    if name.startswith('srlib.grading.'):\n"
        "        for key in list(vars(module)):\n            if key in ('result', 'frame', 'describe', 'clean', 'read'): setattr(module, key, None)\n"
        "def bad(): return 1",
        bad=True,
        status=("value", "died", "raised", "missing"),
        dropped=None,
    ),
    "replaced builtins": Attack(
        "import builtins\nbuiltins.len = lambda x: 7\nbuiltins.isinstance = lambda *a: True\nbuiltins.open = None\nbuiltins.print = None",
        dropped=None,
    ),
    # answers that are none
    "equal to everything": Attack(_EVIL + "def bad(): return Equal()", bad=True, status=("unusable",)),
    "a list of odd objects": Attack(_EVIL + "def bad(): return [1.0, Equal()]", bad=True, status=("unusable",)),
    "a pickle": Attack(_EVIL + "import pickle\npickle.dumps = None\ndef bad(): return Equal().__reduce__", bad=True, status=("unusable",)),
    "an odd class": Attack(
        "class Meta(type):\n    @property\n    def __name__(cls): raise SystemExit\n    def __instancecheck__(c, o): return True\n"
        "class Odd(metaclass=Meta): pass\ndef bad(): return Odd()",
        bad=True,
        status=("unusable",),
    ),
    "endless answer": Attack("def bad():\n    import itertools\n    return itertools.count()", bad=True, status=("unusable",)),
    "lazy answer": Attack("def bad(): return (n for n in range(10))", bad=True, status=("unusable",)),
    "huge array": Attack("import torch\ndef bad(): return torch.zeros(1).expand(10**12)", bad=True, status=("unusable",)),
    "deep list": Attack("def bad():\n    x = []\n    for _ in range(10**5): x = [x]\n    return x", bad=True, status=("unusable",)),
    "a list in itself": Attack("def bad():\n    x = []\n    x.append(x)\n    return x", bad=True, status=("unusable",)),
    "long integer": Attack("def bad(): return 10 ** 5000", bad=True, status=("unusable",)),
    "long text": Attack("def bad(): return ['\\u202e\\ud800<b>' * 10**6] * 100", bad=True, status=("value", "unusable")),
    "a million parts": Attack("def bad(): return [[0], [1, 2]] * 10**6", bad=True, status=("unusable",)),
    "complex numbers": Attack("import torch\ndef bad(): return torch.ones(3, dtype=torch.complex64)", bad=True, status=("unusable",)),
    "not a number": Attack("def bad(): return float('nan')", bad=True, status=("value",)),
    "no function": Attack("bad = 3", bad=True, status=("unusable",)),
    "raises an exit": Attack("def bad(): raise SystemExit(0)", bad=True, status=("raised",)),
    "half an object": Attack("import torch\nclass T(torch.Tensor):\n    def detach(self): return 3\ndef bad(): return torch.ones(2).as_subclass(T)", bad=True, status=("value", "died", "unusable")),
}  # fmt: skip
