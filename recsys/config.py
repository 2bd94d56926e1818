"""Where the configuration lies: inside the package when installed, beside it in a checkout."""

from pathlib import Path

_INSTALLED = Path(__file__).parent / "conf"
_CHECKOUT = Path(__file__).parent.parent / "conf"

CONF = str(_INSTALLED if _INSTALLED.is_dir() else _CHECKOUT)
