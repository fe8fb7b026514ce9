"""Guesses are kept next to the answers."""

from __future__ import annotations

from sam_widget.teach.guesses import Guesses


def test_a_guess_is_kept_next_to_the_answer() -> None:
    guesses = Guesses()
    question = guesses.ask(1, "ABC")
    question.control.value = "C"
    assert guesses.reveal(1, "B") == "Question 1: it is B. You did not guess."
    question.button.click()
    assert guesses.reveal(1, "B") == "Question 1: you guessed C; it is B."
    question.control.value = "A"
    question.button.click()
    assert guesses.ask(1, "ABC") is question
    assert question.guess == "C", "it cannot be changed once the answer is known"
    assert "<td>1</td><td>C</td><td>B</td>" in guesses._repr_html_()


def test_a_number_is_guessed_with_a_slider_in_chinese() -> None:
    guesses = Guesses(lang="zh-TW")
    question = guesses.ask(2, low=0, high=10)
    question.control.value = 7
    question.keep()
    assert question.guess == "7.00"
    assert guesses.reveal(2, 3.14159) == "第 2 題：你猜 7.00，結果是 3.14。"
    assert repr(guesses) == "第 2 題：你猜 7.00，結果是 3.14。"


def test_text_from_outside_is_not_html() -> None:
    guesses = Guesses()
    guesses.reveal(1, "<b>")
    assert "&lt;b&gt;" in guesses._repr_html_()
