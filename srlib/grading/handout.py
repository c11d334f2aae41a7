"""What goes into a student's notebook and into the sandbox beside it: examples and data, as text and as a file.

They are packed as the sandbox's own protocol packs values, so reading them executes nothing.
"""

import base64
import zlib
from typing import Any

from torch import Tensor

from srlib.grading.sandbox import protocol, values

GIVEN = "given.bin"  # the file with the data of the student whose notebook is graded
MAX_FILE = 1_000_000  # bytes of a file of weights
_MOST = 50_000_000


def pack(part: str, examples: dict[str, Any], given: dict[str, dict[str, Tensor]]) -> str:
    """Examples and data of an assignment as one text of letters."""
    tree, body = values.arguments((examples, given))
    frame = protocol.frame({"part": part, "tree": tree}, body)
    return base64.b64encode(zlib.compress(frame, 9)).decode()


def unpack(text: str) -> dict[str, Any]:
    """What `pack` was given, as a dictionary of part, examples and given.

    Raises: ValueError if the text is not whole.
    """
    try:
        header, body = protocol.split(zlib.decompress(base64.b64decode(text)), _MOST)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    examples, given = values.build(header["tree"], body)
    return {"part": header["part"], "examples": examples, "given": given}


def pack_given(given: dict[str, dict[str, Tensor]]) -> bytes:
    """The content of the file `GIVEN`."""
    tree, body = values.arguments((given,))
    return protocol.frame({"tree": tree}, body)


def unpack_given(content: bytes) -> dict[str, dict[str, Tensor]]:
    """What `pack_given` was given.

    Raises: ValueError if the content is not whole.
    """
    header, body = protocol.split(content, _MOST)
    return values.build(header["tree"], body)[0]
