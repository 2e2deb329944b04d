"""The steps of a walk, as Facebook and Instagram both take them: one request each, by the kind of a task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

from engagement.channels.meta.client import Graph
from engagement.channels.meta.reading import Json
from engagement.channels.meta.walking import Reach, Taken, Task

Step = Callable[[Task, Reach], Taken]


class Steps(ABC):
    """Reads one page of one list at a time; each network says which lists it has."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    @abstractmethod
    def steps(self) -> Mapping[str, Step]:
        """What is done for a task of each kind."""

    def step(self, task: Task, reach: Reach) -> Taken:
        """Ask for one page of one list; nothing for a kind that is not known. Raises SendFailed."""
        known = self.steps().get(task.kind)
        return known(task, reach) if known else Taken()

    def ask(self, path: str, task: Task, **params: object) -> Json:
        """The page of a list at which a task stands."""
        more = {"after": task.after} if task.after else {}
        return self.graph.get(path, **params, **more)
