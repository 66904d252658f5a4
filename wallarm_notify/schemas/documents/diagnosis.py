"""The document of a diagnosis."""

from typing_extensions import TypedDict

from wallarm_notify.domain.diagnosis import Diagnosis


class FindingDocument(TypedDict):
    """What was found of one part."""

    part: str
    """The part, in a word or two; several findings may be of one part."""
    grade: str
    """bad, where alerts are lost or late; odd; good."""
    sentence: str
    """What was found."""
    todo: str | None
    """What to do; null where nothing is to be done, or the sentence says it."""


class DiagnosisDocument(TypedDict):
    """What of an installation is well, odd or bad."""

    sentence: str
    """All of it in one sentence."""
    bad: int
    """How many findings are bad."""
    odd: int
    """How many are odd."""
    findings: list[FindingDocument]
    """All findings, the worst first."""


def diagnosis_document(found: Diagnosis) -> DiagnosisDocument:
    """Return the document of a diagnosis."""
    return {
        "sentence": found.sentence,
        "bad": found.bad,
        "odd": found.odd,
        "findings": [
            {
                "part": one.part,
                "grade": str(one.grade),
                "sentence": one.sentence,
                "todo": one.todo,
            }
            for one in found.findings
        ],
    }
