"""All attacks by name."""

from srlib.grading.attacks import forgery, resources, ways_out

ATTACKS = resources.ATTACKS | forgery.ATTACKS | ways_out.ATTACKS
# These break only their own notebook, which is what they may do: the pipe is forged or the interpreter is.
ONLY_THEMSELVES = {
    "forged end", "forged guilt", "replaced parts", "replaced builtins", "replaced shell", "empty namespace",
    "kills its parent",
}  # fmt: skip
