"""The goals beside what was measured in this run."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Noted:
    """A figure and the limit that it should not exceed, or should reach."""

    what: str
    figure: float
    goal: float
    is_least: bool
    unit: str

    @property
    def is_met(self) -> bool:
        return self.figure >= self.goal if self.is_least else self.figure <= self.goal


_noted: list[Noted] = []


def note(what: str, figure: float, goal: float, *, is_least: bool = False, unit: str = "") -> None:
    """A section's figure, for the table at the end of the run."""
    _noted.append(Noted(what, figure, goal, is_least, unit))


def format_goals() -> str:
    """Markdown, of everything noted so far."""
    lines = ["| what | goal | figure | |", "|---|---:|---:|---|"]
    for n in _noted:
        word = "at least" if n.is_least else "at most"
        figure, goal = (
            f"{value:,.0f}" if value >= 1000 else f"{value:.3g}" for value in (n.figure, n.goal)
        )
        met = "met" if n.is_met else "**missed**"
        lines.append(f"| {n.what} | {word} {goal}{n.unit} | {figure}{n.unit} | {met} |")
    return "\n".join(lines)
