"""What users read: the same words as in `words.txt`, and none that the glossary rules out."""

import difflib
import re

import pytest
import words

# Words that design and docs/development.md rule out, and phrases that no pathologist would write.
UNWANTED = re.compile(
    r"\b(told|tells?|telling|asked|asks?|own|mend\w*|left out|leav\w+ \w+ (out|away)|in the way|not at hand"
    r"|stands? (for|in)|of no use|anew|looked (at|through)|somebody|anybody|nobody)\b"
)


PARTICIPLE = re.compile(
    r"^ *class (_?(?:[A-Z][a-z]+ed|Told|Known|Seen|Chosen|Ran|Found|Written|Drawn|Made|Done))\b",
    re.MULTILINE,
)


@pytest.fixture(scope="module")
def collected() -> list[str]:
    return words.collected()


def test_a_change_of_what_users_read_is_a_change_of_the_list(collected: list[str]) -> None:
    listed = words.SNAPSHOT.read_text("utf-8").splitlines()
    changes = [line for line in difflib.unified_diff(listed, collected, n=0, lineterm="") if line[0] in "+-"]
    if changes[2:]:
        shown = "\n".join(changes[2:])
        pytest.fail(
            f"what users read is not what tests/{words.SNAPSHOT.name} lists. If that is meant, read the new "
            f"words aloud, run `{words.RENEW}`, and commit the file with the change:\n{shown}",
            pytrace=False,
        )


def test_no_word_that_the_glossary_rules_out_comes_back(collected: list[str]) -> None:
    assert [line for line in collected if UNWANTED.search(line)] == []


def test_types_are_nouns() -> None:
    files = [
        file for name in ("glomspike", "datasets", "benchmarks") for file in (words.ROOT / name).rglob("*.py")
    ]
    assert [name for file in files for name in PARTICIPLE.findall(file.read_text("utf-8"))] == []


@pytest.mark.parametrize("text", ["text: give it a name of its own", "text: leave it out", "page: as told"])
def test_unwanted_words_are_found(text: str) -> None:
    assert UNWANTED.search(text)
