"""NHS numbers: ten digits of which the last is a modulus 11 check digit.

Source: NHS Data Dictionary, NHS NUMBER. One random ten-digit number in eleven passes the check, so a
single hit proves nothing; a whole column of them does.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

MASK = "[masked: reads as an NHS number]"
MOSTLY = 0.5
"""A column of identities of which more than this share are valid NHS numbers is not pseudonymous."""

_WHOLE = re.compile(r"\d{3}[ -]?\d{3}[ -]?\d{4}", re.ASCII)
_INSIDE = re.compile(rf"(?<!\d)({_WHOLE.pattern})(?!\d)(?:\.0+(?!\d))?", re.ASCII)
PSEUDONYM_DIGITS = 6
"""Hexadecimal digits of a pseudonym: so few that about sixty valid numbers share each one."""


def is_nhs_number(text: str) -> bool:
    """Is the text ten digits (spaces or dashes after the third and sixth) with a valid check digit."""
    if not 10 <= len(text) <= 12 or not _WHOLE.fullmatch(text):
        return False
    digits = [int(sign) for sign in text if sign.isdigit()]
    remainder = sum(digit * weight for digit, weight in zip(digits, range(10, 1, -1), strict=False)) % 11
    return (11 - remainder) % 11 == digits[9]


def masked(text: str) -> str:
    """The text with every valid NHS number in it replaced by a remark."""
    return _INSIDE.sub(lambda found: MASK if is_nhs_number(found[1]) else found[0], text)


def pseudonymous(text: str) -> str:
    """The text with every valid NHS number in it replaced by its pseudonym, the same on every day and machine.

    Anybody who has the number can work the pseudonym out; nobody can tell the number from the pseudonym.
    """
    return _INSIDE.sub(lambda found: _pseudonym(found[1]) if is_nhs_number(found[1]) else found[0], text)


def _pseudonym(number: str) -> str:
    digits = "".join(sign for sign in number if sign.isdigit())
    return "masked-" + hashlib.sha256(f"mutual aid {digits}".encode()).hexdigest()[:PSEUDONYM_DIGITS]


def share_of_nhs_numbers(values: Iterable[str]) -> tuple[int, float]:
    """How many of the values that are not empty are valid NHS numbers, and which share."""
    given = [value for value in values if value]
    valid = sum(map(is_nhs_number, given))
    return valid, valid / len(given) if given else 0.0
