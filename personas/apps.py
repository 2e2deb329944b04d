"""Personas: what customers are like."""

from django.apps import AppConfig


class PersonasConfig(AppConfig):
    """Registers the fields of rules, what holds a person, timeline entries and the nightly job."""

    name = "personas"

    def ready(self) -> None:
        from django.conf import settings

        from core.jobs import register_runner
        from personas import (
            about_you,
            audiences,
            bell,
            duplicates,
            fieldset,
            groups,
            handmade,
            holdings,
            nightly,
            people,
            proposals,
            search,
            segments,
            stages,
            timeline,
            words,
        )
        from personas.reach import registering as reach
        from personas.text import nightly as texts

        fieldset.register()
        holdings.register()
        about_you.register()
        audiences.register()
        groups.register()
        timeline.register()
        nightly.register()
        handmade.register()
        bell.announce()
        people.register()
        duplicates.register()
        stages.register()
        search.register()
        reach.register()
        texts.register()
        words.register()
        register_runner(
            nightly.KIND,
            nightly.run_rebuild,
            queue="nightly",
            time_limit=settings.LONGEST_TASK_TIME_LIMIT,
        )
        register_runner("segment.build", segments.run_build)
        register_runner(proposals.KIND, proposals.run_fit)
        register_runner(handmade.KIND, handmade.run_follow)
