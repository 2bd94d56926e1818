from typing import Literal, NamedTuple

Verdict = Literal["fine", "note", "wrong"]
_MARKS: dict[Verdict, str] = {"fine": "ok", "note": "-", "wrong": "WRONG"}


class Finding(NamedTuple):
    """One fact about this installation; a remedy is a command or an action, empty when fine."""

    subject: str
    fact: str
    verdict: Verdict = "fine"
    remedy: str = ""

    @property
    def mark(self) -> str:
        """The verdict as the table shows it."""
        return _MARKS[self.verdict]
