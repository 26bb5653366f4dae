from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ml_intern.core.errors import ConfigError
from ml_intern.literature.chunks import LIMIT, Passage, passages
from ml_intern.literature.document import Block, Content, Document, Section
from ml_intern.literature.index import Index, searchable
from ml_intern.literature.own_words import named, own_words
from ml_intern.literature.paper import Paper
from ml_intern.literature.points import points
from ml_intern.literature.rendering import labelled
from ml_intern.literature.stated import under, values
from ml_intern.literature.sweep import facets, sweep

PAPER = Paper(id="2101.00001", version=1, title="T", authors=(), published="", categories=(), abstract="")
LONG = " ".join(f"Sentence number {n} says something about patches." for n in range(80))
ROWS = "\n".join(f"| Net-{n} | {n} | {n / 7:.3f} |" for n in range(200))


def section(number: str, title: str, *blocks: Block, level: int = 1) -> Section:
    return Section(number=number, title=title, level=level, blocks=blocks)


def text(words: str, page: int | None = None) -> Block:
    return Block(kind="paragraph", text=words, page=page)


def document(*sections: Section, references: tuple[str, ...] = ()) -> Document:
    entries = tuple(Block(kind="reference", text=reference) for reference in references)
    content = Content(sections=sections, references=entries)
    return Document(paper=PAPER, source="pdf", passed_over=(), is_settled=True, content=content)


SMALL = document(
    section("1", "Introduction", text("We cut images into patches.", 1)),
    section("2", "Method", text("The encoder has 12 layers of width 768 and 12 heads.", 2)),
    section("2.1", "Attention", text("Scores are divided by the root of the dimension $d_{k}$.", 2), level=2),
    section(
        "3",
        "Training",
        text("We use Adam with a batch size of 4096 and a warmup of 10k steps. Then β_{1} = 0.9 is kept.", 3),
        Block(kind="caption", text="Table 2: Settings of all networks.", page=3),
        Block(kind="table", text="| Network | Rate |\n| --- | --- |\n| Small | 0.003 |", page=3),
        Block(kind="equation", text="$$y=Wx$$ (4)", page=3),
        Block(kind="caption", text="Figure 12: A curve.", page=4),
    ),
    references=("[1] A reference about warmup steps.",),
)


@pytest.fixture
def index(tmp_path: Path) -> Index:
    made = Index(tmp_path)
    made.add("2101.00001v1", passages(SMALL))
    return made


def test_passages_are_bounded_lose_nothing_and_never_cross_sections() -> None:
    pair = (text("a" * 1_050), text("b" * 349), text("c" * 699), text("d" * 350), text("e" * 350))
    found = passages(
        document(section("1", "Long", text(LONG)), section("3", "Pairs", *pair), section("2", "Short", text("End.")))
    )

    assert all(len(passage.text) <= LIMIT for passage in found)
    assert " ".join(passage.text for passage in found if passage.anchor == "1") == LONG
    assert found[-1].text == "End."


def test_a_table_is_one_passage_with_its_caption_and_a_long_one_repeats_its_head() -> None:
    table = Block(kind="table", text="| Net | Layers | Score |\n| --- | --- | --- |\n" + ROWS)
    caption = Block(kind="caption", text="Table 1: Scores.")

    small = [p for p in passages(SMALL) if p.kind == "table"]
    large = passages(document(section("1", "Results", table, caption)))

    assert [passage.text.splitlines()[0] for passage in small] == ["Table 2: Settings of all networks."]
    assert len(large) > 2
    assert all("Table 1: Scores." in passage.text and "| Net | Layers | Score |" in passage.text for passage in large)
    assert sum(passage.text.count("| Net-") for passage in large) == 200


def test_a_passage_knows_the_headings_above_it_and_references_are_none() -> None:
    found = {passage.anchor: passage for passage in passages(SMALL)}

    assert found["2.1"].path == ("2 Method", "2.1 Attention")
    assert "References" not in found


