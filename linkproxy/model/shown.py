"""Text of strangers, as people may see it."""

from __future__ import annotations

import re
from typing import Final

UNSHOWABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What strangers send must not steer a terminal or turn text around: controls, line separators,
bidirectional overrides (Unicode Technical Report 36), and halves of surrogate pairs, which stand for
bytes that were no UTF-8 and cannot be written."""

INSTEAD: Final = "\N{REPLACEMENT CHARACTER}"
