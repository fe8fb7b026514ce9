"""The reader's guesses: asked before a result is seen, and kept next to it."""

from __future__ import annotations

import html

import ipywidgets

from sam_widget.teach.panel import Line, Panel, button, row
from sam_widget.teach.texts import Lang, texts


class Guesses:
    """A lesson's questions. The prose asks them; here the reader answers, and later sees both side by side.

    >>> guesses = Guesses()
    >>> guesses.ask(1, "ABC")  # shows three choices
    >>> guesses.reveal(1, "B")  # "Question 1: you guessed A; it is B."
    >>> guesses  # a table of all
    """

    def __init__(self, *, lang: Lang = "en") -> None:
        """Start without questions."""
        self._lang: Lang = lang
        self.say = texts(lang)
        self.asked: dict[int, Question] = {}
        self.answers: dict[int, str] = {}

    def ask(self, number: int, choices: str = "", *, low: float = 0.0, high: float = 1.0) -> Question:
        """Return a panel that takes a guess. A cell that is run again keeps the guess.

        Args:
            number: Number of the question.
            choices: A letter for each choice; without, a slider asks for a number.
            low: Left end of the slider.
            high: Right end of the slider.
        """
        if number not in self.asked:
            self.asked[number] = Question(choices, low=low, high=high, lang=self._lang)
        return self.asked[number]

    def reveal(self, number: int, answer: object) -> str:
        """Keep what came out, and return it as a sentence, next to the guess."""
        self.answers[number] = f"{answer:.2f}" if isinstance(answer, float) else str(answer)
        return self._sentence(number)

    def _guess(self, number: int) -> str:
        question = self.asked.get(number)
        return self.say("guess.none") if question is None or question.guess is None else question.guess

    def _sentence(self, number: int) -> str:
        question, answer = self.asked.get(number), self.answers.get(number, "…")
        if question is None or question.guess is None:
            return self.say("guess.missing", number=number, answer=answer)
        return self.say("guess.row", number=number, guess=question.guess, answer=answer)

    def _rows(self) -> list[tuple[str, str, str]]:
        numbers = sorted({*self.asked, *self.answers})
        return [(str(number), self._guess(number), self.answers.get(number, "…")) for number in numbers]

    def __repr__(self) -> str:
        """Return a line per question."""
        return "\n".join(self._sentence(number) for number in sorted({*self.asked, *self.answers}))

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{self.say(f'guess.{key}')}</th>" for key in ("question", "yours", "answer"))
        lines = ("".join(f"<td>{html.escape(cell)}</td>" for cell in line) for line in self._rows())
        return f"<table><tr>{head}</tr>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


class Question(Panel):
    """Takes one guess: a letter, or a number on a slider."""

    def __init__(self, choices: str = "", *, low: float = 0.0, high: float = 1.0, lang: Lang = "en") -> None:
        """Ask; see `Guesses.ask`."""
        super().__init__(lang=lang)
        self.guess: str | None = None
        if choices:
            # Letters need little room.
            self.control = ipywidgets.ToggleButtons(options=list(choices), style={"button_width": "3em"})
        else:
            self.control = ipywidgets.FloatSlider(
                value=(low + high) / 2, min=low, max=high, step=(high - low) / 100, readout_format=".2f"
            )
        self.button = button(self.say("guess.button"), primary=True)
        self._note = Line(self.say("guess.not_yet"))
        self.button.on_click(lambda _button: self.keep())
        self.arrange(row([self.control, self.button]), self._note)

    def __repr__(self) -> str:
        """Return the choices, or the ends of the slider, and what is said about them."""
        control = self.control
        ends = (f"{control.min:g}", f"{control.max:g}") if isinstance(control, ipywidgets.FloatSlider) else ()
        choices = " – ".join(ends) or "   ".join(control.options)
        return f"[ {choices} ]  {self._note.text}"

    def keep(self) -> None:
        """Keep what the control shows as the guess. It cannot be changed later."""
        if self.guess is None:
            value = self.control.value
            self.guess = f"{value:.2f}" if isinstance(value, float) else str(value)
            self.button.disabled = self.control.disabled = True
            self._note.text = self.say("guess.kept", guess=self.guess)