def test_questions_find_the_passage_that_answers_them(index: Index) -> None:
    (best, *_) = index.find(["how many warmup steps?"])

    assert (best.paper, best.passage.anchor, best.passage.page) == ("2101.00001v1", "3", 3)


def test_several_wordings_are_fused(index: Index) -> None:
    found = index.find(["zzz", "learning rate of the small network"])

    assert found[0].passage.kind == "table"


def test_words_that_stand_nowhere_are_named_and_other_forms_of_one_count(index: Index) -> None:
    index.add("2102.00002v1", [Passage(anchor="1", path=("1 Windows",), kind="text", text="shifted windows")])

    assert index.absent(["what are the warmups of shifted windows?", "zzz windows"]) == ("zzz",)
    assert index.absent(["warmups of shifted windows"], papers=["2101.00001v1"]) == ("shifted", "windows")
    assert index.absent(["", "the of and", 'quote " AND NEAR('], papers=["2102.00002v1"]) == ("quote", "near")


@pytest.mark.parametrize("question", ["", "?", "the of and", 'quote " AND NEAR(', "nothing of this stands there xyzzy"])
def test_a_question_without_telling_words_finds_nothing_and_breaks_nothing(index: Index, question: str) -> None:
    assert index.find([question], papers=["2101.00001v1"]) == () or "nothing" in question


def test_greek_and_latex_are_found_as_people_write_them(index: Index) -> None:
    assert searchable("β and 4 \N{MULTIPLICATION SIGN} 4").split() == ["beta", "and", "4x4"]
    assert index.find(["beta"])[0].passage.anchor == "3"


def test_a_paper_that_is_read_again_replaces_its_passages(index: Index) -> None:
    new = Passage(anchor="1", path=("1 New",), kind="text", text="only this now")
    index.add("2101.00001v1", [new])

    assert index.papers() == ("2101.00001v1",)
    assert index.find(["warmup"]) == ()
    assert index.find(["only this"])[0].passage == new


def test_an_index_that_is_damaged_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "passages-1.db").write_bytes(b"no database" * 100)

    with pytest.raises(ConfigError, match="delete it"):
        Index(tmp_path).find(["warmup"])


def test_an_index_whose_file_was_deleted_is_made_anew(index: Index, tmp_path: Path) -> None:
    (tmp_path / "passages-1.db").unlink()

    assert index.find(["warmup"]) == ()
    index.add("2101.00001v1", passages(SMALL))
    assert index.find(["warmup"])[0].passage.anchor == "3"


def test_an_index_is_used_by_several_threads_and_after_it_was_closed(index: Index) -> None:
    def find(_: int) -> str:
        return index.find(["warmup"])[0].passage.anchor

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(find, range(40))) == {"3"}
    index.close()
    assert find(0) == "3"


def test_what_another_process_indexes_is_found(index: Index, tmp_path: Path) -> None:
    assert index.find(["dropout"]) == ()
    other = Index(tmp_path)
    other.add("2", [Passage(anchor="1", path=("1 New",), kind="text", text="dropout of 0.1")])
    other.close()

    assert index.find(["dropout"])[0].paper == "2"


def test_the_sweep_quotes_the_paper_word_for_word_with_the_section(index: Index) -> None:
    found = {finding.facet: finding for finding in sweep(index, "2101.00001v1")}

    assert [finding.facet for finding in sweep(index, "2101.00001v1")] == [facet.name for facet in facets()]
    (warmup,) = found["warm-up"].quotations
    assert (warmup.text, warmup.anchor) == ("We use Adam with a batch size of 4096 and a warmup of 10k steps.", "3")
    assert found["depth"].quotations[0].text == "The encoder has 12 layers of width 768 and 12 heads."
    assert found["hardware and time"].quotations == ()


