from __future__ import annotations

import pytest

from ml_intern.core.errors import ToolError
from ml_intern.literature.paper import Reference, parse_reference


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("2010.11929", Reference(id="2010.11929")),
        (" 2010.11929v2 ", Reference(id="2010.11929", version=2)),
        ("0704.0001", Reference(id="0704.0001")),
        ("arXiv:2010.11929v2", Reference(id="2010.11929", version=2)),
        ("https://arxiv.org/abs/2010.11929", Reference(id="2010.11929")),
        ("http://arxiv.org/pdf/2010.11929v1.pdf", Reference(id="2010.11929", version=1)),
        ("https://www.arxiv.org/html/2010.11929v2#S3.SS1", Reference(id="2010.11929", version=2)),
        ("arxiv.org/abs/2010.11929?context=cs", Reference(id="2010.11929")),
        ("10.48550/arXiv.2010.11929", Reference(id="2010.11929")),
        ("https://doi.org/10.48550/arXiv.2010.11929", Reference(id="2010.11929")),
        ("cs/0112017", Reference(id="cs/0112017")),
        ("hep-th/9901001v3", Reference(id="hep-th/9901001", version=3)),
        ("math.GT/0309136", Reference(id="math/0309136")),
        ("https://arxiv.org/pdf/cs/0112017v1", Reference(id="cs/0112017", version=1)),
    ],
)
def test_every_form_of_an_identifier_is_understood(text: str, reference: Reference) -> None:
    assert parse_reference(text) == reference


@pytest.mark.parametrize(
    "text",
    [
        "",
        "attention is all you need",
        "2010.11929/../../etc/passwd",
        "../2010.11929",
        "2010.11929v0",
        "2010.11929\n2010.11930",
        "٢٠١٠.١١٩٢٩",
        "cs/../0112017",
        "https://arxiv.org.example.com/abs/2010.11929",
        "https://example.com/abs/2010.11929",
        "https://arxiv.org@example.com/abs/2010.11929",
        "file:///abs/2010.11929",
        "https://arxiv.org/abs/2010.11929&max_results=9",
        "2010.11929&id_list=2010.11930",
    ],
)
def test_what_is_no_identifier_is_refused_with_advice(text: str) -> None:
    with pytest.raises(ToolError, match="is no arXiv identifier"):
        parse_reference(text)


def test_a_reference_is_written_with_its_version_if_it_has_one() -> None:
    assert [str(Reference(id="cs/0112017")), str(Reference(id="2010.11929", version=2))] == [
        "cs/0112017",
        "2010.11929v2",
    ]
