"""How long tests wait, and what they do where time itself is the subject.

What must come is waited for far longer than it takes: the bound is there so
that a test ends at all.  A time limit that a test gives to the product is
another matter: a starved machine may not get done in it what has to come
first.  Then all of it is tried again with a limit that is far longer.
"""

import sys

LIMIT_S = 240


def patiently(attempt, scales=(1, 8, 64)):
    """Calls |attempt| with a number to multiply its times with, and again with
    the next one if it fails.  What is wrong fails with the last, too."""
    for scale in scales[:-1]:
        try:
            return attempt(scale)
        except AssertionError as e:
            # told where the test fails in the end
            print("again, and slower: %s" % str(e)[:2000], file=sys.stderr)
    return attempt(scales[-1])