def test_the_sweep_finds_a_value_in_the_passages_of_other_facets_and_prefers_the_table_of_variants(
    tmp_path: Path,
) -> None:
    head = ("Model", "Layers", "Hidden size", "Heads")
    rows = (head, ("Small", "12", "192", "3"))
    table = Block(
        kind="table", text="| Model | Layers | Hidden size | Heads |\n| --- |\n| Small | 12 | 192 | 3 |", rows=rows
    )
    crowd = [
        section(str(n), "Layers and batches", text("Layers and a mini-batch of tokens: batch size."), level=1)
        for n in range(4, 9)
    ]
    paper = document(
        section("1", "Setup", text("Adam with weight decay 0.1 and batches of 512, learning rate 0.1."), table),
        section(
            "2", "Depth", text("Depth: the stack of identical layers has 8 layers, number of layers depth blocks.")
        ),
        *crowd,
    )
    index = Index(tmp_path)
    index.add("1", passages(paper))

    found = {finding.facet: finding.quotations[0] for finding in sweep(index, "1") if finding.quotations}
    assert found["batch size"].text == "Adam with weight decay 0.1 and batches of 512, learning rate 0.1."
    assert (found["depth"].anchor, found["depth"].text.split(" / ")[-1]) == ("1", "| Small | 12 | 192 | 3 |")


def swept(folder: Path, *sections: Section) -> dict[str, list[str]]:
    index = Index(folder)
    index.add("1", passages(document(*sections)))
    return {finding.facet: [quotation.text for quotation in finding.quotations] for finding in sweep(index, "1")}


def test_a_value_of_related_work_is_none_of_the_paper(tmp_path: Path) -> None:
    found = swept(
        tmp_path,
        section("2", "Related Work", text("One such network has a patch size of 2 pixels, input patch size.")),
        section("3", "Setup", text("The networks take a patch size of 16 pixels.")),
    )

    assert found["patch size"] == ["The networks take a patch size of 16 pixels."]


def test_a_sentence_does_not_end_within_a_citation(tmp_path: Path) -> None:
    whole = "As in Doe et al. (2020) the kernel size is 3, cf. Table 2."

    assert swept(tmp_path, section("3", "Setup", text(whole)))["kernel or vocabulary"] == [whole]


def test_a_number_of_the_authors_who_are_cited_is_none_of_the_paper(tmp_path: Path) -> None:
    words = "Doe et al. (2020b) proposed a network in which all kernels have a kernel size of 3."

    assert swept(tmp_path, section("3", "Setup", text(words)))["kernel or vocabulary"] == []


def test_what_the_authors_did_comes_before_what_is_usual_and_a_new_value_before_the_same_again(tmp_path: Path) -> None:
    usual, done = "Networks are typically trained with a batch size of 32.", "We train with a batch size of 64."
    again, tuned = "We train longer with a batch size of 64.", "All models are tuned with a batch size of 16."

    def batches(folder: str, *sentences: str) -> list[str]:
        parts = [section(str(n), "Setup", text(words)) for n, words in enumerate(sentences, 1)]
        return swept(tmp_path / folder, *parts)["batch size"]

    assert batches("a", usual, done) == [done, usual]
    assert batches("b", done, again, tuned) == [done, tuned, again]


def test_asides_come_after_what_the_paper_proposes_and_say_that_they_are(tmp_path: Path) -> None:
    tried = "• Relative position embedding: positional encoding, sinusoidal or rotary, instead of learned ones."
    used = "A learned position embedding is added."
    index = Index(tmp_path)
    index.add(
        "1", passages(document(section("3", "Input", text(used)), section("D", "Position Embedding", text(tried))))
    )

    found = {finding.facet: finding.quotations for finding in sweep(index, "1")}["positions"]

    assert [(quotation.text, quotation.is_aside) for quotation in found] == [(used, False), (tried, True)]


