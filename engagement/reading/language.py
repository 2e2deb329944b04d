"""Which language a text is written in, or "und" when that cannot be told honestly."""

from __future__ import annotations

import re
from functools import cache
from hashlib import blake2b
from typing import Any

UNDETERMINED = "und"
LEAST_CONFIDENCE = 0.6
"""Below it the model's first guess on our care sample is wrong about as often as right."""

LEAST_LETTERS = 10
"""Shorter texts in Latin letters ("ok", "pls DM", a product's name) belong to every language."""

CLOSE_SHARE = 0.2
"""A language of the workspace is believed against a foreign one this many times likelier (1 to 5), so that
Danish is not lost to Norwegian, while Finnish is never taken for English."""

WIDELY_WRITTEN = """
ar bg bn ca cs da de el en es et fa fi fr he hi hr hu id it ja ko lt lv ms nl no pl pt ro ru sk sl sr sv ta th
tl tr uk ur vi zh
"""
CONSIDERED = tuple(WIDELY_WRITTEN.split())
HASHTAG = re.compile(r"#\w+")
NOT_LETTERS = re.compile(r"[\W\d_]+")


class Detector:
    """Tells the language, among those a workspace speaks or (with none given) the widely written ones."""

    def __init__(self, languages: tuple[str, ...]) -> None:
        model = identifier(tuple(sorted({*CONSIDERED, *languages})))
        self.languages = frozenset(languages) & frozenset(model.labels)
        self.only_english = self.languages == {"en"}
        self.salt = blake2b(",".join(sorted(self.languages)).encode(), digest_size=16).digest()
        self._model = model

    def detect(self, text: str) -> str:
        letters = HASHTAG.sub(" ", text)
        if too_short(letters):
            return UNDETERMINED
        language, confidence = self._model.classify(letters)
        if self.languages and language not in self.languages:
            language, confidence = self._closest(letters, confidence)
        return language if confidence >= LEAST_CONFIDENCE else UNDETERMINED

    def _closest(self, text: str, best: float) -> tuple[str, float]:
        """The likeliest language of the workspace, if it is not far behind the foreign one."""
        ranked = ((name, share) for name, share in self._model.rank(text) if name in self.languages)
        language, share = next(ranked)
        return (language, 1.0) if share >= best * CLOSE_SHARE and best >= LEAST_CONFIDENCE else ("", 0.0)


def too_short(text: str) -> bool:
    """Whether it holds too few letters to tell. Scripts of few languages need less than Latin letters."""
    letters = NOT_LETTERS.sub("", text)
    return len(letters.encode("utf-8", "ignore")) < LEAST_LETTERS


def detector_for(languages: tuple[str, ...]) -> Detector:
    """The detector for language tags in any spelling ("en", "pt-BR", "de_AT")."""
    return _detector(
        tuple(sorted({tag.replace("_", "-").split("-")[0].strip().lower() for tag in languages} - {""}))
    )


@cache
def _detector(languages: tuple[str, ...]) -> Detector:
    return Detector(languages)


@cache
def identifier(languages: tuple[str, ...]) -> Any:
    """The model, held to these languages where it knows them; half a second once a process."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    model = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    model.set_languages([name for name in languages if name in model.labels])
    return model
