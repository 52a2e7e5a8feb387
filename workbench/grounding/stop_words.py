"""Words that carry no topic. English only: other languages are indexed with all their words."""

from __future__ import annotations

_ENGLISH = """
a about above after again against all also am an and any are aren't as at be because been before being below between
both but by can can't cannot could couldn't did didn't do does doesn't doing don't down during each few for from
further had hadn't has hasn't have haven't having he her here hers herself him himself his how i i'm i've if in into
is isn't it it's its itself just let me more most mustn't my myself no nor not of off on once only or other ought
our ours ourselves out over own please same shall she should shouldn't so some such than that that's the their
theirs them themselves then there there's these they this those through to too under until up upon us very was
wasn't we were weren't what what's when where which while who whom whose why will with won't would wouldn't you
you're your yours yourself yourselves
"""

STOP_WORDS: dict[str, frozenset[str]] = {"english": frozenset(_ENGLISH.split())}
"""Stop words by Snowball's name of the language, lower-cased, with straight apostrophes."""