def test_a_quotation_of_a_table_names_it_and_a_long_one_is_cut_between_words(tmp_path: Path) -> None:
    caption = Block(kind="caption", text="Table 3: Settings.")
    table = Block(kind="table", text="| Epochs | Batch size |\n| --- |\n| 7 | 4096 |", rows=(("Epochs",), ("7",)))
    index = Index(tmp_path)
    long = "We train with a batch size of 64 and " + "very " * 80 + "much care."
    index.add("1", passages(document(section("A", "Setup", caption, table), section("B", "More", text(long)))))

    found = {finding.facet: finding.quotations for finding in sweep(index, "1")}["batch size"]

    assert {quotation.anchor for quotation in found} == {"A, Table 3", "B"}
    assert next(q.text for q in found if q.anchor == "B").endswith("very …")


def test_a_word_within_another_is_no_sign_of_hardware(tmp_path: Path) -> None:
    other, told = "Training time: the output has a score of 3.", "Training time was 3 days on 8 GPUs."

    assert swept(tmp_path, section("4", "Time", text(f"{other} {told}")))["hardware and time"] == [told]
    assert swept(tmp_path / "none", section("4", "Time", text(other)))["hardware and time"] == []


def test_years_names_and_numbers_of_figures_are_no_quantity(tmp_path: Path) -> None:
    named = "Figure 2 compares the main results with the best previous state of the art (Doe, 2019a) [7] on Set-21k."
    measured = "The best network has an accuracy of 88.5."

    assert swept(tmp_path, section("4", "Results", text(f"{named} {measured}")))["main results"] == [measured]


def pointed(folder: Path, *sections: Section) -> dict[str, tuple[str, ...]]:
    index = Index(folder)
    index.add("1", passages(document(*sections)))
    return {point.name: point.values for point in points(sweep(index, "1"))}


def test_what_is_denied_or_of_another_method_is_no_point_of_the_contract(tmp_path: Path) -> None:
    words = (
        "We train with the Lion optimizer at a learning rate of 3e-4. Batches hold 4096 images, and training lasts 90"
        " epochs with a cosine decay after 5 epochs of warm-up. We do not use Adam, which diverged with a learning rate"
        " of 0.1. In contrast, the baseline of Doe et al. has 12 layers and uses SGD with a batch size of 128."
    )

    found = pointed(tmp_path, section("4", "Setup", text(words)))

    assert {name: found[name] for name in ("optimizer", "learning rate", "batch size", "epochs")} == {
        "optimizer": ("lion",), "learning rate": ("0.0003",), "batch size": ("4096",), "epochs": ("90",),
    }  # fmt: skip
    assert "depth" not in found


def test_the_value_of_the_main_training_comes_before_that_of_fine_tuning(tmp_path: Path) -> None:
    tuned = text("• Number of epochs: 2, 3, 4. We use a batch size of 32, number of epochs, and steps per epoch.")
    found = pointed(
        tmp_path,
        section("4", "Fine-tuning Procedure", tuned),
        section("A", "Details", text("We train with a batch size of 256 for a million steps, about 40 epochs.")),
    )

    assert (found["epochs"], found["batch size"]) == (("40", "2"), ("256", "32"))


def test_a_value_of_a_part_or_of_an_ablation_is_no_point(tmp_path: Path) -> None:
    found = pointed(
        tmp_path,
        section("3", "Network", text("The encoder has 12 layers. Each residual block has 2 layers.")),
        section("5", "Ablations", text("The networks with 6 layers are worse.")),
    )

    assert found["depth"] == ("12",)


def test_an_optimizer_and_its_rate_are_read_without_their_usual_words(tmp_path: Path) -> None:
    found = pointed(
        tmp_path,
        section("2", "Search", text("It has two layers of 128 units and is trained with RMSprop at a rate of 3e-4.")),
    )

    assert found == {"depth": ("2",), "width": ("128",), "optimizer": ("rmsprop",), "learning rate": ("0.0003",)}


