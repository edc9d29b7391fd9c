"""Prompts: the shipped files render, ids change with what is read and with nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from interestingness.annotators.prompting import CHOICES, PAPER_PERSONAS, Template
from interestingness.errors import ConfigError

SHIPPED = ("pair-1", "image-1", "description-1", "cupl-1")


def test_every_kind_has_a_shipped_prompt_that_renders() -> None:
    prompts = [Template.load(name).render(question="calming") for name in SHIPPED]
    assert [prompt.kind for prompt in prompts] == list(CHOICES)
    assert "more calming" in prompts[0].ask and "calming?" in prompts[1].ask
    assert not any("{" in text for p in prompts for text in (p.ask, p.system, *p.captions))
    assert len({prompt.id for prompt in prompts}) == len(prompts)


def test_the_question_the_comparison_and_the_persona_are_part_of_the_id() -> None:
    template = Template.load("pair-1")
    ids = {
        template.render(question="interesting").id,
        template.render(question="safe").id,
        template.render(question="safe", comparison="safer for a child").id,
        template.render(question="safe", persona=PAPER_PERSONAS[0]).id,
        template.render(question="safe", canvas=True).id,
    }
    assert len(ids) == 5
    assert len(set(PAPER_PERSONAS)) == 8


def test_choice_comes_before_reason() -> None:
    schema = Template.load("pair-1").render(question="interesting").schema
    assert schema is not None
    assert list(schema["properties"]) == ["choice", "reason"]  # type: ignore[arg-type]


def test_an_edited_prompt_has_another_id_and_an_edited_comment_has_not(tmp_path: Path) -> None:
    text = 'kind = "cupl"\ncaptions = []\nask = "Describe one {question} image."\n'
    own = tmp_path / "mine.toml"
    ids = []
    for version in (text, "# a comment\n" + text, text.replace("one", "an")):
        own.write_text(version)
        ids.append(Template.load(str(own)).render(question="safe").id)
    assert ids[0] == ids[1] != ids[2]


def test_braces_in_a_users_words_are_left_alone() -> None:
    prompt = Template.load("image-1").render(question="full of {persona}")
    assert "full of {persona}?" in prompt.ask


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind = 'duel'\nask = 'x'", "kind 'duel'"),
        ("kind = 'pair'\nchoices = ['a', 'b']\ncaptions = ['', '']\nask = 'x'", "choices of kind"),
        ("kind = 'image'\nchoices = ['yes', 'no']\ncaptions = []\nask = 'x'", "each of 1 images"),
        ("kind = 'cupl'\ncaptions = []\nask = '  '", "ask is missing"),
        ("kind = 'cupl'\ncaptions = []\nask = 'a {thing}'", "{thing} is no field of a prompt"),
        ("kind = 'cupl'\ncaptions = []\nask = 'a'\ntemperature = 1", "temperature is no key"),
        ("kind = ", "not TOML"),
    ],
)
def test_a_prompt_file_that_is_wrong_says_so(tmp_path: Path, text: str, said: str) -> None:
    own = tmp_path / "mine.toml"
    own.write_text(text)
    with pytest.raises(ConfigError) as error:
        Template.load(str(own))
    assert said in str(error.value)


def test_absent_prompts_and_absent_texts_are_errors() -> None:
    with pytest.raises(ConfigError, match="pair-1"):
        Template.load("pair-99")
    with pytest.raises(ConfigError, match="persona"):
        Template.load("cupl-1").render(question="safe", persona="a sailor")
