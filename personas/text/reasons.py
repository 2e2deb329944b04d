"""Learns the reason for contact from the tags that staff give to conversations, and says how well.

One linear score a tag over TF-IDF of the first things a customer says (ridge regression on yes and no), told
where it reaches a border. Time is kept: a model is judged on conversations that came after all it learned
from, in three steps, and its borders are chosen on the last quarter of what it learned from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from core import sql
from engagement.contact_reasons import tags_in_use
from engagement.reading import read_texts
from engagement.reading.cleaning import clean
from engagement.reading.grams import grams
from engagement.reading.trained import Grams, ReasonModel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Marks = NDArray[np.bool_]

MOST_TALKS = 20_000
LEAST_TALKS = 30
"""A tag with fewer conversations is not learned."""

LEAST_JUDGED = 15
"""A tag of fewer judged conversations is not told: its figures say nothing yet."""

LEAST_PRECISION = 0.5
MOST_GRAMS, LEAST_TEXTS = 20_000, 3
RIDGE = 2.0
PARTS = 4


@dataclass(frozen=True)
class Talks:
    """Tagged conversations in the order they were begun: how each begins, and which tags it carries."""

    texts: list[str]
    tags: list[str]
    marks: Marks
    """One row a conversation, one column a tag."""

    def part(self, first: int, last: int) -> Talks:
        return Talks(self.texts[first:last], self.tags, self.marks[first:last])


@dataclass
class TagFigures:
    """How one tag was told on conversations later than those it was learned from."""

    tag: str
    n: int = 0
    told: int = 0
    right: int = 0
    rule_told: int = 0
    rule_right: int = 0
    rule: str = ""
    is_told: bool = False

    @property
    def precision(self) -> float:
        return self.right / self.told if self.told else 0.0

    @property
    def recall(self) -> float:
        return self.right / self.n if self.n else 0.0

    @property
    def f1(self) -> float:
        return f1(self.right, self.told, self.n)

    @property
    def rule_f1(self) -> float:
        return f1(self.rule_right, self.rule_told, self.n)


@dataclass
class Learned:
    """A model of reasons with its figures; `model` is None where there was too little to learn from."""

    talks: int
    figures: list[TagFigures] = field(default_factory=list)
    model: ReasonModel | None = None


def f1(right: int, told: int, n: int) -> float:
    """Twice what is right by what was told and what there is."""
    return 2 * right / (told + n) if told + n else 0.0


def load_talks() -> Talks:
    """The conversations to learn from, with tags that count and have enough of them."""
    import numpy as np

    names = {tag.id: tag.name for tag in tags_in_use() if tag.counts and tag.n >= LEAST_TALKS}
    rows = sql.rows("personas", "reason_texts", {"tags": list(names), "limit": MOST_TALKS})
    known = [(clean(row["text"])[0], set(row["tags"])) for row in rows]
    known = [(text, tags) for text, tags in known if text]
    marks = np.array([[pk in tags for pk in names] for _text, tags in known], dtype=bool)
    return Talks([text for text, _tags in known], list(names.values()), marks.reshape(len(known), len(names)))


def learn(talks: Talks, *, version: int, languages: Sequence[str] = ()) -> Learned:
    """Learn the tags and judge them; none is told that does not beat its rule."""
    found = Learned(len(talks.texts))
    if len(talks.tags) < 2 or len(talks.texts) < PARTS * LEAST_TALKS:
        return found
    found.figures = judge(talks, languages=languages)
    told = [one.is_told for one in found.figures]
    if any(told):
        found.model = _export(*_fit_with_borders(talks), talks.tags, told, version)
    return found


def judge(talks: Talks, *, languages: Sequence[str] = ()) -> list[TagFigures]:
    """Precision and recall of each tag on later conversations, beside the best rule for it."""
    figures = [TagFigures(tag) for tag in talks.tags]
    words = rule_words(talks.texts, languages)
    edges = [len(talks.texts) * part // PARTS for part in range(PARTS + 1)]
    for now, later in pairwise(edges[1:]):
        model, borders = _fit_with_borders(talks.part(0, now))
        told = _told(model.scores(talks.texts[now:later]), borders)
        for column, one in enumerate(figures):
            truth = talks.marks[now:later, column]
            one.rule = best_rule(words[:now], talks.marks[:now, column])
            _count(one, truth, told == column, [one.rule in each for each in words[now:later]])
    for one in figures:
        one.is_told = one.n >= LEAST_JUDGED and one.precision >= LEAST_PRECISION and one.f1 > one.rule_f1
    return figures


def _count(one: TagFigures, truth: Any, told: Any, by_rule: Sequence[bool]) -> None:
    import numpy as np

    rule = np.array(by_rule, dtype=bool)
    one.n += int(truth.sum())
    one.told += int(told.sum())
    one.right += int((truth & told).sum())
    one.rule_told += int(rule.sum())
    one.rule_right += int((truth & rule).sum())


EVERYTHING = "every conversation"


def rule_words(texts: Sequence[str], languages: Sequence[str]) -> list[frozenset[str]]:
    """What the rules read in each text: its reason, its topics, and what every text has in common."""
    readings = read_texts(texts, languages=languages)
    return [frozenset({EVERYTHING, one.reason, *one.topics}) for one in readings]


def best_rule(words: Sequence[frozenset[str]], marks: Marks) -> str:
    """The word of the rules that would have told this tag best so far; what a model has to beat."""
    counted: dict[str, int] = {}
    right: dict[str, int] = {}
    for each, mark in zip(words, marks.tolist(), strict=True):
        for word in each:
            counted[word] = counted.get(word, 0) + 1
            right[word] = right.get(word, 0) + mark
    n = int(marks.sum())
    return max(sorted(counted), key=lambda word: f1(right[word], counted[word], n), default=EVERYTHING)


@dataclass(frozen=True)
class _Fit:
    vectorizer: Any
    ridge: Any

    def scores(self, texts: Sequence[str]) -> Numbers:
        found: Numbers = self.ridge.predict(self.vectorizer.transform(texts))
        return found.reshape(len(texts), -1)


def _fit(talks: Talks) -> _Fit:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import Ridge

    least = LEAST_TEXTS if len(talks.texts) >= PARTS * LEAST_TALKS else 1
    vectorizer = TfidfVectorizer(analyzer=grams, min_df=least, max_features=MOST_GRAMS, binary=True)
    known = vectorizer.fit_transform(talks.texts)
    ridge = Ridge(RIDGE, solver="sparse_cg", tol=1e-4).fit(known, talks.marks.astype(float))
    return _Fit(vectorizer, ridge)


def _fit_with_borders(talks: Talks) -> tuple[_Fit, list[float]]:
    """A model of all of them; its borders are those that served a model of the first three quarters best."""
    cut = len(talks.texts) * 3 // 4
    early, late = talks.part(0, cut), talks.part(cut, len(talks.texts))
    scores = _fit(early).scores(late.texts)
    borders = [best_border(scores[:, at], late.marks[:, at]) for at in range(len(talks.tags))]
    return _fit(talks), borders


def best_border(scores: Numbers, marks: Marks) -> float:
    """Where to begin to tell a tag: the highest F1 among borders of at least even precision."""
    import numpy as np

    def worth(border: float) -> float:
        told = scores >= border
        right = int((told & marks).sum())
        if right < LEAST_PRECISION * int(told.sum()):
            return 0.0
        return f1(right, int(told.sum()), int(marks.sum()))

    grid = [float(each) for each in np.linspace(0.1, 0.8, 29)]
    return max(grid, key=lambda border: (worth(border), border))


def _told(scores: Numbers, borders: Sequence[float]) -> Any:
    """The column told of each text, -1 for none; as `ReasonModel.reason` decides."""
    import numpy as np

    above = scores - np.array(borders)
    best = above.argmax(axis=1)
    return np.where(above.max(axis=1) >= 0, best, -1)


def _export(
    found: _Fit, borders: list[float], tags: list[str], told: list[bool], version: int
) -> ReasonModel:
    import numpy as np

    names = [str(name) for name in found.vectorizer.get_feature_names_out()]
    coefficients = np.atleast_2d(found.ridge.coef_)
    return ReasonModel(
        version=version,
        grams=Grams(
            idf={
                name: round(float(each), 5) for name, each in zip(names, found.vectorizer.idf_, strict=True)
            },
            weights={name: coefficients[:, n].round(5).tolist() for n, name in enumerate(names)},
            intercepts=[float(each) for each in np.atleast_1d(found.ridge.intercept_)],
        ),
        tags=tags,
        borders=borders,
        told=told,
    )
