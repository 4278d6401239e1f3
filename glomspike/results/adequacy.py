"""Whether a biopsy has glomeruli enough, by rules that have a name. Arteries are not counted."""

import re
from dataclasses import dataclass
from typing import Literal

from glomspike.errors import UsageError

Verdict = Literal["adequate", "marginal", "inadequate"]

_TYPED = re.compile(r"(\d{1,3})(?:/(\d{1,3}))?")


@dataclass(frozen=True)
class AdequacyRule:
    """From how many glomeruli on a biopsy is adequate, and from how many marginal."""

    name: str
    adequate: int
    marginal: int

    def verdict(self, glomeruli: int) -> Verdict:
        """What the rule says of that many glomeruli."""
        if glomeruli >= self.adequate:
            return "adequate"
        return "marginal" if glomeruli >= self.marginal else "inadequate"

    @property
    def words(self) -> str:
        """The rule in words."""
        marginal = (
            f", {self.marginal} to {self.adequate - 1} marginal" if self.marginal < self.adequate else ""
        )
        return f"{self.name}: {self.adequate} glomeruli or more adequate{marginal}; arteries are not counted"


BANFF = AdequacyRule("Banff", 10, 7)  # of a transplant; it wants two arteries as well


def adequacy_rule(typed: str) -> AdequacyRule:
    """The rule that was typed: `banff`, or for a native biopsy `20` or `20/10` (adequate/marginal from).

    Raises UsageError for anything else.
    """
    if typed.casefold() == "banff":
        return BANFF
    match = _TYPED.fullmatch(typed)
    if match is None or int(match[2] or match[1]) > int(match[1]):
        raise UsageError(
            "--adequacy",
            f"{typed!r} is not a rule",
            "give banff, or a number of glomeruli such as 20 or 20/10",
        )
    return AdequacyRule("as typed", int(match[1]), int(match[2] or match[1]))
