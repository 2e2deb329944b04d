from tests.channels.facebook.fixtures import *  # noqa: F403 (fixtures of three networks)