@pytest.mark.parametrize(
    ("sentence", "own"),
    [
        ("We use Lion instead of Adam with a rate of 0.1.", "We use Lion   with a rate of 0.1."),
        ("Unlike Adam, who diverges at 0.1, we use SGD.", "we use SGD."),
        ("Weight decay is 0.1 and is not applied to norms.", "Weight decay is 0.1 and"),
        ("GPT used a rate of 0.1; BERT uses 0.2.", "BERT uses 0.2."),
        ("Doe et al. [3] trained with 0.1, but we train with 0.2.", "we train with 0.2."),
        ("We train with SGD, not with Adam.", "We train with SGD,"),
        ("Lion is better than Adam for us.", "Lion is better   for us."),
        ("We replace Adam by Lion.", "We   by Lion."),
        ("We train for not only 3 but 4 epochs.", "We train for not only 3; 4 epochs."),
    ],
)
def test_a_sentence_is_cut_to_what_it_says_of_the_paper_itself(sentence: str, own: str) -> None:
    others = named(["as in GPT (Doe et al., 2018) and BERT"])

    assert others == {"GPT"}
    assert own_words(sentence, others) == own


@pytest.mark.parametrize(
    ("column", "text", "read"),
    [
        (
            "rate",
            "| Rate |\n| --- |\n| 8 · 10^{\u22124} |\n| 10^{\u22123} |\n| $10^{-2}$ |",
            ["0.0008", "0.001", "0.01"],
        ),
        (r"layers|(\d+)-layer", "| Stage | 18-layer | 34-layer |\n| --- |\n| 1 | 2 | 3 |", ["18", "34"]),
        ("epochs", "| Epochs |\n| --- |\n| 7/14 |\n| 30 / 90 |\n| n/a |", ["7", "14", "30", "90"]),
    ],
)
def test_cells_with_a_bare_power_of_ten_or_two_variants_are_read(column: str, text: str, read: list[str]) -> None:
    assert list(under(column, text)) == read


@pytest.mark.parametrize(
    ("facet", "sentence", "read"),
    [
        ("learning rate", "We use a learning rate of $10^{-3}$.", ["0.001"]),
        ("feed-forward size", "It has 8 layers and $D_{MLP}=2048$.", ["2048"]),
    ],
)
def test_values_in_sentences_are_read(facet: str, sentence: str, read: list[str]) -> None:
    (asked,) = (one for one in facets() if one.name == facet)

    assert list(values(asked.values, asked.column, sentence)) == read


@pytest.mark.parametrize(
    ("wanted", "begin"),
    [
        ("Table 2", "Table 2: Settings of all networks.\n\n| Network | Rate |"),
        ("fig. 12", "Figure 12: A curve."),
        ("Equation (4)", "$$y=Wx$$ (4)"),
        ("eq 4", "$$y=Wx$$ (4)"),
    ],
)
def test_tables_figures_and_equations_are_given_by_their_name(wanted: str, begin: str) -> None:
    assert (labelled(SMALL, wanted) or "").startswith(begin)


def test_an_equation_comes_with_its_rows_without_number_and_one_of_several_numbers_is_found() -> None:
    rows = ("$$a=b$$", "$$=c$$ (1)", "$$d=e$$ (2)", "$$f(x)=(3)$$ (4) (5a)")
    paper = document(section("1", "Rows", text("As in (4)"), *(Block(kind="equation", text=row) for row in rows)))

    assert labelled(paper, "Equation 1") == "$$a=b$$\n\n$$=c$$ (1)"
    assert labelled(paper, "Equation 2") == "$$d=e$$ (2)"
    assert labelled(paper, "Equation 3") is None
    assert labelled(paper, "Equation 4") == labelled(paper, "eq. (5a)") == "$$f(x)=(3)$$ (4) (5a)"


@pytest.mark.parametrize("wanted", ["Table 3", "Figure 1", "Table", "Introduction", "Equation 44"])
def test_a_name_that_nothing_has_gives_nothing(wanted: str) -> None:
    assert labelled(SMALL, wanted) is None
